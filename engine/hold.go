package engine

import "math/bits"

// hold is one SKU's part of a reservation. It has no pointers and fills one cache line, since an
// item can have a million of them: the garbage collector passes them by, and what most do not need
// is kept apart, see holdRest.
type hold struct {
	nonce    uint64 // zero marks a place without a hold
	deadline Time   // zero once confirmed
	LineStatus
	// level is that of the hold's line, or of its first one.
	level int32
	// prev and next link the holds of one deadline; next also links places without a hold.
	prev, next place
	// rest is where what only some holds have begins in moreHolds.rests, lines which of moreHolds.lines
	// are the hold's, plus one; or zero.
	rest  place
	lines int32
	state ReservationState
	// changed says that the hold is in Stock.changed; saved that a snapshot has it; linked that it
	// waits for its deadline.
	changed, saved, linked bool
}

// holdLine is the line at one level of the stock, by its index there.
type holdLine struct {
	level int32
	LineStatus
}

// place says where in holds a hold is, counted from one; zero is nowhere.
type place int32

// holds are the open holds of a stock. They live in pages, each as large as all before it together,
// until they have holdsPage: so nothing is moved to make room, and at most half of the memory is
// idle. Places that became free are used again; the memory goes back when no hold is left. Few are
// found by looking at each, more by an index.
//
// The holds are on cache lines of their own, after the two of what is about all of them.
type holds struct {
	used  place // places that were ever taken
	free  place // the first of the places that are free again
	live  int32
	queue deadlines // of those that are not draining
	more  *moreHolds

	changed []place               // what differs from the last snapshot, if the stock is tracked
	few     [holdsSearched]uint32 // halves of the nonces at the first places
	_       [8]byte
	first   [roomAtFirst]hold // the first page
}

// moreHolds is what only stocks with many holds have, or with some that have a holdRest or several
// lines.
type moreHolds struct {
	pages [][]hold  // after the first
	index holdIndex // only beyond holdsSearched
	rests restTexts
	lines *holdLines
}

// holdLines are the second and later lines of holds on one SKU, which few have, in pages so that
// nothing is moved.
type holdLines struct {
	pages [][][]holdLine
	made  int32   // places in pages
	spare []int32 // free places, plus one
}

const (
	// holdsPage is how many holds a page has at most: a new one must not take long.
	holdsPage = 256
	// roomAtFirst is for how many holds an item gets memory with its first; a power of two.
	roomAtFirst = 4
	// holdsTouched is how many holds there are to a page of the system's memory.
	holdsTouched = 4096 / 64
	// linesPage is how many holds' lines a page has.
	linesPage = 8
	// holdsSearched is how many holds are found by looking through few; more have an index.
	holdsSearched = 8
)

func (hs *holds) at(p place) *hold {
	if p <= roomAtFirst {
		return &hs.first[p-1]
	}
	page, i := pageOf(p)
	return &hs.more.pages[page][i]
}

// pageOf says which page after the first has a place, and where. The pages begin at 4, 8, 16 and so
// on to holdsPage, and from there on every holdsPage.
func pageOf(p place) (page, i int) {
	n := int(p - 1)
	if n < holdsPage {
		page = bits.Len(uint(n)) - bits.Len(roomAtFirst)
		return page, n - roomAtFirst<<page
	}
	return n/holdsPage + pagesBelow - 1, n % holdsPage
}

// pagesBelow is how many pages after the first are smaller than holdsPage, all together as large.
const pagesBelow = 6

func (hs *holds) extra() *moreHolds {
	if hs.more == nil {
		hs.more = new(moreHolds)
	}
	return hs.more
}

// indexed reports whether there are so many holds that they have an index.
func (hs *holds) indexed() bool { return hs.more != nil && hs.more.index.count > 0 }

// find returns the place of a hold, or zero.
func (hs *holds) find(nonce uint64) place {
	if hs.indexed() {
		return hs.more.index.find(hs, nonce)
	}
	for i, half := range hs.few {
		if p := place(i + 1); half == uint32(nonce) && p <= hs.used && hs.at(p).nonce == nonce {
			return p
		}
	}
	return 0
}

// get returns a hold, or nil.
func (hs *holds) get(nonce uint64) *hold {
	if hs == nil || nonce == 0 {
		return nil
	}
	if p := hs.find(nonce); p != 0 {
		return hs.at(p)
	}
	return nil
}

// add makes a hold.
func (hs *holds) add(nonce uint64) (place, *hold) {
	if !hs.indexed() && hs.find(nonce) != 0 {
		panic("engine: the nonce of a new reservation was drawn before")
	}
	p := hs.free
	if p != 0 {
		h := hs.at(p)
		hs.free = h.next
		*h = hold{nonce: nonce}
	} else {
		hs.used++
		p = hs.used
		hs.grow()
		hs.at(p).nonce = nonce
	}
	hs.live++
	hs.file(nonce, p)
	return p, hs.at(p)
}

// grow makes memory for the last place.
func (hs *holds) grow() {
	if hs.used <= roomAtFirst {
		return
	}
	more := hs.extra()
	if page, _ := pageOf(hs.used); page == len(more.pages) {
		fresh := make([]hold, roomAtFirst<<min(page, pagesBelow))
		for i := 0; i < len(fresh); i += holdsTouched {
			fresh[i].nonce = 0 // Memory that is read ahead before it is written is faulted in twice.
		}
		more.pages = append(more.pages, fresh)
	}
}

// file puts a hold into the index, and begins one when there are enough holds.
func (hs *holds) file(nonce uint64, p place) {
	switch {
	case hs.indexed():
		if !hs.more.index.put(hs, nonce, p) {
			panic("engine: the nonce of a new reservation was drawn before")
		}
	case hs.live > holdsSearched:
		index := &hs.extra().index
		index.begin()
		hs.each(func(q place, h *hold) { index.put(hs, h.nonce, q) })
	default:
		hs.few[p-1] = uint32(nonce)
	}
}

// remove forgets a hold that is not linked to its deadline any more.
func (hs *holds) remove(p place) {
	h := hs.at(p)
	if hs.indexed() {
		hs.more.index.remove(h.nonce, p)
	}
	if h.rest != 0 {
		hs.more.rests.remove(h.rest)
	}
	if h.lines != 0 {
		hs.more.lines.remove(h.lines)
	}
	*h = hold{next: hs.free}
	hs.free = p
	hs.live--
}

// each calls f with every hold.
func (hs *holds) each(f func(p place, h *hold)) {
	if hs == nil {
		return
	}
	for p := place(1); p <= hs.used; p++ {
		if h := hs.at(p); h.nonce != 0 {
			f(p, h)
		}
	}
}

func (l *holdLines) at(n int32) *[]holdLine { return &l.pages[(n-1)/linesPage][(n-1)%linesPage] }

func (l *holdLines) remove(n int32) {
	*l.at(n) = nil
	l.spare = append(l.spare, n)
}

// take makes a place for the lines of a hold, or takes a free one.
func (l *holdLines) take() (n int32) {
	if last := len(l.spare) - 1; last >= 0 {
		n, l.spare = l.spare[last], l.spare[:last]
		return n
	}
	if l.made++; int(l.made) > linesPage*len(l.pages) {
		l.pages = append(l.pages, make([][]holdLine, linesPage))
	}
	return l.made
}

// addLine gives a hold one more line.
func (hs *holds) addLine(h *hold, l holdLine) {
	more := hs.extra()
	if more.lines == nil {
		more.lines = new(holdLines)
	}
	if h.lines == 0 {
		h.lines = more.lines.take()
	}
	all := more.lines.at(h.lines)
	*all = append(*all, l)
}

// countLines counts the lines of a hold.
func (hs *holds) countLines(h *hold) int {
	if h.lines == 0 {
		return 1
	}
	return 1 + len(*hs.more.lines.at(h.lines))
}

// line returns the level and the status of a line of a hold.
func (hs *holds) line(h *hold, i int) (level int32, status *LineStatus) {
	if i == 0 {
		return h.level, &h.LineStatus
	}
	l := &(*hs.more.lines.at(h.lines))[i-1]
	return l.level, &l.LineStatus
}

// weight is how much of a record it takes to write out that a hold expired, in lines.
func (hs *holds) weight(h *hold) int64 { return int64(hs.countLines(h) + hs.linesElsewhere(h)) }
