package engine

import (
	"slices"
	"sort"
)

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
	// more says that there are sums of other levels, in moreDeadlines.sums.
	more bool
}

type levelSum struct {
	level int32
	units int64
}

// deadlines are dues in order of time, in pages. Holds of one length fall due in the order in which
// they are made, so most come to the end, and the last page is the one at hand; any other place is found
// by halving.
type deadlines struct {
	// next is when the first is due, or zero: what every turn asks.
	next Time
	last []due // the last page; empty only if there is none
	more *moreDeadlines
}

// moreDeadlines is what only some have.
type moreDeadlines struct {
	pages [][]due             // before the last; none is empty
	sums  map[Time][]levelSum // of other levels than the due's own
}

func (q *deadlines) count() int {
	switch {
	case len(q.last) == 0:
		return 0
	case q.more == nil:
		return 1
	}
	return len(q.more.pages) + 1
}

func (q *deadlines) page(i int) *[]due {
	if q.more == nil || i == len(q.more.pages) {
		return &q.last
	}
	return &q.more.pages[i]
}

// insert puts a page before the one with an index, or after all.
func (q *deadlines) insert(i int, page []due) {
	switch count := q.count(); {
	case count == 0:
		q.last = page
	case i == count:
		more := q.extra()
		more.pages, q.last = append(more.pages, q.last), page
	default:
		more := q.extra()
		more.pages = slices.Insert(more.pages, i, page)
	}
}

// delete forgets a page.
func (q *deadlines) delete(i int) {
	earlier := 0
	if q.more != nil {
		earlier = len(q.more.pages)
	}
	switch {
	case earlier == 0:
		q.last = nil
	case i == earlier:
		q.last, q.more.pages[i-1] = q.more.pages[i-1], nil
		q.more.pages = q.more.pages[:i-1]
	case i == 0: // Its place goes when the list of pages is made anew.
		q.more.pages[0] = nil
		q.more.pages = q.more.pages[1:]
	default:
		q.more.pages = slices.Delete(q.more.pages, i, i+1)
	}
}

func (q *deadlines) extra() *moreDeadlines {
	if q.more == nil {
		q.more = new(moreDeadlines)
	}
	return q.more
}

// duesPage is how many dues a page has at most: as many are moved to make room for one.
const duesPage = 128

// search finds the due of a time, or where it would be.
func (q *deadlines) search(at Time) (page, i int, found bool) {
	last := q.count() - 1
	if last < 0 {
		return 0, 0, false
	}
	p := *q.page(last)
	switch end := p[len(p)-1].at; {
	case end < at:
		return last, len(p), false
	case end == at:
		return last, len(p) - 1, true
	}
	page = sort.Search(last, func(i int) bool { p := *q.page(i); return p[len(p)-1].at >= at })
	p = *q.page(page)
	i = sort.Search(len(p), func(i int) bool { return p[i].at >= at })
	return page, i, i < len(p) && p[i].at == at
}

// at finds or makes the due of a time.
func (q *deadlines) at(t Time) *due {
	page, i, found := q.search(t)
	if found {
		return &(*q.page(page))[i]
	}
	if p := *q.page(page); len(p) == duesPage {
		if page == q.count()-1 && i == duesPage {
			q.insert(page+1, make([]due, 0, duesPage))
			page, i = page+1, 0
		} else {
			*q.page(page) = p[:duesPage/2]
			q.insert(page+1, slices.Clone(p[duesPage/2:]))
			if i > duesPage/2 {
				page, i = page+1, i-duesPage/2
			}
		}
	}
	p := q.page(page)
	if *p == nil {
		*p = make([]due, 0, roomAtFirst)
	}
	*p = slices.Insert(*p, i, due{at: t})
	if q.next == 0 || t < q.next {
		q.next = t
	}
	return &(*p)[i]
}

// drop takes an empty due away.
func (q *deadlines) drop(page, i int) {
	p := q.page(page)
	if (*p)[i].more {
		delete(q.more.sums, (*p)[i].at)
	}
	switch {
	case len(*p) == 1:
		q.delete(page)
	case i == 0:
		*p = (*p)[1:] // What was taken from the front goes with the page.
	default:
		*p = slices.Delete(*p, i, i+1)
	}
	q.settle()
}

// settle sees to next after dues went.
func (q *deadlines) settle() {
	if len(q.last) == 0 {
		*q = deadlines{}
		return
	}
	q.next = (*q.page(0))[0].at
}

// add sums units of a level.
func (q *deadlines) add(d *due, level int32, units int64) {
	if d.level == level || d.units == 0 && !d.more {
		d.level = level
		d.units += units
		return
	}
	d.more = true
	all := q.extra()
	sums := all.sums[d.at]
	for i := range sums {
		if sums[i].level == level {
			sums[i].units += units
			return
		}
	}
	if all.sums == nil {
		all.sums = make(map[Time][]levelSum)
	}
	all.sums[d.at] = append(sums, levelSum{level, units})
}

// sums calls f with every level that has units due.
func (q *deadlines) sums(d *due, f func(level int32, units int64)) {
	if d.units != 0 {
		f(d.level, d.units)
	}
	if !d.more {
		return
	}
	for _, s := range q.more.sums[d.at] {
		if s.units != 0 {
			f(s.level, s.units)
		}
	}
}

// each calls f with the dues in order, until it returns false.
func (q *deadlines) each(f func(*due) bool) {
	for n := range q.count() {
		page := *q.page(n)
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
	for q.count() > 0 {
		page := *q.page(0)
		n := sort.Search(len(page), func(i int) bool { return page[i].at > now })
		if n == 0 {
			break
		}
		for i := range page[:n] {
			if d := &page[i]; d.more {
				all := to.extra()
				if all.sums == nil {
					all.sums = make(map[Time][]levelSum)
				}
				all.sums[d.at] = q.more.sums[d.at]
				delete(q.more.sums, d.at)
			}
		}
		to.insert(to.count(), page[:n:n])
		if n < len(page) {
			*q.page(0) = page[n:]
		} else {
			q.delete(0)
		}
	}
	q.settle()
	to.settle()
}

// link puts a hold with its open units under its deadline.
func (s *Stock) link(p place) {
	h := s.holds.at(p)
	q := &s.holds.queue
	d := q.at(h.deadline)
	for i := range s.holds.countLines(h) {
		if level, l := s.holds.line(h, i); l.Open != 0 {
			q.add(d, level, l.Open)
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
	q := &s.holds.queue
	if h.deadline <= s.freedThrough {
		q = &s.extra().draining
	}
	page, i, found := q.search(h.deadline)
	if !found {
		panic("engine: a hold is linked to a deadline that is not there")
	}
	d := &(*q.page(page))[i]
	for i := range s.holds.countLines(h) {
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
