package engine

// WarmStages is how many stages [Stock.Warm] has.
const WarmStages = 2

// Warm reads a little of what a command will need, and changes nothing. Whoever has commands on many
// stocks calls it on all of them, stage by stage, before the first is decided: what one stage reads
// does not depend on what it read of another stock, so the processor fetches it all at once. nonce is
// that of the command's reservation, if it has one. The result means nothing; it keeps the reads from
// being left out.
func (s *Stock) Warm(stage int, nonce uint64) (sum uint64) {
	if stage == 0 {
		return s.sequence + uint64(s.queue.next) + uint64(s.holds.live) + uint64(len(s.levels)) +
			uint64(s.freedThrough) + uint64(s.holds.few[0]) + uint64(len(s.first[0].Key.Pool)) + uint64(len(s.changed))
	}
	if n := len(s.levels); n > 0 {
		sum += uint64(s.levels[0].Safety) + uint64(len(s.levels[0].Key.Location))
	}
	if len(s.sku) > 0 {
		sum += uint64(s.sku[0])
	}
	if n := len(s.queue.first); n > 0 {
		sum += uint64(s.queue.first[n-1].at)
	}
	if n := s.holds.used; n > 0 {
		sum += s.holds.at(n).nonce
	}
	if n := len(s.changed); n > 0 {
		sum += uint64(s.changed[n-1])
	}
	if nonce != 0 && s.holds.indexed() {
		sum += s.holds.more.index.glance(nonce)
	}
	return sum
}
