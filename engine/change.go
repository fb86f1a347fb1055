package engine

import (
	"fmt"
	"maps"
	"slices"
)

func itemNotFound(c *Command) Refusal {
	r := refuse(ItemNotFound, "sku", fmt.Sprintf("there is no item %q", c.SKU))
	r.Lines = []RefusedLine{{SKU: c.SKU, Location: c.Location}}
	return r
}

// putItem creates an item or replaces its settings. New safety settings change what every level
// they are for withholds, so each such level moves.
func (t *Turn) putItem(c *Command) Refusal {
	i := t.stock(c.SKU)
	sc := &t.scratch[i]
	if r := t.ifMatch(c, i); r.Refused() {
		return r
	}
	typ := ItemUpdated
	if !sc.exists {
		typ = ItemCreated
	}
	settings := c.Settings
	settings.SafetyStock = maps.Clone(settings.SafetyStock)
	maps.DeleteFunc(settings.SafetyStock, func(_ string, q int64) bool { return q == 0 })
	settings.LocationOrder = slices.Clone(settings.LocationOrder)

	act := t.begin(c)
	sc.sequence++
	act.Events = append(act.Events, Event{Type: typ, Stock: i, Sequence: sc.sequence, Settings: &settings})
	sc.exists, sc.settings, sc.ordered = true, &settings, false
	for _, key := range sc.levelKeys() {
		before, _ := sc.level(key)
		if after := before; after.Safety != settings.SafetyStock[key.Location] {
			after.Safety = settings.SafetyStock[key.Location]
			t.event(act, ItemUpdated, i, key, before, after)
		}
	}
	return Refusal{}
}

func (t *Turn) ifMatch(c *Command, i int) Refusal {
	if c.HasIfMatch && c.IfMatch != t.scratch[i].sequence {
		detail := fmt.Sprintf("the item is at sequence %d, not %d", t.scratch[i].sequence, c.IfMatch)
		switch c.IfMatch {
		case 0:
			detail = fmt.Sprintf("the item exists, at sequence %d", t.scratch[i].sequence)
		case MatchesNothing:
			detail = fmt.Sprintf("the item is at sequence %d, which is not the one asked for", t.scratch[i].sequence)
		}
		r := refuse(VersionConflict, "If-Match", detail)
		r.Current = int64(t.scratch[i].sequence)
		return r
	}
	return Refusal{}
}

// changeLevel decides the operations on one level: receive, restock, adjust, set and move.
func (t *Turn) changeLevel(c *Command) Refusal {
	i := t.stock(c.SKU)
	sc := &t.scratch[i]
	if !sc.exists {
		return itemNotFound(c)
	}
	key := LevelKey{Location: c.Location}
	before, stocked := sc.level(key)
	after, r := changed(c, before)
	if r := t.refusedChange(c, i, before, after, stocked, r); r.Refused() {
		return r
	}
	act := t.begin(c)
	e := t.event(act, changeTypes[c.Op], i, key, before, after)
	e.Quantity = c.Quantity
	e.From, e.To = c.From, c.To
	if c.Op == OpAdjust || c.Op == OpSet {
		e.To = settledState(c.State)
	}
	return Refusal{}
}

// refusedChange finds the first code, in order of precedence, that speaks against a change of a
// level; wrong is what the computation of the change itself met.
func (t *Turn) refusedChange(c *Command, i int, before, after Counts, stocked bool, wrong Refusal) Refusal {
	sc := &t.scratch[i]
	arrives := c.Op == OpReceive || c.Op == OpRestock || (c.Op == OpSet || c.Op == OpAdjust) && c.Quantity > 0
	if !stocked && arrives && sc.locations() >= LocationsMax {
		return refuse(InvalidRequest, "location", fmt.Sprintf("an item has at most %d locations", LocationsMax))
	}
	if wrong.Code == InvalidQuantityTooLow || wrong.Code == InvalidQuantityTooHigh {
		return wrong
	}
	if over(sc.sums.onHand-before.OnHand, after.OnHand) {
		return tooHigh(c)
	}
	if r := t.ifMatch(c, i); r.Refused() {
		return r
	}
	if !stocked && !arrives {
		return notStocked(c.SKU, c.Location)
	}
	if c.HasChangeFrom {
		if is := before.Of(settledState(c.State)); is != c.ChangeFrom {
			r := refuse(ChangeFromQuantityStale, "change_from_quantity",
				fmt.Sprintf("%s is %d, not %d", settledState(c.State), is, c.ChangeFrom))
			r.Current = is
			return r
		}
	}
	return wrong
}

var changeTypes = [...]EventType{
	OpReceive: StockReceived, OpRestock: StockRestocked, OpAdjust: StockAdjusted,
	OpSet: StockSet, OpMove: StockMoved,
}

func settledState(s State) State {
	if s == StateUnset {
		return OnHand
	}
	return s
}

func notStocked(sku, location string) Refusal {
	r := refuse(ItemNotStockedAtLocation, "location",
		fmt.Sprintf("no stock of %q has ever arrived at %q", sku, location))
	r.Lines = []RefusedLine{{SKU: sku, Location: location}}
	return r
}

// quantityField is what clients call the quantity of a change.
func quantityField(c *Command) string {
	if c.Op == OpAdjust {
		return "delta"
	}
	return "quantity"
}

func tooHigh(c *Command) Refusal {
	return refuse(InvalidQuantityTooHigh, quantityField(c),
		fmt.Sprintf("the item would have more than %d units in one state", int64(QuantityMax)))
}

// over reports whether two sums that are not negative exceed QuantityMax together.
func over(a, b int64) bool { return a > QuantityMax-b }

// changed computes one level after a change.
func changed(c *Command, before Counts) (Counts, Refusal) {
	switch c.Op {
	case OpReceive, OpRestock:
		after := before
		after.OnHand += c.Quantity // Both are at most QuantityMax, so this cannot overflow.
		return after, Refusal{}
	case OpAdjust:
		return adjusted(c, before, settledState(c.State), c.Quantity)
	case OpSet:
		return set(c, before)
	}
	return moved(c, before)
}

// setAside is what is on hand but not sellable stock.
func (c *Counts) setAside() int64 { return c.Damaged + c.QualityControl + c.Other }

// adjusted adds delta to a state. Units appear or vanish, so on_hand moves with it. on_hand itself
// is a physical fact and may leave promises uncovered; available may not fall below zero.
func adjusted(c *Command, before Counts, state State, delta int64) (Counts, Refusal) {
	after := before
	after.OnHand += delta
	limit := before.OnHand - before.setAside()
	switch state {
	case Available:
		limit = before.Available()
	case Damaged, QualityControl, Other:
		*after.field(state) += delta
		limit = *before.field(state)
	}
	if delta < 0 && -delta > limit {
		return after, insufficient(c, -delta, limit)
	}
	return after, Refusal{}
}

// field is the stored quantity of a state that is set aside.
func (c *Counts) field(s State) *int64 {
	switch s {
	case Damaged:
		return &c.Damaged
	case QualityControl:
		return &c.QualityControl
	case Other:
		return &c.Other
	}
	panic("engine: " + s.String() + " is not set aside")
}

func insufficient(c *Command, requested, available int64) Refusal {
	r := refuse(InsufficientStock, quantityField(c), fmt.Sprintf("%d asked for, %d there", requested, available))
	r.Lines = []RefusedLine{{SKU: c.SKU, Location: c.Location, Requested: requested, Available: available}}
	return r
}

// set makes a state be a quantity. For available that means: as many on hand as leave so many
// free above the safety stock, and none free below when it is zero.
func set(c *Command, before Counts) (Counts, Refusal) {
	after := before
	switch state := settledState(c.State); state {
	case OnHand:
		if least := before.setAside(); c.Quantity < least {
			return after, refuse(InvalidQuantityTooLow, "quantity", fmt.Sprintf(
				"%d units are damaged, in quality control or set aside otherwise, so on_hand is at least that", least))
		}
		after.OnHand = c.Quantity
	case Available:
		switch {
		case c.Quantity == 0:
			after.OnHand -= before.Available()
		case over(c.Quantity, before.Safety) || before.OnHand > QuantityMax-(c.Quantity+before.Safety-before.Free()):
			return after, tooHigh(c)
		default:
			after.OnHand += c.Quantity + before.Safety - before.Free()
		}
	default:
		delta := c.Quantity - *before.field(state)
		return adjusted(c, before, state, delta)
	}
	return after, Refusal{}
}

// moved takes units from one state to another; on_hand stays. From on_hand takes any unit that is
// not set aside, promised or not: what is found broken is broken.
func moved(c *Command, before Counts) (Counts, Refusal) {
	after := before
	var limit int64
	switch c.From {
	case OnHand:
		limit = before.OnHand - before.setAside()
	case Available:
		limit = before.Available()
	default:
		limit = *before.field(c.From)
		*after.field(c.From) -= c.Quantity
	}
	if c.Quantity > limit {
		return after, insufficient(c, c.Quantity, limit)
	}
	if c.To != Available {
		*after.field(c.To) += c.Quantity
	}
	return after, Refusal{}
}
