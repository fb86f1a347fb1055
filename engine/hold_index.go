package engine

// holdIndex finds holds by their nonces. It is a hash table in pages (extendible hashing: Fagin,
// Nievergelt, Pippenger and Strong, "Extendible hashing, a fast access method for dynamic files",
// 1979): a full page splits in two, so no single reservation waits for a table of a million to be
// copied, as it would for a table in one piece.
type holdIndex struct {
	// pages has one entry for each of the first depth bits of a hash; a page that has fewer bits of
	// its own is there several times.
	pages []*indexPage
	depth uint8
	count int
}

// indexPage is a table with open addressing, at most three quarters full.
type indexPage struct {
	slots []indexSlot
	used  int
	depth uint8
}

// indexSlot has a hash of the nonce, which says where looking at the hold itself is worth while, and
// where the slot goes when its page grows or splits.
type indexSlot struct {
	hash  uint32
	place place // zero marks a free slot
}

const (
	// indexSlotsMin and indexSlotsMax are how many slots a page begins with, and with how many it
	// splits instead of growing. Both are powers of two.
	indexSlotsMin = 32
	indexSlotsMax = 512
)

// indexHash spreads nonces, since those of tests and of other makers need not be random. Its first
// bits choose the page, its last ones the slot.
func indexHash(nonce uint64) uint32 {
	h := nonce * 0x9e3779b97f4a7c15
	return uint32((h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 32)
}

func (p *indexPage) slotOf(h uint32) int { return int(h) & (len(p.slots) - 1) }

func newHoldIndex() *holdIndex {
	return &holdIndex{pages: []*indexPage{{slots: make([]indexSlot, indexSlotsMin)}}}
}

func (x *holdIndex) page(h uint32) *indexPage { return x.pages[h>>(32-x.depth)] }

// find returns the place of a hold, or zero.
func (x *holdIndex) find(hs *holds, nonce uint64) place {
	h := indexHash(nonce)
	p := x.page(h)
	for i := p.slotOf(h); ; i = (i + 1) & (len(p.slots) - 1) {
		s := p.slots[i]
		if s.place == 0 || s.hash == h && hs.at(s.place).nonce == nonce {
			return s.place
		}
	}
}

// glance reads what find will need.
func (x *holdIndex) glance(nonce uint64) uint64 {
	h := indexHash(nonce)
	p := x.page(h)
	return uint64(p.slots[p.slotOf(h)].place)
}

// put files a hold and reports whether its nonce was not there.
func (x *holdIndex) put(hs *holds, nonce uint64, at place) bool {
	h := indexHash(nonce)
	p := x.page(h)
	if 4*(p.used+1) > 3*len(p.slots) {
		x.widen(p, h)
		p = x.page(h)
	}
	i := p.slotOf(h)
	for ; p.slots[i].place != 0; i = (i + 1) & (len(p.slots) - 1) {
		if s := p.slots[i]; s.hash == h && hs.at(s.place).nonce == nonce {
			return false
		}
	}
	p.slots[i] = indexSlot{h, at}
	p.used++
	x.count++
	return true
}

// widen makes a page larger, or two of it.
func (x *holdIndex) widen(p *indexPage, h uint32) {
	if len(p.slots) < indexSlotsMax {
		old := p.slots
		p.slots, p.used = make([]indexSlot, 2*len(old)), 0
		for _, s := range old {
			if s.place != 0 {
				p.add(s)
			}
		}
		return
	}
	if p.depth == x.depth {
		pages := make([]*indexPage, 2*len(x.pages))
		for i, q := range x.pages {
			pages[2*i], pages[2*i+1] = q, q
		}
		x.pages = pages
		x.depth++
	}
	halves := [2]*indexPage{}
	for i := range halves {
		halves[i] = &indexPage{slots: make([]indexSlot, indexSlotsMax), depth: p.depth + 1}
	}
	for _, s := range p.slots {
		if s.place != 0 {
			halves[s.hash>>(31-p.depth)&1].add(s)
		}
	}
	span := len(x.pages) >> p.depth // How many entries were of the page.
	from := int(h>>(32-x.depth)) &^ (span - 1)
	for i := range span {
		x.pages[from+i] = halves[2*i/span]
	}
}

// add files a hold that is not there, where there is room.
func (p *indexPage) add(s indexSlot) {
	i := p.slotOf(s.hash)
	for p.slots[i].place != 0 {
		i = (i + 1) & (len(p.slots) - 1)
	}
	p.slots[i] = s
	p.used++
}

// remove takes a hold out and closes the gap, so that no search ends at it.
func (x *holdIndex) remove(nonce uint64, at place) {
	h := indexHash(nonce)
	p := x.page(h)
	mask := len(p.slots) - 1
	gap := p.slotOf(h)
	for p.slots[gap].place != at {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; p.slots[i].place != 0; i = (i + 1) & mask {
		home := p.slotOf(p.slots[i].hash)
		if (i-home)&mask >= (i-gap)&mask {
			p.slots[gap] = p.slots[i]
			gap = i
		}
	}
	p.slots[gap] = indexSlot{}
	p.used--
	x.count--
}
