package engine

// warmTogether is for how many reservations is looked where they are before it is read there.
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
		if q, n := hs.queue.last, len(hs.queue.last); n > 0 {
			sum += uint64(q[n-1].at) + uint64(q[:cap(q)][min(n, cap(q)-1)].n)
		}
		if n := len(hs.changed); n > 0 {
			sum += uint64(hs.changed[n-1])
		}
		if hs.more != nil {
			sum += uint64(hs.more.rests.made) + uint64(len(hs.more.pages))
		}
	}
	for from := 0; from < len(stocks); from += warmTogether {
		to := min(from+warmTogether, len(stocks))
		some, theirs := stocks[from:to], nonces[min(from, len(nonces)):min(to, len(nonces))]
		sum += warmPages(some, theirs) + warmPlaces(some, theirs)
	}
	return sum
}

// warmPages reads what finds the places that warmPlaces reads, of up to warmTogether stocks. First it finds
// out where that is, and then it reads, as warmPlaces does.
func warmPages(stocks []*Stock, nonces []uint64) (sum uint64) {
	var pages [warmTogether]*[]hold
	var rests [warmTogether]*[]restPiece
	var indexes [warmTogether]*indexPage
	n, m, o := 0, 0, 0
	for i, s := range stocks {
		hs := s.holds
		if hs == nil || hs.more == nil {
			continue
		}
		if p := hs.next(); p > roomAtFirst {
			page, _ := pageOf(p)
			pages[n] = &hs.more.pages[page]
			n++
		}
		if p := hs.more.rests.next(); p != 0 {
			page, _ := restPageOf(p)
			rests[m] = &hs.more.rests.pages[page]
			m++
		}
		if hs.indexed() && i < len(nonces) && nonces[i] != 0 {
			indexes[o] = hs.more.index.page(indexHash(nonces[i]))
			o++
		}
	}
	for _, page := range pages[:n] {
		sum += uint64(len(*page))
	}
	for _, page := range rests[:m] {
		sum += uint64(len(*page))
	}
	for _, page := range indexes[:o] {
		sum += uint64(page.used)
	}
	return sum
}

// warmPlaces reads where the next hold of each stock goes, with what it has besides, and where the index
// has it.
func warmPlaces(stocks []*Stock, nonces []uint64) (sum uint64) {
	var next [warmTogether]*hold
	var rests [warmTogether]*restPiece
	var slots [warmTogether]*indexSlot
	n, m, o := 0, 0, 0
	for i, s := range stocks {
		hs := s.holds
		if hs == nil {
			continue
		}
		next[n] = hs.at(hs.next())
		n++
		if hs.more == nil {
			continue
		}
		if p := hs.more.rests.next(); p != 0 {
			rests[m] = hs.more.rests.at(p)
			m++
		}
		if hs.indexed() && i < len(nonces) && nonces[i] != 0 {
			slots[o] = hs.more.index.begins(nonces[i])
			o++
		}
	}
	for _, h := range next[:n] {
		sum += h.nonce
	}
	for _, piece := range rests[:m] {
		sum += uint64(piece.next)
	}
	for _, slot := range slots[:o] {
		sum += uint64(slot.place)
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
