package enginetest

import (
	"cmp"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// place is a level of an item, or "any location" of it.
type place struct{ sku, location string }

// wanted is a line of a command, with those that ask for the same place added to it.
type wanted struct {
	place
	quantity int64
}

// reserve places the fixed lines, then the lines without a location, the largest first.
func (t *Twin) reserve(c *engine.Command, now engine.Time) Outcome {
	state, expiresAt := engine.Active, deadline(c, now)
	if c.Op == engine.OpCommit {
		state, expiresAt = engine.Confirmed, 0
	}
	var fixed, anywhere []wanted
	asked := map[string]int64{}
	for _, l := range c.Lines {
		asked[l.SKU] = sum(asked[l.SKU], l.Quantity)
		w := wanted{place{l.SKU, l.Location}, l.Quantity}
		if l.Location == "" {
			anywhere = append(anywhere, w)
		} else {
			fixed = add(fixed, w)
		}
	}
	slices.SortStableFunc(anywhere, func(a, b wanted) int { return cmp.Compare(b.quantity, a.quantity) })

	var placed []wanted
	wrong := t.unknown(c.Lines)
	for sku, units := range asked {
		if sum(t.promised(sku, now), units) > engine.QuantityMax {
			wrong.add(engine.InvalidQuantityTooHigh)
		}
	}
	for _, w := range slices.Concat(fixed, anywhere) {
		at := FailedLine{SKU: w.sku, Location: w.location, Requested: w.quantity}
		it := t.items[w.sku]
		if it == nil || w.location != "" && it.shelves[w.location] == nil {
			continue // Found below.
		}
		tried := []string{w.location}
		if w.location == "" {
			tried = t.order(w.sku)
		}
		served := false
		for _, loc := range tried {
			sellable := t.sellable(place{w.sku, loc}, placed, now)
			if served = w.quantity <= sellable; served {
				placed = add(placed, wanted{place{w.sku, loc}, w.quantity})
				break
			}
			at.Available = max(at.Available, sellable)
		}
		if !served {
			at.NextExpiryAt = t.nextExpiry(w.sku, now)
			wrong.addLine(engine.InsufficientStock, at)
		}
	}
	if o, refused := wrong.answer(); refused {
		return o
	}
	r := &reservation{state: state, owner: c.Owner, expiresAt: expiresAt, writtenOut: map[string]bool{}}
	for _, w := range placed {
		r.lines = append(r.lines, &line{sku: w.sku, location: w.location, quantity: w.quantity, open: w.quantity})
		t.items[w.sku].sequence++
	}
	t.reservations[c.Reservation.Nonce] = r
	return Outcome{Reservation: r.view(now)}
}

// deadline is when a hold of the command falls due.
func deadline(c *engine.Command, now engine.Time) engine.Time {
	if c.TTL == 0 {
		return now + engine.Time(engine.HoldTTLDefault.Milliseconds())
	}
	return now + engine.Time(c.TTL)
}

// unknown finds the lines whose item or level is not there, each as it was given.
func (t *Twin) unknown(lines []engine.Line) (wrong faults) {
	for _, l := range lines {
		at := FailedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity}
		switch it := t.items[l.SKU]; {
		case it == nil:
			wrong.addLine(engine.ItemNotFound, at)
		case l.Location != "" && it.shelves[l.Location] == nil:
			wrong.addLine(engine.ItemNotStockedAtLocation, at)
		}
	}
	return wrong
}

// promised is what is reserved and committed of an item at all its locations.
func (t *Twin) promised(sku string, now engine.Time) int64 {
	if !t.Exists(sku) {
		return 0
	}
	return sum(t.total(sku, engine.Reserved, now), t.total(sku, engine.Committed, now))
}

// add adds w to the line for the same place, or to the end.
func add(ws []wanted, w wanted) []wanted {
	for i := range ws {
		if ws[i].place == w.place {
			ws[i].quantity = sum(ws[i].quantity, w.quantity)
			return ws
		}
	}
	return append(ws, w)
}

// order lists the locations of an item as a line without a location tries them.
func (t *Twin) order(sku string) []string {
	var order []string
	for _, loc := range t.items[sku].settings.LocationOrder {
		if t.items[sku].shelves[loc] != nil {
			order = append(order, loc)
		}
	}
	for _, loc := range t.Locations(sku) {
		if !slices.Contains(order, loc) {
			order = append(order, loc)
		}
	}
	return order
}

// sellable is what a reservation can take at a place when the lines placed before it have theirs.
func (t *Twin) sellable(p place, placed []wanted, now engine.Time) int64 {
	var owedElsewhere int64
	var here int64
	for _, loc := range t.Locations(p.sku) {
		a := t.Amounts(p.sku, loc, now)
		free := a.OnHand - a.setAside() - a.Reserved - a.Committed
		for _, w := range placed {
			if w.place == (place{p.sku, loc}) {
				free -= w.quantity
			}
		}
		if loc == p.location {
			here = free
		} else {
			owedElsewhere += max(0, -free)
		}
	}
	it := t.items[p.sku]
	room := max(0, it.settings.BackorderLimit-owedElsewhere)
	withheld := it.settings.SafetyStock[p.location]
	if here >= withheld {
		return here - withheld + room
	}
	// What is short can be more than an int64 holds, but not more than a uint64 does.
	short := uint64(withheld) - uint64(here)
	if short >= uint64(room) {
		return 0
	}
	return room - int64(short)
}

// stateAt is the state of a reservation at a time: a hold is over when its time has come.
func (r *reservation) stateAt(now engine.Time) engine.ReservationState {
	if r.state == engine.Active && r.expiresAt <= now {
		return engine.Expired
	}
	return r.state
}

// of counts the open units of a reservation that are of an item.
func (r *reservation) of(sku string) int64 {
	var n int64
	for _, l := range r.lines {
		if l.sku == sku {
			n = sum(n, l.open)
		}
	}
	return n
}

func (r *reservation) view(now engine.Time) Reservation {
	v := Reservation{State: r.stateAt(now), Owner: r.owner, ExpiresAt: r.expiresAt}
	for _, l := range r.lines {
		open := l.open
		if v.State == engine.Expired {
			open = 0
		}
		v.Lines = append(v.Lines, ReservationLine{l.sku, l.location, l.quantity, open, l.fulfilled})
	}
	slices.SortFunc(v.Lines, func(a, b ReservationLine) int {
		return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Location, b.Location))
	})
	return v
}

// Reservation shows a reservation, also one that is over.
func (t *Twin) Reservation(nonce uint64, now engine.Time) (Reservation, bool) {
	r := t.reservations[nonce]
	if r == nil {
		return Reservation{}, false
	}
	return r.view(now), true
}

// Nonces lists all reservations there ever were.
func (t *Twin) Nonces() []uint64 {
	var all []uint64
	for n := range t.reservations {
		all = append(all, n)
	}
	slices.Sort(all)
	return all
}
