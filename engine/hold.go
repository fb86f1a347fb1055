package engine

import (
	"cmp"
	"slices"
)

// hold is one SKU's part of a reservation. It is kept small, since an item can have a million of
// them: what most do not need is behind rest.
type hold struct {
	nonce    uint64
	deadline Time // zero once confirmed
	state    ReservationState
	// changed says that the hold is in Stock.changed; saved that a snapshot has it.
	changed, saved bool
	line           holdLine
	rest           *holdRest
	// due, prev and next link the holds of one deadline.
	due        *due
	prev, next *hold
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

func (h *hold) lines() int {
	if h.rest == nil {
		return 1
	}
	return 1 + len(h.rest.lines)
}

func (h *hold) at(i int) *holdLine {
	if i == 0 {
		return &h.line
	}
	return &h.rest.lines[i-1]
}

// weight is how much of a record it takes to write out that the hold expired, in lines.
func (h *hold) weight() int64 { return int64(h.lines() + len(h.others())) }

func (h *hold) owner() string {
	if h.rest == nil {
		return ""
	}
	return h.rest.owner
}

func (h *hold) others() []Line {
	if h.rest == nil {
		return nil
	}
	return h.rest.others
}

func (h *hold) extra() *holdRest {
	if h.rest == nil {
		h.rest = new(holdRest)
	}
	return h.rest
}

// due gathers the holds that fall due in one millisecond, with the sums of their units by level,
// so that freeing a million of them costs as much as freeing one.
type due struct {
	at   Time
	head *hold
	n    int64
	// weight is the sum of the weights of the holds.
	weight int64
	pos    int // in the heap; -1 once it drains
	sum    levelSum
	sums   []levelSum // the second and later levels
}

type levelSum struct {
	level int32
	units int64
}

func (d *due) add(level int32, units int64) {
	if d.sum.level == level || d.n == 0 && d.sum.units == 0 && len(d.sums) == 0 {
		d.sum.level = level
		d.sum.units += units
		return
	}
	for i := range d.sums {
		if d.sums[i].level == level {
			d.sums[i].units += units
			return
		}
	}
	d.sums = append(d.sums, levelSum{level, units})
}

// each calls f with every level that has units due.
func (d *due) each(f func(level int32, units int64)) {
	if d.sum.units != 0 {
		f(d.sum.level, d.sum.units)
	}
	for i := range d.sums {
		if d.sums[i].units != 0 {
			f(d.sums[i].level, d.sums[i].units)
		}
	}
}

// deadlines is a binary heap of dues by time, with a map to find the due of a time.
type deadlines struct {
	heap []*due
	at   map[Time]*due
}

func (q *deadlines) first() *due {
	if len(q.heap) == 0 {
		return nil
	}
	return q.heap[0]
}

// link puts a hold with its open units under its deadline.
func (q *deadlines) link(h *hold) {
	d := q.at[h.deadline]
	if d == nil {
		d = &due{at: h.deadline, pos: len(q.heap)}
		if q.at == nil {
			q.at = make(map[Time]*due)
		}
		q.at[h.deadline] = d
		q.heap = append(q.heap, d)
		q.up(d.pos)
	}
	for i := range h.lines() {
		if l := h.at(i); l.Open != 0 {
			d.add(l.level, l.Open)
		}
	}
	h.due, h.prev, h.next = d, nil, d.head
	if d.head != nil {
		d.head.prev = h
	}
	d.head = h
	d.n++
	d.weight += h.weight()
}

// unlink takes a hold from its due, and the due from the heap when it was the last. It reports
// whether the due is empty now.
func (q *deadlines) unlink(h *hold) (empty bool) {
	d := h.due
	for i := range h.lines() {
		if l := h.at(i); l.Open != 0 {
			d.add(l.level, -l.Open)
		}
	}
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		d.head = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	}
	h.due, h.prev, h.next = nil, nil, nil
	d.n--
	d.weight -= h.weight()
	if d.n == 0 && d.pos >= 0 {
		q.remove(d)
	}
	return d.n == 0
}

// remove takes a due from the heap, not its holds from the due.
func (q *deadlines) remove(d *due) {
	delete(q.at, d.at)
	i, last := d.pos, len(q.heap)-1
	q.swap(i, last)
	q.heap[last] = nil
	q.heap = q.heap[:last]
	d.pos = -1
	if i < last {
		q.down(i)
		q.up(i)
	}
}

// take removes and returns the dues at or before now, in order. That all are due is how it is
// after a long stop, with very many of them: then they are not removed one by one.
func (q *deadlines) take(now Time) []*due {
	var taken []*due
	q.upTo(now, func(d *due) { taken = append(taken, d) })
	all := len(taken) == len(q.heap)
	if all {
		taken = q.heap // Holds of one length come in order, and so this is sorted already.
	}
	slices.SortFunc(taken, func(a, b *due) int { return cmp.Compare(a.at, b.at) })
	if all {
		for _, d := range taken {
			d.pos = -1
		}
		*q = deadlines{}
		return taken
	}
	for _, d := range taken {
		q.remove(d)
	}
	return taken
}

func (q *deadlines) swap(i, j int) {
	q.heap[i], q.heap[j] = q.heap[j], q.heap[i]
	q.heap[i].pos, q.heap[j].pos = i, j
}

func (q *deadlines) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if q.heap[parent].at <= q.heap[i].at {
			return
		}
		q.swap(i, parent)
		i = parent
	}
}

func (q *deadlines) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(q.heap) {
			return
		}
		if r := child + 1; r < len(q.heap) && q.heap[r].at < q.heap[child].at {
			child = r
		}
		if q.heap[i].at <= q.heap[child].at {
			return
		}
		q.swap(i, child)
		i = child
	}
}

// upTo calls f with every due at or before now. The heap's order lets it leave out the rest.
func (q *deadlines) upTo(now Time, f func(*due)) { q.upToFrom(0, now, f) }

func (q *deadlines) upToFrom(i int, now Time, f func(*due)) {
	if i >= len(q.heap) || q.heap[i].at > now {
		return
	}
	f(q.heap[i])
	q.upToFrom(2*i+1, now, f)
	q.upToFrom(2*i+2, now, f)
}
