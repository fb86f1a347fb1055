package engine_test

import (
	"maps"
	"slices"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// ledger is what the movements of an item so far say.
type ledger struct {
	sequence     uint64
	reorderPoint int64
	levels       map[engine.LevelKey]engine.Counts
}

func (l *ledger) available() (n int64) {
	for _, c := range l.levels {
		n += c.Of(engine.Available)
	}
	return n
}

// expired looks at what the act of one expired hold tells the history: that of the home everything,
// those of the other items of the reservation their own lines.
func (w *world) expired(sku string, r *engine.Record, act int) {
	w.t.Helper()
	v := r.Answer(act).Reservation
	want, _ := w.twin.Reservation(v.Ref.Nonce, w.now)
	if v.Ref.Home != w.homes[v.Ref.Nonce] {
		w.t.Fatalf("reservation %d of %q expires as one of %q", v.Ref.Nonce, w.homes[v.Ref.Nonce], v.Ref.Home)
	}
	if v.Ref.Home != sku {
		want.Lines = slices.DeleteFunc(want.Lines, func(l enginetest.ReservationLine) bool { return l.SKU != sku })
	}
	w.sameReservation("expiry on "+sku, want, v)
}

// book enters the movements of a record into the ledgers.
func (w *world) book(r *engine.Record) {
	w.t.Helper()
	var movements []engine.Movement
	for i, m := range r.Movements {
		if i != len(movements) {
			w.t.Fatalf("movement %d of a record is called its %d", len(movements), i)
		}
		movements = append(movements, *m)
	}
	for i := range r.Acts {
		act := &r.Acts[i]
		w.alert(r, act)
		for j := range act.Events {
			if act.Events[j].Movement() {
				w.enter(act, &act.Events[j], &movements[0])
				movements = movements[1:]
			}
		}
	}
	if len(movements) > 0 {
		w.t.Fatalf("a record has movements that are no events: %+v", movements)
	}
}

// enter enters one movement: gap-free, and from where the last one left the level.
func (w *world) enter(act *engine.Act, e *engine.Event, m *engine.Movement) {
	w.t.Helper()
	l := w.ledgers[m.SKU]
	if m.Sequence != l.sequence+1 || m.Sequence != e.Sequence || m.Cause != act.Op || m.At != w.now {
		w.t.Fatalf("movement %d of %q by %v at %d comes after %d; its event is %d, by %v at %d",
			m.Sequence, m.SKU, m.Cause, m.At, l.sequence, e.Sequence, act.Op, w.now)
	}
	if e.Quantity != units(e) || m.Quantity != e.Quantity {
		w.t.Fatalf("movement %d of %q, %v, is about %d units, not %d", m.Sequence, m.SKU, m.Type, units(e), e.Quantity)
	}
	if m.Actor != act.Actor || m.Reason != act.Reason || m.Reference != act.Reference || m.Principal != act.Principal ||
		m.Type != e.Type || m.From != e.From || m.To != e.To || m.After != e.After || m.Alerts != e.Alerts ||
		m.Reservation != act.Reservation || m.Owner != act.Owner || m.ExpiresAt != act.ExpiresAt {
		w.t.Fatalf("the event %+v of %+v became the movement %+v", *e, *act, *m)
	}
	l.sequence = m.Sequence
	if m.Settings != nil {
		l.reorderPoint = m.Settings.ReorderPoint
		return
	}
	before, known := l.levels[m.Level]
	if !known {
		before.Safety = m.Before.Safety
	}
	if m.Before != before {
		w.t.Fatalf("movement %d of %q at %q goes from %+v, but the level was left at %+v",
			m.Sequence, m.SKU, m.Level.Location, m.Before, before)
	}
	if bad := broken(&m.After); bad != "" {
		w.t.Fatalf("movement %d of %q at %q: %s in %+v", m.Sequence, m.SKU, m.Level.Location, bad, m.After)
	}
	l.levels[m.Level] = m.After
}

// alert compares the alerts of an act with what its movements say happened.
func (w *world) alert(r *engine.Record, act *engine.Act) {
	w.t.Helper()
	fell := map[string]bool{} // The items whose reorder point was reached.
	levels := map[string]*ledger{}
	for i := range act.Events {
		e := &act.Events[i]
		sku := r.SKUs[e.Stock]
		if levels[sku] == nil {
			levels[sku] = &ledger{reorderPoint: w.ledgers[sku].reorderPoint, levels: maps.Clone(w.ledgers[sku].levels)}
		}
		if e.Settings != nil {
			levels[sku].reorderPoint = e.Settings.ReorderPoint
			continue
		}
		levels[sku].levels[e.Level] = e.After
		var want engine.Alerts
		was, is := e.Before.Of(engine.Available), e.After.Of(engine.Available)
		owed, owes := e.Before.Of(engine.Backordered), e.After.Of(engine.Backordered)
		for alert, on := range map[engine.Alerts]bool{
			engine.OutOfStock:         was > 0 && is == 0,
			engine.BackInStock:        was == 0 && is > 0,
			engine.SafetyStockReached: was > 0 && is == 0 && e.After.Safety > 0,
			engine.BackorderedAlert:   owes > owed,
			engine.BackorderFilled:    owes < owed,
		} {
			if on {
				want |= alert
			}
		}
		if got := e.Alerts &^ engine.ReorderPointReached; got != want {
			w.t.Fatalf("movement %d of %q has the alerts %v, should have %v", e.Sequence, sku, got.Names(), want.Names())
		}
		fell[sku] = fell[sku] || e.Alerts&engine.ReorderPointReached != 0
	}
	for sku, l := range levels {
		before, after, point := w.ledgers[sku].available(), l.available(), l.reorderPoint
		if want := before > point && after <= point && point > 0; want != fell[sku] && (want || act.Op != engine.OpPutItem) {
			w.t.Fatalf("%v of %q from %d to %d available, reorder point %d: alert %v", act.Op, sku, before, after, point, fell[sku])
		}
	}
}

// broken is the invariant of a level, as the design words it.
func broken(c *engine.Counts) string {
	sum := int64(0)
	for _, s := range []engine.State{
		engine.Available, engine.Reserved, engine.Committed, engine.SafetyStock,
		engine.Damaged, engine.QualityControl, engine.Other,
	} {
		if c.Of(s) < 0 {
			return s.String() + " is negative"
		}
		sum += c.Of(s)
	}
	switch {
	case c.OnHand < 0 || c.Backordered() < 0:
		return "on_hand or backordered is negative"
	case c.OnHand+c.Backordered() != sum:
		return "on_hand + backordered is not the sum of the states"
	case c.Available() > 0 && c.Backordered() > 0:
		return "available and backordered at once"
	}
	return ""
}

// units is how many units an event of a reservation is about, by what it did to the level.
func units(e *engine.Event) int64 {
	switch e.Type {
	case engine.StockReserved:
		return e.After.Reserved - e.Before.Reserved
	case engine.StockCommitted, engine.ReservationConfirmed:
		return e.After.Committed - e.Before.Committed
	case engine.ReservationReleasedEvent:
		return e.Before.Reserved - e.After.Reserved
	case engine.StockFulfilled:
		return e.Before.OnHand - e.After.OnHand
	case engine.StockCancelled:
		return e.Before.Committed - e.After.Committed
	case engine.ReservationExpiredEvent:
		if e.Before != e.After {
			return e.Before.Reserved - e.After.Reserved
		}
		return e.Line.Quantity // Freed before; nothing of a hold is gone before it expires.
	case engine.ReservationExtended:
		return e.Line.Open
	}
	return e.Quantity
}

func answersOf(r *engine.Record) []engine.Answer {
	var all []engine.Answer
	for i := range r.Acts {
		all = append(all, r.Answer(i))
	}
	return all
}
