package enginetest

import "github.com/skua-stock/skua/engine"

func (t *Twin) putItem(c *engine.Command) Outcome {
	it := t.items[c.SKU]
	if c.HasIfMatch && c.IfMatch != t.Sequence(c.SKU) {
		return Outcome{Code: engine.VersionConflict, Current: int64(t.Sequence(c.SKU))}
	}
	created := it == nil
	if created {
		it = &item{shelves: map[string]*shelf{}}
		t.items[c.SKU] = it
	}
	for loc := range it.shelves {
		if it.settings.SafetyStock[loc] != c.Settings.SafetyStock[loc] {
			it.sequence++ // What the level withholds changes.
		}
	}
	it.settings = c.Settings
	it.sequence++
	return Outcome{Sequence: it.sequence, Created: created}
}

// change is every operation on one level: it tries the new shelf and looks at what is wrong.
func (t *Twin) change(c *engine.Command, now engine.Time) Outcome {
	it := t.items[c.SKU]
	at := FailedLine{SKU: c.SKU, Location: c.Location}
	var wrong faults
	if it == nil {
		wrong.addLine(engine.ItemNotFound, at)
		o, _ := wrong.answer()
		return o
	}
	if c.HasIfMatch && c.IfMatch != it.sequence {
		wrong.addCurrent(engine.VersionConflict, int64(it.sequence))
	}
	state := c.State
	if state == engine.StateUnset {
		state = engine.OnHand
	}
	a := t.Amounts(c.SKU, c.Location, now)
	if c.HasChangeFrom && c.ChangeFrom != a.Of(state) {
		wrong.addCurrent(engine.ChangeFromQuantityStale, a.Of(state))
	}
	shelf := shelf{onHand: a.OnHand, damaged: a.Damaged, qualityControl: a.QualityControl, other: a.Other}
	arrives := false
	// take is what the command takes of something that there may not be enough of.
	var take, there int64
	switch c.Op {
	case engine.OpReceive, engine.OpRestock:
		arrives = true
		shelf.onHand = sum(shelf.onHand, c.Quantity)
	case engine.OpAdjust:
		arrives = c.Quantity > 0
		take, there = -c.Quantity, a.takeable(state)
		shelf.add(state, c.Quantity)
	case engine.OpSet:
		arrives = c.Quantity > 0
		if state == engine.OnHand && c.Quantity < a.setAside() {
			wrong.add(engine.InvalidQuantityTooLow)
		}
		shelf.set(state, c.Quantity, a)
	case engine.OpMove:
		take, there = c.Quantity, a.takeable(c.From)
		shelf.add(c.From, -c.Quantity)
		shelf.add(c.To, c.Quantity)
		shelf.onHand = a.OnHand
	}
	if it.shelves[c.Location] == nil && !arrives {
		wrong.addLine(engine.ItemNotStockedAtLocation, at)
	}
	if take > there {
		at.Requested, at.Available = take, there
		wrong.addLine(engine.InsufficientStock, at)
	}
	others := t.total(c.SKU, engine.OnHand, now) - a.OnHand
	if sum(others, max(0, shelf.onHand)) > engine.QuantityMax {
		wrong.add(engine.InvalidQuantityTooHigh)
	}
	if o, refused := wrong.answer(); refused {
		return o
	}
	it.shelves[c.Location] = &shelf
	it.sequence++
	return Outcome{Sequence: it.sequence, Amounts: t.Amounts(c.SKU, c.Location, now)}
}

// takeable is how much adjust and move may take of a state. Of on_hand that is every unit that is
// not set aside, whether it is promised or not.
func (a *Amounts) takeable(s engine.State) int64 {
	if s == engine.OnHand {
		return a.OnHand - a.setAside()
	}
	return a.Of(s)
}

// add changes a state by a delta, and what is on hand with it.
func (s *shelf) add(state engine.State, delta int64) {
	switch state {
	case engine.Damaged:
		s.damaged += delta
	case engine.QualityControl:
		s.qualityControl += delta
	case engine.Other:
		s.other += delta
	}
	s.onHand += delta
}

// set makes a state of a level be x.
func (s *shelf) set(state engine.State, x int64, a Amounts) {
	switch state {
	case engine.OnHand:
		s.onHand = x
	case engine.Available:
		s.onHand -= a.Available
		if x > 0 {
			s.onHand = sum(x, a.Withholding, a.Reserved, a.Committed, a.setAside())
		}
	default:
		s.add(state, x-a.Of(state))
	}
}

// nextExpiry is when the next hold on the item falls due, or zero.
func (t *Twin) nextExpiry(sku string, now engine.Time) engine.Time {
	var next engine.Time
	for _, r := range t.reservations {
		if r.stateAt(now) == engine.Active && r.of(sku) > 0 && (next == 0 || r.expiresAt < next) {
			next = r.expiresAt
		}
	}
	return next
}
