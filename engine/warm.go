package engine

// warmTogether is for how many reservations WarmHolds looks where they are before it reads there.
const warmTogether = 32

// Warm reads a little of what commands on many stocks will need, and changes nothing. nonces has for each
// stock that of its command's reservation, or zero; it may be nil. The result means nothing; it keeps the
// reads from being left out.
//
// What one of its loops reads does not depend on what it read of another stock, so the processor fetches
// it all at once; and there is little else in a loop, for a processor looks only so many instructions
// ahead.
func Warm(stocks []*Stock, nonces []uint64) (sum uint64) {
	for _, s := range stocks {
		sum += s.sequence + uint64(s.first.Safety)
	}
	for _, s := range stocks {
		if s.sku != "" {
			sum += uint64(s.sku[0])
		}
		if s.levels > 1 {
			sum += uint64(s.rest.sums.onHand)
		}
		if hs := s.holds; hs != nil {
			sum += uint64(hs.queue.next) + uint64(hs.few[0])
		}
	}
	for _, s := range stocks {
		hs := s.holds
		if hs == nil {
			continue
		}
		if q, n := hs.queue.first, len(hs.queue.first); n > 0 {
			sum += uint64(q[n-1].at) + uint64(q[:cap(q)][min(n, cap(q)-1)].n)
		}
		if n := len(hs.changed); n > 0 {
			sum += uint64(hs.changed[n-1])
		}
		if hs.more != nil {
			sum += uint64(hs.more.rests.made) + uint64(len(hs.more.pages))
		}
	}
	for i, s := range stocks {
		if hs := s.holds; hs != nil && hs.more != nil {
			sum += hs.warmPages()
			if hs.indexed() && i < len(nonces) && nonces[i] != 0 {
				sum += uint64(hs.more.index.page(indexHash(nonces[i])).used)
			}
		}
	}
	for i, s := range stocks {
		if hs := s.holds; hs != nil {
			sum += hs.warmNext()
			if hs.indexed() && i < len(nonces) && nonces[i] != 0 {
				sum += uint64(hs.more.index.begins(nonces[i]).place)
			}
		}
	}
	return sum
}

// WarmHolds is Warm for many reservations on one stock that was used just before.
func (s *Stock) WarmHolds(nonces []uint64) (sum uint64) {
	hs := s.holds
	if hs == nil {
		return 0
	}
	if sum = hs.warmNext(); !hs.indexed() {
		return sum
	}
	var slots [warmTogether]*indexSlot
	for from := 0; from < len(nonces); from += warmTogether {
		some := nonces[from:min(from+warmTogether, len(nonces))]
		for i, nonce := range some {
			slots[i] = hs.more.index.begins(nonce)
		}
		for _, slot := range slots[:len(some)] {
			sum += uint64(slot.place)
		}
	}
	return sum
}

// warmPages reads what finds the places that warmNext reads.
func (hs *holds) warmPages() (sum uint64) {
	if p := hs.next(); p > roomAtFirst {
		page, _ := pageOf(p)
		sum = uint64(len(hs.more.pages[page]))
	}
	if p := hs.more.rests.next(); p != 0 {
		page, _ := restPageOf(p)
		sum += uint64(len(hs.more.rests.pages[page]))
	}
	return sum
}

// warmNext reads where the next hold goes.
func (hs *holds) warmNext() (sum uint64) {
	sum = hs.at(hs.next()).nonce
	if hs.more != nil {
		if p := hs.more.rests.next(); p != 0 {
			sum += uint64(hs.more.rests.at(p).next)
		}
	}
	return sum
}

// next is the place that is taken next, if there is memory for it, or was last.
func (hs *holds) next() place {
	switch {
	case hs.free != 0:
		return hs.free
	case hs.used < roomAtFirst:
		return hs.used + 1
	case hs.more != nil:
		if page, _ := pageOf(hs.used + 1); page < len(hs.more.pages) {
			return hs.used + 1
		}
	}
	return hs.used
}
