package engine

// hold is one SKU's part of a reservation. It has no pointers and fills one cache line, since an
// item can have a million of them: the garbage collector passes them by, and what most do not need
// is in a holdRest.
type hold struct {
	nonce    uint64 // zero marks a place without a hold
	deadline Time   // zero once confirmed
	LineStatus
	// level is that of the hold's line, or of its first one.
	level int32
	// prev and next link the holds of one deadline; next also links places without a hold.
	prev, next place
	rest       int32 // index into holds.rests plus one, or zero
	state      ReservationState
	// changed says that the hold is in Stock.changed; saved that a snapshot has it; linked that it
	// waits for its deadline.
	changed, saved, linked bool
}

// holdRest is what only some holds have.
type holdRest struct {
	owner string
	// home is the SKU that keeps the reservation, when it is another.
	home string
	// others are the reservation's lines on other SKUs, kept by the home.
	others []Line
	// lines are the second and later lines on this SKU.
	lines []holdLine
}

// holdLine is the line at one level of the stock, by its index there.
type holdLine struct {
	level int32
	LineStatus
}

// place says where in holds a hold is, counted from one; zero is nowhere.
type place int32

// holds are the open holds of a stock. They live in pages, and places that became free are used
// again; the memory goes back when no hold is left. Few are found by looking at each, more by an
// index. A *hold is good until the next add.
type holds struct {
	pages [][]hold
	first [1][]hold // what pages begins as, so that an item with few holds has them close
	used  place     // places that were ever taken
	free  place     // the first of the places that are free again
	live  int
	few   [holdsSearched]uint32 // halves of the nonces at the first places
	index map[uint64]place      // only beyond holdsSearched
	rests []holdRest
	spare []int32 // free places in rests, plus one
}

const (
	// holdsPage is how many holds a page has: a new page must not take long, nor be much wasted.
	holdsPage = 256
	// holdsSearched is how many holds are found by looking through few; more have an index.
	holdsSearched = 8
)

func (hs *holds) at(p place) *hold { return &hs.pages[(p-1)/holdsPage][(p-1)%holdsPage] }

// find returns the place of a hold, or zero.
func (hs *holds) find(nonce uint64) place {
	if hs.index != nil {
		return hs.index[nonce]
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
	if hs.live == 0 || nonce == 0 {
		return nil
	}
	if p := hs.find(nonce); p != 0 {
		return hs.at(p)
	}
	return nil
}

// add makes a hold.
func (hs *holds) add(nonce uint64) (place, *hold) {
	if hs.index == nil && hs.find(nonce) != 0 {
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
		page := int(p-1) / holdsPage
		if page == len(hs.pages) {
			if page == 0 {
				hs.pages = hs.first[:0]
			}
			hs.pages = append(hs.pages, nil)
		}
		hs.pages[page] = append(hs.pages[page], hold{nonce: nonce})
	}
	hs.live++
	hs.file(nonce, p)
	return p, hs.at(p)
}

// file puts a hold into the index, and begins one when there are enough holds.
func (hs *holds) file(nonce uint64, p place) {
	switch {
	case hs.index != nil:
		hs.index[nonce] = p
	case hs.live > holdsSearched:
		hs.index = make(map[uint64]place, 2*holdsSearched)
		hs.each(func(q place, h *hold) { hs.index[h.nonce] = q })
	default:
		hs.few[p-1] = uint32(nonce)
		return
	}
	if len(hs.index) != hs.live {
		panic("engine: the nonce of a new reservation was drawn before")
	}
}

// remove forgets a hold that is not linked to its deadline any more.
func (hs *holds) remove(p place) {
	h := hs.at(p)
	if hs.index != nil {
		delete(hs.index, h.nonce)
	}
	if h.rest != 0 {
		hs.rests[h.rest-1] = holdRest{}
		hs.spare = append(hs.spare, h.rest)
	}
	*h = hold{next: hs.free}
	hs.free = p
	if hs.live--; hs.live == 0 {
		*hs = holds{} // An item without holds should cost nothing.
	}
}

// each calls f with every hold.
func (hs *holds) each(f func(p place, h *hold)) {
	for p := place(1); p <= hs.used; p++ {
		if h := hs.at(p); h.nonce != 0 {
			f(p, h)
		}
	}
}

// restOf returns what only some holds have, or nil.
func (hs *holds) restOf(h *hold) *holdRest {
	if h.rest == 0 {
		return nil
	}
	return &hs.rests[h.rest-1]
}

// extra is restOf for a hold that is to have one.
func (hs *holds) extra(h *hold) *holdRest {
	if h.rest == 0 {
		if n := len(hs.spare); n > 0 {
			h.rest, hs.spare = hs.spare[n-1], hs.spare[:n-1]
		} else {
			hs.rests = append(hs.rests, holdRest{})
			h.rest = int32(len(hs.rests))
		}
	}
	return &hs.rests[h.rest-1]
}

func (hs *holds) owner(h *hold) string {
	if r := hs.restOf(h); r != nil {
		return r.owner
	}
	return ""
}

// home is the SKU that keeps the reservation, when it is another.
func (hs *holds) home(h *hold) string {
	if r := hs.restOf(h); r != nil {
		return r.home
	}
	return ""
}

func (hs *holds) others(h *hold) []Line {
	if r := hs.restOf(h); r != nil {
		return r.others
	}
	return nil
}

// lines counts the lines of a hold.
func (hs *holds) lines(h *hold) int {
	if r := hs.restOf(h); r != nil {
		return 1 + len(r.lines)
	}
	return 1
}

// line returns the level and the status of a line of a hold.
func (hs *holds) line(h *hold, i int) (level int32, status *LineStatus) {
	if i == 0 {
		return h.level, &h.LineStatus
	}
	l := &hs.restOf(h).lines[i-1]
	return l.level, &l.LineStatus
}

// weight is how much of a record it takes to write out that a hold expired, in lines.
func (hs *holds) weight(h *hold) int64 { return int64(hs.lines(h) + len(hs.others(h))) }
