package engine

import (
	"fmt"
	"slices"
	"strings"
)

// want is what a reservation wants of one level: its lines for it, summed.
type want struct {
	stock    int
	key      LevelKey
	quantity int64
	// before is the level before the first of them was taken.
	before Counts
	taken  bool
}

// reserve decides OpReserve and OpCommit: all lines or none. Lines with a location are placed
// first, those for the same item and location as one; then the lines without, the largest first,
// each at the first location of the item's order that can serve all of it. That algorithm defines
// what is refused.
func (t *Turn) reserve(c *Command) Refusal {
	if r := t.knownItems(c); r.Refused() {
		return r
	}
	home := len(t.stocks)
	t.wants = t.wants[:0]
	for i := range c.Lines {
		l := &c.Lines[i]
		s := t.stock(l.SKU)
		home = min(home, s)
		if l.Location != "" && !t.want(s, LevelKey{Location: l.Location}, l.Quantity) {
			return tooManyUnits(l)
		}
	}
	if r := t.stockedThere(); r.Refused() {
		return r
	}
	failed, r := t.place(c)
	if r.Refused() {
		return r
	}
	if failed != nil {
		r := refuse(InsufficientStock, "lines", "not enough stock for every line")
		r.Lines = failed
		return r
	}
	t.open(c, home)
	return Refusal{}
}

func (t *Turn) knownItems(c *Command) Refusal {
	var missing []RefusedLine
	for i := range c.Lines {
		if !t.scratch[t.stock(c.Lines[i].SKU)].exists {
			l := &c.Lines[i]
			missing = append(missing, RefusedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity})
		}
	}
	if missing == nil {
		return Refusal{}
	}
	r := refuse(ItemNotFound, "lines", fmt.Sprintf("there is no item %q", missing[0].SKU))
	r.Lines = missing
	return r
}

func tooManyUnits(l *Line) Refusal {
	return refuse(InvalidQuantityTooHigh, "lines", fmt.Sprintf(
		"the units of %q that are asked for or promised would be more than %d", l.SKU, int64(QuantityMax)))
}

// want adds units to what is wanted of a level; it reports false on overflow.
func (t *Turn) want(stock int, key LevelKey, q int64) bool {
	for j := range t.wants {
		if w := &t.wants[j]; w.stock == stock && w.key == key {
			if over(w.quantity, q) {
				return false
			}
			w.quantity += q
			return true
		}
	}
	t.wants = append(t.wants, want{stock: stock, key: key, quantity: q})
	return true
}

func (t *Turn) stockedThere() Refusal {
	var r Refusal
	for j := range t.wants {
		w := &t.wants[j]
		if _, ok := t.level(w.stock, w.key); ok {
			continue
		}
		sku := t.stocks[w.stock].sku
		if !r.Refused() {
			r = notStocked(sku, w.key.Location)
			r.Field, r.Lines = "lines", nil
		}
		r.Lines = append(r.Lines, RefusedLine{SKU: sku, Location: w.key.Location, Requested: w.quantity})
	}
	return r
}

// place takes every want from its level, and finds levels for the lines without a location.
func (t *Turn) place(c *Command) (failed []RefusedLine, r Refusal) {
	for j := range t.wants {
		w := &t.wants[j]
		if left := t.sellable(w.stock, w.key); left < w.quantity {
			failed = append(failed, t.shortLine(w.stock, w.key.Location, w.quantity, left))
			w.quantity = 0
			continue
		}
		if !t.take(w, w.quantity, c.Op) {
			return nil, tooManyUnits(&Line{SKU: t.stocks[w.stock].sku})
		}
	}
	var open []*Line
	for i := range c.Lines {
		if c.Lines[i].Location == "" {
			open = append(open, &c.Lines[i])
		}
	}
	slices.SortStableFunc(open, func(a, b *Line) int {
		if a.Quantity != b.Quantity {
			return int(min(1, max(-1, b.Quantity-a.Quantity)))
		}
		return 0
	})
	for _, l := range open {
		s := t.stock(l.SKU)
		key, best := t.source(s, l.Quantity)
		if best < l.Quantity {
			failed = append(failed, t.shortLine(s, "", l.Quantity, best))
			continue
		}
		if !t.takeMore(s, key, l.Quantity, c.Op) {
			return nil, tooManyUnits(l)
		}
	}
	return failed, Refusal{}
}

// sellable is how many units of a level a reservation may take: what is available and what of the
// item's backorder limit other locations have left. While the limit is zero, that is available.
func (t *Turn) sellable(i int, key LevelKey) int64 {
	c, _ := t.level(i, key)
	sc := &t.scratch[i]
	room := max(0, sc.settings.BackorderLimit-(sc.backordered-c.Backordered()))
	return max(0, c.Free()-c.Safety+room)
}

func (t *Turn) shortLine(i int, location string, requested, available int64) RefusedLine {
	return RefusedLine{
		SKU: t.stocks[i].sku, Location: location, Requested: requested, Available: available,
		NextExpiryAt: t.stocks[i].NextExpiry(),
	}
}

// take moves units of a want's level; it reports false when too many would be promised.
func (t *Turn) take(w *want, q int64, op Op) bool {
	before, _ := t.level(w.stock, w.key)
	if over(before.Reserved+before.Committed, q) {
		return false
	}
	if !w.taken {
		w.before, w.taken = before, true
	}
	after := before
	if op == OpCommit {
		after.Committed += q
	} else {
		after.Reserved += q
	}
	t.put(w.stock, w.key, before, after)
	return true
}

// takeMore takes units of a level that may be wanted already.
func (t *Turn) takeMore(stock int, key LevelKey, q int64, op Op) bool {
	for j := range t.wants {
		if w := &t.wants[j]; w.stock == stock && w.key == key {
			w.quantity += q
			return t.take(w, q, op)
		}
	}
	t.wants = append(t.wants, want{stock: stock, key: key, quantity: q})
	return t.take(&t.wants[len(t.wants)-1], q, op)
}

// source finds the first level of the item's order that can serve q units, or says how many the
// best one could.
func (t *Turn) source(i int, q int64) (key LevelKey, best int64) {
	for _, k := range t.sourcingOrder(i) {
		left := t.sellable(i, k)
		if left >= q {
			return k, left
		}
		best = max(best, left)
	}
	return LevelKey{}, best
}

// sourcingOrder is the item's location order, then the other locations by name.
func (t *Turn) sourcingOrder(i int) []LevelKey {
	keys := t.levelKeys(i)
	order := t.scratch[i].settings.LocationOrder
	if len(order) == 0 {
		return keys
	}
	rank := make(map[string]int, len(order))
	for n, loc := range order {
		rank[loc] = n - len(order)
	}
	slices.SortStableFunc(keys, func(a, b LevelKey) int {
		if ra, rb := rank[a.Location], rank[b.Location]; ra != rb {
			return ra - rb
		}
		return strings.Compare(a.Location, b.Location)
	})
	return keys
}

// open writes the act of a reservation whose wants were all met.
func (t *Turn) open(c *Command, home int) {
	slices.SortStableFunc(t.wants, func(a, b want) int { return a.stock - b.stock })
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
		after, _ := t.level(w.stock, w.key)
		e := t.movement(act, typ, w.stock, w.key, w.before, after)
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
		before := sc.available
		for j := i; j >= 0 && act.Events[j].Stock == e.Stock; j-- {
			f := &act.Events[j]
			before -= f.After.Available() - f.Before.Available()
		}
		e.Alerts |= reorderAlert(before, sc.available, sc.settings.ReorderPoint)
	}
}
