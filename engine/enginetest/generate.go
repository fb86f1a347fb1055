package enginetest

import (
	"maps"
	"math"
	"slices"

	"pgregory.net/rapid"

	"github.com/skua-stock/skua/engine"
)

// Scene says what a generated world is made of. Few names and small numbers make commands meet;
// extreme ones look for overflow.
type Scene struct {
	SKUs, Locations []string
	// QuantityMax is what quantities are at most, drawn small, unless Extreme: then they are near
	// the limits of the engine half of the time.
	QuantityMax int64
	Extreme     bool
	// LinesMax is how many lines a reservation has at most.
	LinesMax int
	// TTLMax is the longest life of a hold in milliseconds, small so that deadlines meet.
	TTLMax int64
	// Backorders, SafetyStock and Order say which settings items have.
	Backorders, SafetyStock, Order bool
}

// Command draws the next valid command for a world that looks like the twin. The nonce is for a new
// reservation.
func (s *Scene) Command(t *rapid.T, twin *Twin, now engine.Time, nonce uint64) *engine.Command {
	c := &engine.Command{
		Key:       rapid.SampledFrom([]string{"key", "key 2"}).Draw(t, "key"),
		Op:        rapid.SampledFrom(s.ops(twin)).Draw(t, "op"),
		Principal: rapid.SampledFrom([]string{"", "shop"}).Draw(t, "principal"),
		Actor:     rapid.SampledFrom([]string{"", "ann"}).Draw(t, "actor"),
		Reference: rapid.SampledFrom([]string{"", "order:7"}).Draw(t, "reference"),
		Reason:    rapid.SampledFrom([]string{"", "", "other"}).Draw(t, "reason"),
	}
	switch {
	case c.Op == engine.OpReserve || c.Op == engine.OpCommit:
		c.Reservation.Nonce = nonce
		c.Lines = s.lines(t, twin, now)
		c.Owner = rapid.SampledFrom([]string{"", "", "cart-7"}).Draw(t, "owner")
		if c.Op == engine.OpReserve {
			c.TTL = s.ttl(t)
		}
	case c.Op.Step():
		s.step(t, c, twin, now)
	default:
		s.change(t, c, twin, now)
	}
	return c
}

// Opening creates every item and receives the largest ordinary quantity of it everywhere.
func (s *Scene) Opening() []*engine.Command {
	var cs []*engine.Command
	for _, sku := range s.SKUs {
		cs = append(cs, &engine.Command{Op: engine.OpPutItem, SKU: sku})
		for _, loc := range s.Locations {
			cs = append(cs, &engine.Command{Op: engine.OpReceive, SKU: sku, Location: loc, Quantity: s.QuantityMax})
		}
	}
	return cs
}

// ops are the operations to choose from: mostly those that make an empty world interesting, until
// it is.
func (s *Scene) ops(twin *Twin) []engine.Op {
	ops := []engine.Op{engine.OpPutItem, engine.OpReceive, engine.OpReserve}
	if len(twin.items) < len(s.SKUs) {
		ops = append(ops, engine.OpPutItem, engine.OpPutItem, engine.OpReceive)
	}
	ops = append(ops, engine.OpReceive, engine.OpReserve, engine.OpReserve, engine.OpReserve, engine.OpCommit,
		engine.OpAdjust, engine.OpSet, engine.OpMove, engine.OpRestock)
	if len(twin.reservations) > 0 {
		ops = append(ops, engine.OpConfirm, engine.OpConfirm, engine.OpRelease, engine.OpExtend,
			engine.OpFulfill, engine.OpFulfill, engine.OpCancel)
	}
	return ops
}

// change draws what the operations on one item need.
func (s *Scene) change(t *rapid.T, c *engine.Command, twin *Twin, now engine.Time) {
	c.SKU = s.sku(t)
	if rapid.IntRange(0, 5).Draw(t, "if match") == 0 {
		c.HasIfMatch = true
		c.IfMatch = twin.Sequence(c.SKU) + rapid.SampledFrom([]uint64{0, 0, 1}).Draw(t, "off by")
	}
	if c.Op == engine.OpPutItem {
		c.Settings = s.settings(t)
		return
	}
	c.Location = s.location(t)
	var is Amounts
	if twin.Exists(c.SKU) {
		is = twin.Amounts(c.SKU, c.Location, now)
	}
	settable := []engine.State{
		engine.StateUnset, engine.OnHand, engine.Available, engine.Available,
		engine.Damaged, engine.QualityControl, engine.Other,
	}
	switch c.Op {
	case engine.OpAdjust:
		c.Reason = rapid.SampledFrom(engine.Reasons).Draw(t, "reason")
		c.State = rapid.SampledFrom(settable).Draw(t, "state")
		c.Quantity = s.near(t, is.Of(settled(c.State)), 1)
		if rapid.Bool().Draw(t, "take") {
			c.Quantity = -c.Quantity
		}
	case engine.OpSet:
		c.State = rapid.SampledFrom(settable).Draw(t, "state")
		c.Quantity = s.near(t, is.setAside(), 0)
	case engine.OpMove:
		c.From = rapid.SampledFrom(settable[1:]).Draw(t, "from")
		to := slices.DeleteFunc(slices.Clone(settable[3:]), func(to engine.State) bool {
			return to == c.From || c.From == engine.OnHand && to == engine.Available
		})
		c.To = rapid.SampledFrom(to).Draw(t, "to")
		c.Quantity = s.near(t, is.Of(c.From), 1)
	default:
		c.Quantity = s.quantity(t, 1)
	}
	if (c.Op == engine.OpAdjust || c.Op == engine.OpSet) && rapid.IntRange(0, 3).Draw(t, "change from") == 0 {
		c.HasChangeFrom = true
		c.ChangeFrom = min(engine.QuantityMax,
			is.Of(settled(c.State))+rapid.SampledFrom([]int64{0, 0, 1}).Draw(t, "off by"))
	}
}

func settled(s engine.State) engine.State {
	if s == engine.StateUnset {
		return engine.OnHand
	}
	return s
}

func (s *Scene) settings(t *rapid.T) engine.Settings {
	var set engine.Settings
	set.ReorderPoint = rapid.Int64Range(0, 3).Draw(t, "reorder point")
	if s.Backorders && rapid.Bool().Draw(t, "backorders") {
		set.BackorderLimit = s.quantity(t, 0)
	}
	if s.SafetyStock {
		for _, loc := range s.Locations {
			if rapid.IntRange(0, 2).Draw(t, "safety at "+loc) == 0 {
				if set.SafetyStock == nil {
					set.SafetyStock = map[string]int64{}
				}
				set.SafetyStock[loc] = s.quantity(t, 0)
			}
		}
	}
	if s.Order {
		order := rapid.Permutation(s.Locations).Draw(t, "order")
		set.LocationOrder = order[:rapid.IntRange(0, len(order)).Draw(t, "ordered")]
	}
	return set
}

// lines draws lines of a new reservation: some repeated, some without a location, some of just
// what there is.
func (s *Scene) lines(t *rapid.T, twin *Twin, now engine.Time) []engine.Line {
	lines := make([]engine.Line, rapid.IntRange(1, s.LinesMax).Draw(t, "lines"))
	for i := range lines {
		l := &lines[i]
		if l.SKU = s.sku(t); rapid.IntRange(0, 2).Draw(t, "placed") > 0 {
			l.Location = s.location(t)
		}
		l.Quantity = s.quantity(t, 1)
		if twin.Exists(l.SKU) && rapid.IntRange(0, 3).Draw(t, "exactly") == 0 {
			l.Quantity = s.near(t, twin.Amounts(l.SKU, l.Location, now).Available, 1)
		}
	}
	return lines
}

// step draws a step of a reservation that is or was there, or never was.
func (s *Scene) step(t *rapid.T, c *engine.Command, twin *Twin, now engine.Time) {
	// The later ones are more likely to be open, and small draws are more likely than large ones.
	nonces := twin.Nonces()
	back := rapid.IntRange(0, min(len(nonces), 30)-1).Draw(t, "reservation")
	c.Reservation = engine.ReservationRef{Home: s.SKUs[0], Nonce: nonces[len(nonces)-1-back]}
	if rapid.IntRange(0, 30).Draw(t, "never was") == 0 {
		c.Reservation.Nonce = math.MaxUint64
	}
	if c.Op == engine.OpExtend {
		c.TTL = s.ttl(t)
	}
	r, _ := twin.Reservation(c.Reservation.Nonce, now)
	if c.Op == engine.OpRelease || c.Op == engine.OpExtend || rapid.IntRange(0, 2).Draw(t, "whole") > 0 {
		return
	}
	any := int64(0)
	for range rapid.IntRange(1, 3).Draw(t, "lines") {
		l := engine.Line{SKU: s.sku(t), Location: s.location(t)}
		open := int64(1)
		if len(r.Lines) > 0 && rapid.IntRange(0, 5).Draw(t, "own") > 0 {
			own := rapid.SampledFrom(r.Lines).Draw(t, "line")
			l.SKU, l.Location, open = own.SKU, own.Location, own.Open
		}
		if rapid.IntRange(0, 3).Draw(t, "placed") == 0 {
			l.Location = ""
		}
		l.Quantity = s.near(t, open, 0)
		if rapid.Bool().Draw(t, "part") {
			l.Quantity = min(l.Quantity, rapid.Int64Range(0, max(1, open)).Draw(t, "part of it"))
		}
		any |= l.Quantity
		c.Lines = append(c.Lines, l)
	}
	if any == 0 {
		c.Lines = nil
	}
}

// Time draws the next moment: now, a little later, or on, just before or just after a deadline.
func (s *Scene) Time(t *rapid.T, twin *Twin, now engine.Time) engine.Time {
	switch rapid.IntRange(0, 5).Draw(t, "time") {
	case 0, 1, 2:
		return now
	case 3:
		return now + engine.Time(rapid.Int64Range(1, 3).Draw(t, "later"))
	}
	deadlines := map[engine.Time]bool{}
	for _, r := range twin.reservations {
		if r.stateAt(now) == engine.Active {
			deadlines[r.expiresAt] = true
		}
	}
	if len(deadlines) == 0 {
		return now
	}
	at := rapid.SampledFrom(slices.Sorted(maps.Keys(deadlines))).Draw(t, "deadline")
	return max(now, at+engine.Time(rapid.Int64Range(-1, 1).Draw(t, "off by")))
}

func (s *Scene) sku(t *rapid.T) string { return rapid.SampledFrom(s.SKUs).Draw(t, "sku") }
func (s *Scene) location(t *rapid.T) string {
	return rapid.SampledFrom(s.Locations).Draw(t, "location")
}

// ttl draws the life of a hold; now and then it is left to the default.
func (s *Scene) ttl(t *rapid.T) int64 {
	if rapid.IntRange(0, 15).Draw(t, "ttl given") == 15 {
		return 0
	}
	return rapid.Int64Range(1, s.TTLMax).Draw(t, "ttl")
}

// quantity draws a quantity of at least least.
func (s *Scene) quantity(t *rapid.T, least int64) int64 {
	if s.Extreme && rapid.Bool().Draw(t, "extreme") {
		near := rapid.SampledFrom([]int64{engine.QuantityMax, engine.QuantityMax / 2, engine.QuantityMax / 3}).Draw(t, "near")
		return min(engine.QuantityMax, near+rapid.Int64Range(-2, 2).Draw(t, "off by"))
	}
	return rapid.Int64Range(least, s.QuantityMax).Draw(t, "quantity")
}

// near draws a quantity close to one that matters, or any.
func (s *Scene) near(t *rapid.T, q, least int64) int64 {
	if rapid.IntRange(0, 2).Draw(t, "near it") > 0 {
		return s.quantity(t, least)
	}
	return min(engine.QuantityMax, max(least, q+rapid.Int64Range(-1, 1).Draw(t, "off by")))
}
