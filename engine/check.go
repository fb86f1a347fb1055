package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
)

// Check reports the first broken invariant. It looks at everything, so it is for tests, recovery
// and `skua check`, not for every turn.
func (s *Stock) Check() error {
	if !s.exists && (s.sequence != 0 || s.levels != 0 || s.holds != nil) {
		return fmt.Errorf("item %q does not exist but has stock", s.sku)
	}
	sums := make([]struct{ reserved, committed int64 }, s.levels)
	linked := 0
	if err := s.holds.check(); err != nil {
		return fmt.Errorf("item %q: %w", s.sku, err)
	}
	var wrong error
	s.holds.each(func(_ place, h *hold) {
		wrong = cmp.Or(wrong, s.checkHold(h, func(level int32, reserved, committed int64) {
			sums[level].reserved += reserved
			sums[level].committed += committed
		}))
		if h.linked {
			linked++
		}
	})
	if wrong != nil {
		return wrong
	}
	if err := s.checkQueue(linked); err != nil {
		return err
	}
	return s.checkLevels(func(i int) (reserved, committed int64) { return sums[i].reserved, sums[i].committed })
}

func (s *Stock) checkHold(h *hold, add func(level int32, reserved, committed int64)) error {
	if h.state.Final() || h.state == StateNone {
		return fmt.Errorf("item %q: hold %x is %q but still here", s.sku, h.nonce, h.state)
	}
	if h.linked != (h.state == Active) {
		return fmt.Errorf("item %q: hold %x is %s, queued for expiry: %v", s.sku, h.nonce, h.state, h.linked)
	}
	freed := h.state == Active && h.deadline <= s.freedThrough
	for i := range s.holds.countLines(h) {
		level, l := s.holds.line(h, i)
		if int(level) >= int(s.levels) {
			return fmt.Errorf("item %q: hold %x is at level %d of %d", s.sku, h.nonce, level, s.levels)
		}
		if l.Open < 0 || l.Fulfilled < 0 || l.Quantity < l.Open+l.Fulfilled {
			return fmt.Errorf("item %q: hold %x has a line of %+v", s.sku, h.nonce, *l)
		}
		switch {
		case freed:
		case h.state == Active:
			add(level, l.Open, 0)
		default:
			add(level, 0, l.Open)
		}
	}
	return nil
}

// check holds the index and the free places against the holds.
func (hs *holds) check() error {
	if hs == nil {
		return nil
	}
	if hs.live == 0 {
		return errors.New("there is memory for holds, but no hold")
	}
	live, free := 0, 0
	wrong := error(nil)
	hs.each(func(p place, h *hold) {
		live++
		if hs.find(h.nonce) != p {
			wrong = fmt.Errorf("hold %x is filed wrong", h.nonce)
		}
	})
	for p := hs.free; p != 0; p = hs.at(p).next {
		if free++; hs.at(p).nonce != 0 || free > int(hs.used) {
			return fmt.Errorf("place %d is free and taken", p)
		}
	}
	if live != int(hs.live) || live+free != int(hs.used) || hs.indexed() && int(hs.more.index.count) != live {
		return fmt.Errorf("%d holds and %d free places of %d, counted as %d, or indexed wrong", live, free, hs.used, hs.live)
	}
	return cmp.Or(wrong, hs.checkRests())
}

// checkRests sees that each piece of a rest is in that of one hold, or free.
func (hs *holds) checkRests() error {
	if hs.more == nil {
		return nil
	}
	t := &hs.more.rests
	whose := make([]uint64, t.made+1)
	pieces := 0
	follow := func(p place, nonce uint64) (err error) {
		for ; p != 0; p = t.at(p).next {
			if whose[p] != 0 {
				return fmt.Errorf("hold %x has a piece of the rest of hold %x", nonce, whose[p])
			}
			whose[p] = nonce
			pieces++
		}
		return nil
	}
	wrong := follow(t.free, math.MaxUint64)
	hs.each(func(_ place, h *hold) { wrong = cmp.Or(wrong, follow(h.rest, h.nonce)) })
	if wrong == nil && pieces != int(t.made) {
		return fmt.Errorf("%d pieces of rests, %d were made", pieces, t.made)
	}
	return wrong
}

// checkQueue holds the deadlines against the holds that are linked to them.
func (s *Stock) checkQueue(linked int) error {
	queued := 0
	var queue, draining *deadlines
	if s.holds != nil {
		queue = &s.holds.queue
	}
	if s.rest != nil {
		draining = &s.rest.draining
	}
	units := make([]int64, s.levels) // Zero between two deadlines.
	for _, q := range [...]*deadlines{queue, draining} {
		if q == nil {
			continue
		}
		first, last := Time(0), Time(0)
		var wrong error
		q.each(func(d *due) bool {
			switch {
			case last != 0 && d.at <= last:
				wrong = fmt.Errorf("deadline %d comes after a later one", d.at)
			case (d.at <= s.freedThrough) != (q != queue) || d.n == 0:
				wrong = fmt.Errorf("deadline %d is in the wrong queue", d.at)
			default:
				wrong = s.checkDue(q, d, units)
			}
			first, last = cmp.Or(first, d.at), d.at
			queued += int(d.n)
			return wrong == nil
		})
		if wrong != nil {
			return fmt.Errorf("item %q: %w", s.sku, wrong)
		}
		if q.next != first {
			return fmt.Errorf("item %q: the next deadline is %d, noted is %d", s.sku, first, q.next)
		}
	}
	if queued != linked {
		return fmt.Errorf("item %q: %d holds await expiry, %d are queued", s.sku, linked, queued)
	}
	return nil
}

// checkDue compares the sums of a deadline with its holds. units is room for sums by level; it is zero
// before, and after if nothing is wrong.
func (s *Stock) checkDue(q *deadlines, d *due, units []int64) error {
	var n, weight int64
	prev := place(0)
	for p := d.head; p != 0; {
		h := s.holds.at(p)
		if !h.linked || h.prev != prev || h.deadline != d.at {
			return fmt.Errorf("hold %x, due at %d, is linked wrong to %d", h.nonce, h.deadline, d.at)
		}
		n++
		weight += s.holds.weight(h)
		for i := range s.holds.countLines(h) {
			level, l := s.holds.line(h, i)
			units[level] += l.Open
		}
		prev, p = p, h.next
	}
	if n != int64(d.n) || weight != d.weight {
		return fmt.Errorf("deadline %d: %d holds of %d lines, counted as %d of %d", d.at, n, weight, d.n, d.weight)
	}
	var wrong error
	q.sums(d, func(level int32, kept int64) {
		if int(level) >= len(units) {
			wrong = fmt.Errorf("deadline %d: units are due at level %d of %d", d.at, level, len(units))
			return
		}
		units[level] -= kept
	})
	if wrong != nil {
		return wrong
	}
	even := func(level int32, _ int64) {
		if left := units[level]; left != 0 {
			wrong = fmt.Errorf("deadline %d: the sum of units due at level %d is wrong by %d", d.at, level, left)
		}
	}
	q.sums(d, even)
	for p := d.head; p != 0; p = s.holds.at(p).next {
		for i := range s.holds.countLines(s.holds.at(p)) {
			level, _ := s.holds.line(s.holds.at(p), i)
			even(level, 0)
		}
	}
	return wrong
}

func (s *Stock) checkLevels(held func(i int) (reserved, committed int64)) error {
	var total sums
	for i := range int(s.levels) {
		c, location := &s.level(i).Counts, s.level(i).key.Value().Location
		reserved, committed := held(i)
		if c.Reserved != reserved || c.Committed != committed {
			return fmt.Errorf("item %q at %q: reserved %d and committed %d, but the open lines sum to %d and %d",
				s.sku, location, c.Reserved, c.Committed, reserved, committed)
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("item %q at %q: %w", s.sku, location, err)
		}
		if want := s.settings.SafetyStock[location]; c.Safety != want {
			return fmt.Errorf("item %q at %q: safety setting %d, the item says %d", s.sku, location, c.Safety, want)
		}
		if over(total.onHand, c.OnHand) || over(total.promised, c.Reserved+c.Committed) {
			return fmt.Errorf("item %q: more than %d units on hand or promised", s.sku, int64(QuantityMax))
		}
		total.count(c, 1)
	}
	if kept := s.sums(); total != kept {
		return fmt.Errorf("item %q: the levels sum to %+v, kept is %+v", s.sku, total, kept)
	}
	return nil
}

// check is the invariant of one level.
func (c *Counts) check() error {
	for _, n := range [...]int64{c.OnHand, c.Reserved, c.Committed, c.Damaged, c.QualityControl, c.Other, c.Safety} {
		if n < 0 {
			return fmt.Errorf("a negative quantity in %+v", *c)
		}
	}
	left := c.OnHand + c.Backordered()
	right := c.Available() + c.Reserved + c.Committed + c.SafetyStock() + c.Damaged + c.QualityControl + c.Other
	if left != right {
		return fmt.Errorf("on_hand + backordered is %d, the states sum to %d in %+v", left, right, *c)
	}
	if c.Available() > 0 && c.Backordered() > 0 {
		return fmt.Errorf("available and backordered at once in %+v", *c)
	}
	if c.OnHand < c.Damaged+c.QualityControl+c.Other {
		return fmt.Errorf("more units set aside than on hand in %+v", *c)
	}
	return nil
}
