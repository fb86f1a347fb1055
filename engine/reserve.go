package engine

import (
	"cmp"
	"fmt"
	"slices"
)

// want is what a reservation wants of one level: its lines for it, summed.
type want struct {
	stock, level int // The level is an index into scratch.touched.
	quantity     int64
	// before is the level before the first of them was taken.
	before Counts
	taken  bool
}

// reserve decides OpReserve and OpCommit: all lines or none. Lines with a location are placed
// first, those for the same item and location as one; then the lines without, the largest first,
// each at the first location of the item's order that can serve all of it. That algorithm defines
// what is refused.
func (t *Turn) reserve(c *Command) Refusal {
	home := len(t.stocks)
	for i := range c.Lines {
		s := t.stock(c.Lines[i].SKU)
		t.scratch[s].asked = 0
		home = min(home, s)
	}
	if r := t.asks(c); r.Refused() {
		return r
	}
	t.wants = t.wants[:0]
	if r := t.wantFixed(c); r.Refused() {
		return r
	}
	if failed := t.place(c); failed != nil {
		r := refuse(InsufficientStock, "lines", "not enough stock for every line")
		r.Lines = failed
		return r
	}
	t.open(c, home)
	return Refusal{}
}

// asks sums the units that are asked for by item, and finds items that are not there or would
// have more promised than can be counted.
func (t *Turn) asks(c *Command) (missing Refusal) {
	for i := range c.Lines {
		l := &c.Lines[i]
		sc := &t.scratch[t.stock(l.SKU)]
		sc.asked += l.Quantity
		if over(sc.sums.promised, sc.asked) {
			return refuse(InvalidQuantityTooHigh, "lines", fmt.Sprintf(
				"the units of %q that are asked for or promised would be more than %d", l.SKU, int64(QuantityMax)))
		}
		if sc.exists {
			continue
		}
		if !missing.Refused() {
			missing = refuse(ItemNotFound, "lines", fmt.Sprintf("there is no item %q", l.SKU))
		}
		missing.Lines = append(missing.Lines, RefusedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity})
	}
	return missing
}

// wantFixed makes wants of the lines with a location, and finds those that name none of the item's.
func (t *Turn) wantFixed(c *Command) (missing Refusal) {
	for i := range c.Lines {
		l := &c.Lines[i]
		if l.Location == "" {
			continue
		}
		s := t.stock(l.SKU)
		if level := t.scratch[s].touch(LevelKey{Location: l.Location}); level >= 0 {
			t.want(s, level, l.Quantity)
			continue
		}
		if !missing.Refused() {
			missing = notStocked(l.SKU, l.Location)
			missing.Field, missing.Lines = "lines", nil
		}
		missing.Lines = append(missing.Lines, RefusedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity})
	}
	return missing
}

// want adds units to what is wanted of a level. That cannot overflow: asks has seen the sum.
func (t *Turn) want(stock, level int, q int64) *want {
	l := &t.scratch[stock].touched[level]
	if l.want < len(t.wants) {
		if w := &t.wants[l.want]; w.stock == stock && w.level == level {
			w.quantity += q
			return w
		}
	}
	l.want = len(t.wants)
	t.wants = append(t.wants, want{stock: stock, level: level, quantity: q})
	return &t.wants[l.want]
}

// place takes every want from its level, and finds levels for the lines without a location.
func (t *Turn) place(c *Command) (failed []RefusedLine) {
	for j := range t.wants {
		w := &t.wants[j]
		sc := &t.scratch[w.stock]
		l := &sc.touched[w.level]
		if left := sc.sellable(&l.counts); left < w.quantity {
			failed = append(failed, t.shortLine(w.stock, l.key.Location, w.quantity, left))
			continue
		}
		t.take(w, w.quantity, c.Op)
	}
	var open []*Line
	for i := range c.Lines {
		if c.Lines[i].Location == "" {
			open = append(open, &c.Lines[i])
		}
	}
	if len(open) > 1 {
		slices.SortStableFunc(open, func(a, b *Line) int { return cmp.Compare(b.Quantity, a.Quantity) })
	}
	for _, l := range open {
		s := t.stock(l.SKU)
		level, best := t.source(s, l.Quantity)
		if level < 0 {
			failed = append(failed, t.shortLine(s, "", l.Quantity, best))
			continue
		}
		t.take(t.want(s, level, l.Quantity), l.Quantity, c.Op)
	}
	return failed
}

func (t *Turn) shortLine(i int, location string, requested, available int64) RefusedLine {
	return RefusedLine{
		SKU: t.stocks[i].sku, Location: location, Requested: requested, Available: available,
		NextExpiryAt: t.stocks[i].nextDue(),
	}
}

// take moves units of a want's level.
func (t *Turn) take(w *want, q int64, op Op) {
	sc := &t.scratch[w.stock]
	l := &sc.touched[w.level]
	before := l.counts
	if !w.taken {
		w.before, w.taken = before, true
	}
	after := before
	if op == OpCommit {
		after.Committed += q
	} else {
		after.Reserved += q
	}
	sc.put(l.key, before, after)
}

// source finds the first level of the item's order that can serve q units; without one, level is
// -1 and best is how many the best one could.
func (t *Turn) source(i int, q int64) (level int, best int64) {
	sc := &t.scratch[i]
	for _, level := range sc.sourcing() {
		left := sc.sellable(&sc.touched[level].counts)
		if left >= q {
			return level, left
		}
		best = max(best, left)
	}
	return -1, best
}

// open writes the act of a reservation whose wants were all met.
func (t *Turn) open(c *Command, home int) {
	if len(t.wants) > 1 {
		slices.SortStableFunc(t.wants, func(a, b want) int { return a.stock - b.stock })
	}
	act := t.begin(c)
	act.Owner = c.Owner
	act.Reservation = ReservationRef{Home: t.stocks[home].sku, Nonce: c.Reservation.Nonce}
	typ := StockCommitted
	act.State = Confirmed
	if c.Op == OpReserve {
		typ, act.State = StockReserved, Active
		ttl := c.TTL
		if ttl == 0 {
			ttl = HoldTTLDefault.Milliseconds()
		}
		act.ExpiresAt = t.now + Time(ttl)
	}
	for j := range t.wants {
		w := &t.wants[j]
		l := &t.scratch[w.stock].touched[w.level]
		e := t.movement(act, typ, w.stock, l.key, w.before, l.counts)
		e.Quantity = w.quantity
		e.Line = LineStatus{Quantity: w.quantity, Open: w.quantity}
	}
	t.reorderAlerts(act)
}

// reorderAlerts marks, for each item of an act whose levels were put together, the movement by
// which its available units came down to the reorder point.
func (t *Turn) reorderAlerts(act *Act) {
	for i := len(act.Events) - 1; i >= 0; i-- {
		e := &act.Events[i]
		if i+1 < len(act.Events) && act.Events[i+1].Stock == e.Stock {
			continue
		}
		sc := &t.scratch[e.Stock]
		before := sc.sums.available
		for j := i; j >= 0 && act.Events[j].Stock == e.Stock; j-- {
			f := &act.Events[j]
			before -= f.After.Available() - f.Before.Available()
		}
		e.Alerts |= reorderAlert(before, sc.sums.available, sc.settings.ReorderPoint)
	}
}
