package engine

import "cmp"

// WarmStages is how many stages [Stock.Warm] has.
const WarmStages = 5

// Warm reads a little of what a command will need, and changes nothing. Whoever has commands on many
// stocks calls it on all of them, stage by stage, before the first is decided: what one stage reads
// does not depend on what it read of another stock, so the processor fetches it all at once. nonce is
// that of the command's reservation, if it has one. The result means nothing; it keeps the reads from
// being left out.
func (s *Stock) Warm(stage int, nonce uint64) (sum uint64) {
	hs := s.holds
	switch {
	case stage == 0:
		return s.sequence + uint64(s.first.Safety)
	case stage == 1:
		if s.sku != "" {
			sum = uint64(s.sku[0])
		}
		if s.levels > 1 {
			sum += uint64(s.rest.sums.onHand)
		}
		if hs != nil {
			sum += uint64(hs.queue.next) + uint64(hs.few[0])
		}
		return sum
	case hs == nil:
		return 0
	case stage == 2:
		if n := len(hs.queue.first); n > 0 {
			sum += uint64(hs.queue.first[n-1].at)
		}
		if n := len(hs.changed); n > 0 {
			sum += uint64(hs.changed[n-1])
		}
		if hs.more != nil {
			sum += uint64(hs.more.rests.made)
		}
		return sum
	case stage == 3:
		return hs.warmPages(nonce)
	}
	return hs.warmNext(nonce)
}

// warmPages reads what finds the places that warmNext reads.
func (hs *holds) warmPages(nonce uint64) (sum uint64) {
	if hs.more == nil {
		return 0
	}
	if p := hs.next(); p > roomAtFirst {
		page, _ := pageOf(p)
		sum = uint64(len(hs.more.pages[page]))
	}
	if p := hs.more.rests.next(); p != 0 {
		page, _ := restPageOf(p)
		sum += uint64(len(hs.more.rests.pages[page]))
	}
	if nonce != 0 && hs.indexed() {
		sum += hs.more.index.glanceAtPage(nonce)
	}
	return sum
}

// warmNext reads where the next hold goes, or where one is that is there already.
func (hs *holds) warmNext(nonce uint64) (sum uint64) {
	sum = hs.at(hs.next()).nonce
	if hs.more == nil {
		return sum
	}
	if p := hs.more.rests.next(); p != 0 {
		sum += uint64(hs.more.rests.at(p).next)
	}
	if nonce != 0 && hs.indexed() {
		sum += hs.more.index.glance(nonce)
	}
	return sum
}

// next is the place that is taken next, or was last.
func (hs *holds) next() place { return cmp.Or(hs.free, hs.used) }
