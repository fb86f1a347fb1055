package engine

// holdIndex finds holds by their nonces. It is a hash table in pages (extendible hashing: Fagin,
// Nievergelt, Pippenger and Strong, "Extendible hashing, a fast access method for dynamic files",
// 1979): a full page splits in two, so no single reservation waits for a table of a million to be
// copied, as it would for a table in one piece.
//
// With very many holds none of it is in the processor's cache, so a search follows one pointer, to the
// page, and nothing else.
type holdIndex struct {
	// first is the only page while that grows; nil without holds, and once there are several pages.
	first indexPage
	// pages has one entry for each of the first depth bits of a hash; a page that has fewer bits of
	// its own is there several times.
	pages []*fullPage
	depth uint8
	count int32
}

// indexPage is a table with open addressing, at most three quarters full. There are a power of two of
// slots, of which the last one is no slot: it says how many others are used, and how many bits of a
// hash are the page's own.
type indexPage []indexSlot

// fullPage is a page that does not grow any more.
type fullPage [indexSlotsMax]indexSlot

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
	// slotsLine is how many slots there are to a cache line.
	slotsLine = 64 / 8
)

// indexHash spreads nonces, since those of tests and of other makers need not be random. Its first
// bits choose the page, its last ones the slot.
func indexHash(nonce uint64) uint32 {
	h := nonce * 0x9e3779b97f4a7c15
	return uint32((h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 32)
}

// last is the number of slots, and where the page's own notes are.
func (p indexPage) last() int { return len(p) - 1 }

// used is how many slots are used.
func (p indexPage) used() int { return int(p[p.last()].hash) }

func (p indexPage) count(n int) { p[p.last()].hash += uint32(n) }

// bits is how many bits of a hash are the page's own.
func (p indexPage) bits() uint8 { return uint8(p[p.last()].place) }

// slotOf is where a search for a hash begins.
func (p indexPage) slotOf(h uint32) int {
	i := int(h) & p.last()
	if i == p.last() {
		return 0
	}
	return i
}

// after is the slot after one, around the page's end.
func (p indexPage) after(i int) int {
	if i++; i == p.last() {
		return 0
	}
	return i
}

// page finds the page of a hash.
func (x *holdIndex) page(h uint32) indexPage {
	if x.pages == nil {
		return x.first
	}
	return x.pages[h>>(32-x.depth)][:]
}

// find returns the place of a hold, or zero.
func (x *holdIndex) find(hs *holds, nonce uint64) place {
	h := indexHash(nonce)
	p := x.page(h)
	for i := p.slotOf(h); ; i = p.after(i) {
		s := p[i]
		if s.place == 0 || s.hash == h && hs.at(s.place).nonce == nonce {
			return s.place
		}
	}
}

// glanceAtPage reads what finds the page of a nonce.
func (x *holdIndex) glanceAtPage(nonce uint64) uint64 {
	if x.pages != nil && x.pages[indexHash(nonce)>>(32-x.depth)] != nil {
		return 1
	}
	return uint64(len(x.first))
}

// glance reads what find and put will need of the page: a search often goes on to the next cache line.
func (x *holdIndex) glance(nonce uint64) uint64 {
	h := indexHash(nonce)
	p := x.page(h)
	i := p.slotOf(h)
	return uint64(p[i].place) + uint64(p[min(i+slotsLine, p.last())].place) + uint64(p[p.last()].hash)
}

// put files a hold and reports whether its nonce was not there.
func (x *holdIndex) put(hs *holds, nonce uint64, at place) bool {
	h := indexHash(nonce)
	p := x.page(h)
	if 4*(p.used()+1) > 3*p.last() {
		x.widen(p, h)
		p = x.page(h)
	}
	i := p.slotOf(h)
	for ; p[i].place != 0; i = p.after(i) {
		if s := p[i]; s.hash == h && hs.at(s.place).nonce == nonce {
			return false
		}
	}
	p[i] = indexSlot{h, at}
	p.count(1)
	x.count++
	return true
}

// begin makes the first page.
func (x *holdIndex) begin() { x.first = make(indexPage, indexSlotsMin) }

// widen makes a page larger, or two of it.
func (x *holdIndex) widen(p indexPage, h uint32) {
	if len(p) < indexSlotsMax {
		x.first = make(indexPage, 2*len(p))
		for _, s := range p[:p.last()] {
			if s.place != 0 {
				x.first.add(s)
			}
		}
		return
	}
	if x.pages == nil {
		x.first, x.pages = nil, []*fullPage{(*fullPage)(p)}
	}
	if p.bits() == x.depth {
		pages := make([]*fullPage, 2*len(x.pages))
		for i, q := range x.pages {
			pages[2*i], pages[2*i+1] = q, q
		}
		x.pages = pages
		x.depth++
	}
	span := len(x.pages) >> p.bits() // How many entries are of the page; the later half is the new one's.
	from := int(h>>(32-x.depth)) &^ (span - 1)
	later := x.pages[from].split()
	for i := span / 2; i < span; i++ {
		x.pages[from+i] = later
	}
}

// split makes a page one of the holds whose next bit is zero, and returns one of the others.
func (p *fullPage) split() (later *fullPage) {
	all, bits := *p, indexPage(p[:]).bits()
	later = new(fullPage)
	*p = fullPage{}
	for _, q := range [...]*fullPage{p, later} {
		q[indexSlotsMax-1].place = place(bits + 1)
	}
	for _, s := range all[:indexSlotsMax-1] {
		switch {
		case s.place == 0:
		case s.hash>>(31-bits)&1 == 0:
			indexPage(p[:]).add(s)
		default:
			indexPage(later[:]).add(s)
		}
	}
	return later
}

// add files a hold that is not there, where there is room.
func (p indexPage) add(s indexSlot) {
	i := p.slotOf(s.hash)
	for p[i].place != 0 {
		i = p.after(i)
	}
	p[i] = s
	p.count(1)
}

// remove takes a hold out and closes the gap, so that no search ends at it.
func (x *holdIndex) remove(nonce uint64, at place) {
	h := indexHash(nonce)
	p := x.page(h)
	gap := p.slotOf(h)
	for p[gap].place != at {
		gap = p.after(gap)
	}
	for i := p.after(gap); p[i].place != 0; i = p.after(i) {
		home := p.slotOf(p[i].hash)
		if p.distance(home, i) >= p.distance(gap, i) {
			p[gap] = p[i]
			gap = i
		}
	}
	p[gap] = indexSlot{}
	p.count(-1)
	x.count--
}

// distance is how many steps there are from one slot to another.
func (p indexPage) distance(from, to int) int {
	if to < from {
		to += p.last()
	}
	return to - from
}
