package enginetest

import "github.com/skua-stock/skua/engine"

// step takes a reservation further: confirm, release, extend, fulfill or cancel.
func (t *Twin) step(c *engine.Command, now engine.Time) Outcome {
	r := t.reservations[c.Reservation.Nonce]
	if r == nil {
		return Outcome{Code: engine.ReservationNotFound}
	}
	if code := notNow(c.Op, r.stateAt(now)); code != engine.NotRefused {
		return Outcome{Code: code}
	}
	units, wrong := r.units(c)
	if len(wrong) == 0 && c.Op == engine.OpFulfill {
		wrong = t.missing(r, units, now)
	}
	if o, refused := wrong.answer(); refused {
		return o
	}
	for i, l := range r.lines {
		t.stepLine(c.Op, l, units[i])
	}
	r.settle(c, now)
	return Outcome{Reservation: r.view(now)}
}

// notNow says why a step is not possible in a state.
func notNow(op engine.Op, state engine.ReservationState) engine.Code {
	hold := op == engine.OpConfirm || op == engine.OpRelease || op == engine.OpExtend
	switch state {
	case engine.Active:
		if !hold {
			return engine.ReservationNotConfirmed
		}
	case engine.Confirmed, engine.PartiallyFulfilled:
		if hold {
			return engine.ReservationAlreadyConfirmed
		}
	case engine.Released:
		return engine.ReservationAlreadyReleased
	case engine.Expired:
		return engine.ReservationExpired
	case engine.Fulfilled:
		return engine.ReservationAlreadyFulfilled
	case engine.Cancelled:
		return engine.ReservationAlreadyCancelled
	}
	return engine.NotRefused
}

// units says how many units of each line the step is about: all that are open, unless the command
// has lines of its own.
func (r *reservation) units(c *engine.Command) (units []int64, wrong faults) {
	units = make([]int64, len(r.lines))
	if len(c.Lines) == 0 || c.Op == engine.OpRelease || c.Op == engine.OpExtend {
		for i, l := range r.lines {
			units[i] = l.open
		}
		return units, nil
	}
	var named []wanted
	for _, l := range c.Lines {
		i, ok := r.find(l)
		switch {
		case !ok:
			wrong.add(engine.InvalidRequest)
		case i < 0:
			wrong.addLine(engine.ExceedsReservedQuantity,
				FailedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity})
		default:
			named = add(named, wanted{place{l.SKU, r.lines[i].location}, l.Quantity})
		}
	}
	for _, w := range named {
		i, _ := r.find(engine.Line{SKU: w.sku, Location: w.location})
		if units[i] = w.quantity; w.quantity > r.lines[i].open {
			wrong.addLine(engine.ExceedsReservedQuantity, FailedLine{
				SKU: w.sku, Location: w.location, Requested: w.quantity, Available: r.lines[i].open,
			})
		}
	}
	return units, wrong
}

// find says which line of the reservation a line of a step means, or -1. Without a location it is
// the only one that the reservation has of the item; ok is false when there are more.
func (r *reservation) find(l engine.Line) (found int, ok bool) {
	found, ok = -1, true
	for i, own := range r.lines {
		if own.sku != l.SKU || l.Location != "" && l.Location != own.location {
			continue
		}
		found, ok = i, found < 0
		if !ok {
			return -1, false
		}
	}
	return found, ok
}

// missing finds the lines whose units are promised but not there.
func (t *Twin) missing(r *reservation, units []int64, now engine.Time) (wrong faults) {
	for i, l := range r.lines {
		a := t.Amounts(l.sku, l.location, now)
		if there := a.OnHand - a.setAside(); units[i] > there {
			wrong.addLine(engine.InsufficientStock, FailedLine{
				SKU: l.sku, Location: l.location, Requested: units[i], Available: there,
			})
		}
	}
	return wrong
}

// stepLine moves the units of one line. A line that the step has nothing to do with has no
// movement.
func (t *Twin) stepLine(op engine.Op, l *line, units int64) {
	it := t.items[l.sku]
	switch op {
	case engine.OpConfirm, engine.OpRelease, engine.OpExtend:
		if l.open > 0 {
			it.sequence++
		}
	default:
		if units > 0 {
			it.sequence++
		}
	}
	switch op {
	case engine.OpConfirm:
		l.open = units
	case engine.OpRelease:
		l.open = 0
	case engine.OpFulfill:
		l.open -= units
		l.fulfilled += units
		it.shelves[l.location].onHand -= units
	case engine.OpCancel:
		l.open -= units
	}
}

// settle finds the state that a reservation is in after a step.
func (r *reservation) settle(c *engine.Command, now engine.Time) {
	open := false
	for _, l := range r.lines {
		open = open || l.open > 0
	}
	switch c.Op {
	case engine.OpConfirm:
		r.state = engine.Confirmed
	case engine.OpRelease:
		r.state = engine.Released
	case engine.OpExtend:
		r.expiresAt = deadline(c, now)
		return
	case engine.OpFulfill:
		if r.state = engine.PartiallyFulfilled; !open {
			r.state = engine.Fulfilled
		}
	case engine.OpCancel:
		if !open {
			r.state = engine.Cancelled
		}
	}
	r.expiresAt = 0
}
