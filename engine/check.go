package engine

import "fmt"

// Check reports the first broken invariant. It looks at everything, so it is for tests, recovery
// and `skua check`, not for every turn.
func (s *Stock) Check() error {
	if !s.exists && (s.sequence != 0 || len(s.levels) != 0 || len(s.holds) != 0) {
		return fmt.Errorf("item %q does not exist but has stock", s.sku)
	}
	sums := make([]struct{ reserved, committed int64 }, len(s.levels))
	linked := 0
	for nonce, h := range s.holds {
		if h.nonce != nonce {
			return fmt.Errorf("item %q: hold %x is filed under %x", s.sku, h.nonce, nonce)
		}
		if err := s.checkHold(h, func(level int32, reserved, committed int64) {
			sums[level].reserved += reserved
			sums[level].committed += committed
		}); err != nil {
			return err
		}
		if h.due != nil {
			linked++
		}
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
	if (h.due != nil) != (h.state == Active) {
		return fmt.Errorf("item %q: hold %x is %s, queued for expiry: %v", s.sku, h.nonce, h.state, h.due != nil)
	}
	freed := h.state == Active && h.deadline <= s.freedThrough
	for i := range h.lines() {
		l := h.at(i)
		if int(l.level) >= len(s.levels) {
			return fmt.Errorf("item %q: hold %x is at level %d of %d", s.sku, h.nonce, l.level, len(s.levels))
		}
		if l.Open < 0 || l.Fulfilled < 0 || l.Quantity < l.Open+l.Fulfilled {
			return fmt.Errorf("item %q: hold %x has a line of %+v", s.sku, h.nonce, l.LineStatus)
		}
		switch {
		case freed:
		case h.state == Active:
			add(l.level, l.Open, 0)
		default:
			add(l.level, 0, l.Open)
		}
	}
	return nil
}

// checkQueue holds the deadlines against the holds that are linked to them.
func (s *Stock) checkQueue(linked int) error {
	queued := 0
	for i, d := range s.queue.heap {
		switch {
		case d.pos != i || s.queue.at[d.at] != d:
			return fmt.Errorf("item %q: deadline %d is not filed where it is", s.sku, d.at)
		case i > 0 && s.queue.heap[(i-1)/2].at > d.at:
			return fmt.Errorf("item %q: deadline %d comes before an earlier one", s.sku, d.at)
		case d.at <= s.freedThrough || d.n == 0:
			return fmt.Errorf("item %q: deadline %d is still queued", s.sku, d.at)
		}
		queued += int(d.n)
	}
	for i, d := range s.draining {
		if d.pos >= 0 || d.at > s.freedThrough || i > 0 && s.draining[i-1].at > d.at {
			return fmt.Errorf("item %q: deadline %d drains out of order", s.sku, d.at)
		}
		queued += int(d.n)
	}
	if len(s.queue.at) != len(s.queue.heap) || queued != linked {
		return fmt.Errorf("item %q: %d holds await expiry, %d are queued", s.sku, linked, queued)
	}
	for _, ds := range [...][]*due{s.queue.heap, s.draining} {
		for _, d := range ds {
			if err := d.check(); err != nil {
				return fmt.Errorf("item %q: deadline %d: %w", s.sku, d.at, err)
			}
		}
	}
	return nil
}

// check compares the sums of a deadline with its holds.
func (d *due) check() error {
	units := make(map[int32]int64)
	var n, weight int64
	var prev *hold
	for h := d.head; h != nil; prev, h = h, h.next {
		if h.due != d || h.prev != prev || h.deadline != d.at {
			return fmt.Errorf("hold %x, due at %d, is linked wrong", h.nonce, h.deadline)
		}
		n++
		weight += h.weight()
		for i := range h.lines() {
			units[h.at(i).level] += h.at(i).Open
		}
	}
	if n != d.n || weight != d.weight {
		return fmt.Errorf("%d holds of %d lines, counted as %d of %d", n, weight, d.n, d.weight)
	}
	d.each(func(level int32, kept int64) { units[level] -= kept })
	for level, left := range units {
		if left != 0 {
			return fmt.Errorf("the sum of units due at level %d is wrong by %d", level, left)
		}
	}
	return nil
}

func (s *Stock) checkLevels(held func(i int) (reserved, committed int64)) error {
	var total sums
	for i := range s.levels {
		l := &s.levels[i]
		c := &l.Counts
		reserved, committed := held(i)
		if c.Reserved != reserved || c.Committed != committed {
			return fmt.Errorf("item %q at %q: reserved %d and committed %d, but the open lines sum to %d and %d",
				s.sku, l.Key.Location, c.Reserved, c.Committed, reserved, committed)
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("item %q at %q: %w", s.sku, l.Key.Location, err)
		}
		if want := s.settings.SafetyStock[l.Key.Location]; c.Safety != want {
			return fmt.Errorf("item %q at %q: safety setting %d, the item says %d", s.sku, l.Key.Location, c.Safety, want)
		}
		if over(total.onHand, c.OnHand) || over(total.promised, c.Reserved+c.Committed) {
			return fmt.Errorf("item %q: more than %d units on hand or promised", s.sku, int64(QuantityMax))
		}
		total.count(c, 1)
	}
	if total != s.sums {
		return fmt.Errorf("item %q: the levels sum to %+v, kept is %+v", s.sku, total, s.sums)
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
