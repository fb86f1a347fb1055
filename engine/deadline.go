package engine

import "slices"

// due gathers the holds that fall due in one millisecond, with the sums of their units by level,
// so that freeing a million of them costs as much as freeing one.
type due struct {
	at    Time
	units int64 // open at level
	// weight is the sum of the weights of the holds.
	weight int64
	head   place
	n      int32
	level  int32
	// more says that there are sums of other levels, in deadlines.more.
	more bool
}

type levelSum struct {
	level int32
	units int64
}

// deadlines are dues in order of time, in pages. Holds of one length fall due in the order in which
// they are made, so most come to the end; any other place is found by halving.
type deadlines struct {
	// next is when the first is due, or zero: what every turn asks.
	next  Time
	pages [][]due // none is empty
	first [1][]due
	more  map[Time][]levelSum
}

// duesPage is how many dues a page has at most: as many are moved to make room for one.
const duesPage = 128

// search finds the due of a time, or where it would be.
func (q *deadlines) search(at Time) (page, i int, found bool) {
	last := len(q.pages) - 1
	if last < 0 {
		return 0, 0, false
	}
	p := q.pages[last]
	switch end := p[len(p)-1].at; {
	case end < at:
		return last, len(p), false
	case end == at:
		return last, len(p) - 1, true
	}
	if last > 0 {
		page, _ = slices.BinarySearchFunc(q.pages, at, func(p []due, at Time) int {
			if p[len(p)-1].at < at {
				return -1
			}
			return 1
		})
	}
	i, found = slices.BinarySearchFunc(q.pages[page], at, func(d due, at Time) int {
		switch {
		case d.at < at:
			return -1
		case d.at > at:
			return 1
		}
		return 0
	})
	return page, i, found
}

// at finds or makes the due of a time.
func (q *deadlines) at(t Time) *due {
	page, i, found := q.search(t)
	if found {
		return &q.pages[page][i]
	}
	switch {
	case len(q.pages) == 0:
		q.pages = append(q.first[:0], nil)
	case len(q.pages[page]) == duesPage && page == len(q.pages)-1 && i == duesPage:
		q.pages = append(q.pages, nil)
		page, i = page+1, 0
	case len(q.pages[page]) == duesPage:
		half := slices.Clone(q.pages[page][duesPage/2:])
		q.pages[page] = q.pages[page][:duesPage/2]
		q.pages = slices.Insert(q.pages, page+1, half)
		if i > duesPage/2 {
			page, i = page+1, i-duesPage/2
		}
	}
	q.pages[page] = slices.Insert(q.pages[page], i, due{at: t})
	if q.next == 0 || t < q.next {
		q.next = t
	}
	return &q.pages[page][i]
}

// drop takes an empty due away.
func (q *deadlines) drop(page, i int) {
	delete(q.more, q.pages[page][i].at)
	switch {
	case len(q.pages[page]) == 1:
		q.pages = slices.Delete(q.pages, page, page+1)
	case i == 0:
		q.pages[page] = q.pages[page][1:] // What was taken from the front goes with the page.
	default:
		q.pages[page] = slices.Delete(q.pages[page], i, i+1)
	}
	q.settle()
}

// settle sees to next after dues went.
func (q *deadlines) settle() {
	if len(q.pages) == 0 {
		*q = deadlines{}
		return
	}
	q.next = q.pages[0][0].at
}

// add sums units of a level.
func (q *deadlines) add(d *due, level int32, units int64) {
	if d.level == level || d.units == 0 && !d.more {
		d.level = level
		d.units += units
		return
	}
	d.more = true
	sums := q.more[d.at]
	for i := range sums {
		if sums[i].level == level {
			sums[i].units += units
			return
		}
	}
	if q.more == nil {
		q.more = make(map[Time][]levelSum)
	}
	q.more[d.at] = append(sums, levelSum{level, units})
}

// sums calls f with every level that has units due.
func (q *deadlines) sums(d *due, f func(level int32, units int64)) {
	if d.units != 0 {
		f(d.level, d.units)
	}
	if !d.more {
		return
	}
	for _, s := range q.more[d.at] {
		if s.units != 0 {
			f(s.level, s.units)
		}
	}
}

// each calls f with the dues in order, until it returns false.
func (q *deadlines) each(f func(*due) bool) {
	for _, page := range q.pages {
		for i := range page {
			if !f(&page[i]) {
				return
			}
		}
	}
}

// upTo calls f with every due at or before now.
func (q *deadlines) upTo(now Time, f func(*due)) {
	q.each(func(d *due) bool {
		if d.at > now {
			return false
		}
		f(d)
		return true
	})
}

// move takes the dues at or before now to the end of another queue. Whole pages change hands, since
// after a long stop there can be very many.
func (q *deadlines) move(now Time, to *deadlines) {
	for len(q.pages) > 0 && q.pages[0][0].at <= now {
		page := q.pages[0]
		n, _ := slices.BinarySearchFunc(page, now+1, func(d due, at Time) int {
			if d.at < at {
				return -1
			}
			return 1
		})
		for i := range page[:n] {
			if d := &page[i]; d.more {
				if to.more == nil {
					to.more = make(map[Time][]levelSum)
				}
				to.more[d.at] = q.more[d.at]
				delete(q.more, d.at)
			}
		}
		to.pages = append(to.pages, page[:n:n])
		if n < len(page) {
			q.pages[0] = page[n:]
		} else {
			q.pages = q.pages[1:]
		}
	}
	q.settle()
	if len(to.pages) > 0 {
		to.settle()
	}
}

// link puts a hold with its open units under its deadline.
func (s *Stock) link(p place) {
	h := s.holds.at(p)
	d := s.queue.at(h.deadline)
	for i := range s.holds.lines(h) {
		if level, l := s.holds.line(h, i); l.Open != 0 {
			s.queue.add(d, level, l.Open)
		}
	}
	h.linked, h.prev, h.next = true, 0, d.head
	if d.head != 0 {
		s.holds.at(d.head).prev = p
	}
	d.head = p
	d.n++
	d.weight += s.holds.weight(h)
}

// unlink takes a hold from its deadline, and the deadline away when it was the last.
func (s *Stock) unlink(h *hold) {
	q := &s.queue
	if h.deadline <= s.freedThrough {
		q = &s.draining
	}
	page, i, found := q.search(h.deadline)
	if !found {
		panic("engine: a hold is linked to a deadline that is not there")
	}
	d := &q.pages[page][i]
	for i := range s.holds.lines(h) {
		if level, l := s.holds.line(h, i); l.Open != 0 {
			q.add(d, level, -l.Open)
		}
	}
	if h.prev != 0 {
		s.holds.at(h.prev).next = h.next
	} else {
		d.head = h.next
	}
	if h.next != 0 {
		s.holds.at(h.next).prev = h.prev
	}
	h.linked, h.prev, h.next = false, 0, 0
	d.n--
	d.weight -= s.holds.weight(h)
	if d.n == 0 {
		q.drop(page, i)
	}
}
