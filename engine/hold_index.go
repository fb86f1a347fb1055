package engine

// holdIndex finds holds by their nonces. It is a hash table in pages (extendible hashing: Fagin,
// Nievergelt, Pippenger and Strong, "Extendible hashing, a fast access method for dynamic files",
// 1979): a full page splits in two, so no single reservation waits for a table of a million to be
// copied, as it would for a table in one piece.
//
// With very many holds none of it is in the processor's cache but what finds the page and says how many
// slots of it are used: a search reads one line of the slots, and mostly no other.
type holdIndex struct {
	// directory says which page has the hashes that begin with so many bits, depth of them; a page that
	// has fewer bits of its own is there several times. It is empty while there is one page.
	directory []int32
	pages     []indexPage
	depth     uint8
	count     int32
}

// indexPage is a table with open addressing, at most three quarters full.
type indexPage struct {
	slots []indexSlot // a power of two
	used  int16
	bits  uint8 // of a hash that are the page's own
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
	// slotsLine is how many slots there are to a cache line.
	slotsLine = 64 / 8
)

// indexHash spreads nonces, since those of tests and of other makers need not be random. Its first
// bits choose the page, its last ones the line of slots.
func indexHash(nonce uint64) uint32 {
	h := nonce * 0x9e3779b97f4a7c15
	return uint32((h ^ h>>29) * 0xbf58476d1ce4e5b9 >> 32)
}

// slotOf is where a search for a hash begins: with the first slot of a cache line.
func (p *indexPage) slotOf(h uint32) int { return int(h) * slotsLine & (len(p.slots) - 1) }

// after is the slot so many after one, around the page's end.
func (p *indexPage) after(i, n int) int { return (i + n) & (len(p.slots) - 1) }

// page finds the page of a hash.
func (x *holdIndex) page(h uint32) *indexPage {
	if x.depth == 0 {
		return &x.pages[0]
	}
	return &x.pages[x.directory[h>>(32-x.depth)]]
}

// find returns the place of a hold, or zero.
func (x *holdIndex) find(hs *holds, nonce uint64) place {
	h := indexHash(nonce)
	p := x.page(h)
	for i := p.slotOf(h); ; i = p.after(i, 1) {
		s := p.slots[i]
		if s.place == 0 || s.hash == h && hs.at(s.place).nonce == nonce {
			return s.place
		}
	}
}

// begins is the slot where a search for a nonce begins.
func (x *holdIndex) begins(nonce uint64) *indexSlot {
	h := indexHash(nonce)
	p := x.page(h)
	return &p.slots[p.slotOf(h)]
}

// put files a hold and reports whether its nonce was not there.
func (x *holdIndex) put(hs *holds, nonce uint64, at place) bool {
	h := indexHash(nonce)
	p := x.page(h)
	if 4*(int(p.used)+1) > 3*len(p.slots) {
		x.widen(h)
		p = x.page(h)
	}
	i := p.slotOf(h)
	for ; p.slots[i].place != 0; i = p.after(i, 1) {
		if s := p.slots[i]; s.hash == h && hs.at(s.place).nonce == nonce {
			return false
		}
	}
	p.slots[i] = indexSlot{h, at}
	p.used++
	x.count++
	return true
}

// begin makes the first page.
func (x *holdIndex) begin() { x.pages = []indexPage{{slots: freshSlots(indexSlotsMin)}} }

// freshSlots makes slots, at most a page of the system's memory. It writes to them first, since memory
// that is read before it is written is faulted in twice.
func freshSlots(n int) []indexSlot {
	slots := make([]indexSlot, n)
	slots[0] = indexSlot{}
	return slots
}

// widen makes the page of a hash larger, or two of it.
func (x *holdIndex) widen(h uint32) {
	p := x.page(h)
	if len(p.slots) < indexSlotsMax {
		larger := indexPage{slots: freshSlots(2 * len(p.slots))}
		for _, s := range p.slots {
			if s.place != 0 {
				larger.add(s)
			}
		}
		*p = larger
		return
	}
	if p.bits == x.depth {
		x.deepen()
	}
	span := len(x.directory) >> p.bits // How many entries are of the page; the later half is the new one's.
	from := int(h>>(32-x.depth)) &^ (span - 1)
	for i := from + span/2; i < from+span; i++ {
		x.directory[i] = int32(len(x.pages))
	}
	x.pages = append(x.pages, p.split())
}

// deepen lets the directory look at one more bit.
func (x *holdIndex) deepen() {
	if x.depth == 0 {
		x.directory = []int32{0}
	}
	directory := make([]int32, 2*len(x.directory))
	for i, page := range x.directory {
		directory[2*i], directory[2*i+1] = page, page
	}
	x.directory = directory
	x.depth++
}

// split makes a page one of the holds whose next bit is zero, and returns one of the others.
func (p *indexPage) split() (later indexPage) {
	var all [indexSlotsMax]indexSlot
	copy(all[:], p.slots)
	clear(p.slots)
	bits := p.bits
	p.used, p.bits = 0, bits+1
	later = indexPage{slots: freshSlots(indexSlotsMax), bits: bits + 1}
	for _, s := range all {
		switch {
		case s.place == 0:
		case s.hash>>(31-bits)&1 == 0:
			p.add(s)
		default:
			later.add(s)
		}
	}
	return later
}

// add files a hold that is not there, where there is room.
func (p *indexPage) add(s indexSlot) {
	i := p.slotOf(s.hash)
	for p.slots[i].place != 0 {
		i = p.after(i, 1)
	}
	p.slots[i] = s
	p.used++
}

// remove takes a hold out and closes the gap, so that no search ends at it.
func (x *holdIndex) remove(nonce uint64, at place) {
	h := indexHash(nonce)
	p := x.page(h)
	gap := p.slotOf(h)
	for p.slots[gap].place != at {
		gap = p.after(gap, 1)
	}
	for i := p.after(gap, 1); p.slots[i].place != 0; i = p.after(i, 1) {
		home := p.slotOf(p.slots[i].hash)
		if p.after(i, -home) >= p.after(i, -gap) { // So many slots it is away from either.
			p.slots[gap] = p.slots[i]
			gap = i
		}
	}
	p.slots[gap] = indexSlot{}
	p.used--
	x.count--
}
