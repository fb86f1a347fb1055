package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// TestPromisesDoNotOverflow promises as much as can be counted and has it vanish, place after
// place. If the sum of what is owed could run over, it would look like room for more.
func TestPromisesDoNotOverflow(t *testing.T) {
	w := newWorld(t)
	w.do(&engine.Command{Op: engine.OpPutItem, SKU: "a", Settings: engine.Settings{BackorderLimit: 5}})
	for i, loc := range []string{"x", "y", "z", "last"} {
		w.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: loc, Quantity: engine.QuantityMax})
		a := w.do(&engine.Command{
			Op: engine.OpCommit, Reservation: engine.ReservationRef{Nonce: uint64(i + 1)},
			Lines: []engine.Line{{SKU: "a", Location: loc, Quantity: engine.QuantityMax}},
		})
		if code := a[0].Refusal.Code; (code == engine.NotRefused) != (i == 0) || i > 0 && code != engine.InvalidQuantityTooHigh {
			t.Errorf("to promise everything %d times over was answered with %v", i+1, code)
		}
		w.do(&engine.Command{Op: engine.OpSet, SKU: "a", Location: loc, Quantity: 0})
	}
	a := w.do(&engine.Command{
		Op: engine.OpReserve, Reservation: engine.ReservationRef{Nonce: 9}, Lines: []engine.Line{{SKU: "a", Location: "last", Quantity: 1}},
	})
	if !a[0].Refusal.Refused() {
		t.Error("sold although everything is owed")
	}
}

// TestViewWhileHalfWrittenOut looks at an expired reservation whose home has very many to write
// out, while its other item is done with it.
func TestViewWhileHalfWrittenOut(t *testing.T) {
	w := newWorld(t)
	for _, sku := range []string{"a", "b"} {
		w.do(&engine.Command{Op: engine.OpPutItem, SKU: sku})
		w.do(&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "x", Quantity: 1000})
	}
	for i := range engine.ExpiryPieceMax + 1 {
		lines := []engine.Line{{SKU: "a", Quantity: 1}, {SKU: "b", Quantity: 2}}
		if i > 0 {
			lines = lines[:1]
		}
		w.do(&engine.Command{Op: engine.OpReserve, TTL: 10, Lines: lines, Reservation: engine.ReservationRef{Nonce: uint64(i + 1)}})
	}
	w.now += 10
	w.drain = func() int { return 0 }
	w.visit("a", "b")
	if !w.stock("a").HasHold(1) || w.stock("b").HasHold(1) {
		t.Fatal("the case did not come about")
	}
	w.reservation(1)
	w.finish()
}

// TestThousandLines takes the largest commands there are, again and again. They are quick; were
// each line to look at all lines, at all locations, this would take minutes.
func TestThousandLines(t *testing.T) {
	c, reserve := thousandLines(t)
	confirm := &engine.Command{Op: engine.OpConfirm}
	for i := range reserve.Lines {
		confirm.Lines = append(confirm.Lines, engine.Line{SKU: "a", Location: fmt.Sprintf("location %d", i), Quantity: 1})
	}
	for n := range uint64(20) {
		ref := engine.ReservationRef{Home: "a", Nonce: n + 1}
		reserve.Reservation, confirm.Reservation = ref, ref
		c.do(reserve)
		if v := c.stocks[0].View(); v.Total(engine.Reserved) != engine.LinesMax || v.Total(engine.Available) != 0 {
			t.Fatalf("%d are reserved, %d left", v.Total(engine.Reserved), v.Total(engine.Available))
		}
		c.do(&engine.Command{Op: engine.OpExtend, Reservation: ref, TTL: 7})
		c.do(confirm)
		c.step(engine.OpCancel, ref)
	}
	if err := c.stocks[0].Check(); err != nil {
		t.Error(err)
	}
}

// TestHeavyHoldsExpireInPieces has holds of many lines fall due together: a record is bounded by
// lines, not by holds, and a hold is not cut in two.
func TestHeavyHoldsExpireInPieces(t *testing.T) {
	w := newWorld(t)
	w.pure = false
	var here, there []engine.Line
	for i := range 100 {
		loc := fmt.Sprintf("location %d", i)
		here = append(here, engine.Line{SKU: "a", Location: loc, Quantity: 1})
		there = append(there, engine.Line{SKU: fmt.Sprintf("b %d", i), Location: "x", Quantity: 1})
	}
	var setup []*engine.Command
	for _, l := range append(here[:100:100], there...) {
		if l.SKU != "a" || l.Location == here[0].Location {
			setup = append(setup, &engine.Command{Op: engine.OpPutItem, SKU: l.SKU})
		}
		setup = append(setup, &engine.Command{Op: engine.OpReceive, SKU: l.SKU, Location: l.Location, Quantity: 100})
	}
	w.do(setup...)
	// Three with all their lines here, and three with one line here and a hundred elsewhere, of
	// which the home writes a list.
	for i := range uint64(6) {
		lines := here
		if i >= 3 {
			lines = append(here[:1:1], there...)
		}
		w.do(&engine.Command{Op: engine.OpReserve, TTL: 10, Lines: lines, Reservation: engine.ReservationRef{Nonce: i + 1}})
	}
	w.now += 10
	told := len(w.log)
	w.visit("a")
	var pieces []string
	for _, r := range w.log[told:] {
		lines := 0
		for i := range r.Acts {
			lines += len(r.Acts[i].Events) + len(r.Acts[i].Others)
		}
		if lines > engine.ExpiryPieceMax {
			t.Errorf("a record of %d lines", lines)
		}
		pieces = append(pieces, fmt.Sprintf("%v of %d", r.Acts[0].Op, len(r.Acts)))
	}
	if got := strings.Join(pieces, ", "); got != "free of 1, expire of 2, expire of 2, expire of 2" {
		t.Errorf("expired in %s", got)
	}
	w.finish()
}

// TestOneHeavyHold expires a hold that alone has more lines than a piece: it goes at once.
func TestOneHeavyHold(t *testing.T) {
	c, reserve := thousandLines(t)
	reserve.Reservation, reserve.TTL = engine.ReservationRef{Nonce: 1}, 5
	c.do(reserve)
	var r engine.Record
	if !c.stocks[0].Expire(c.now+5, &r) || len(r.Acts) != 1 || r.Acts[0].Op != engine.OpExpire {
		t.Fatalf("%d acts of %v", len(r.Acts), r.Acts[0].Op)
	}
	r.Apply(c.stocks)
	if c.stocks[0].Expire(c.now+5, &r) || c.stocks[0].Holds() != 0 {
		t.Error("something is left")
	}
}

// TestLocationsMax stocks an item at as many locations as it can have, and at one more.
func TestLocationsMax(t *testing.T) {
	c, _ := thousandLines(t)
	more := func(loc string) engine.Command {
		return engine.Command{Op: engine.OpReceive, Key: "k", SKU: "a", Location: loc, Quantity: 1, HasIfMatch: true, IfMatch: 7}
	}
	for loc, want := range map[string]engine.Code{"location 999": engine.VersionConflict, "location 1000": engine.InvalidRequest} {
		cmd := more(loc)
		c.turn.Begin(c.now, c.stocks)
		if r := c.turn.Decide(&cmd); r.Code != want {
			t.Errorf("at %s: answered %v", loc, r.Code)
		}
	}
}

// TestDueAtTheTurn decides a step although the hold is due and the caller has not expired it: too
// late is too late.
func TestDueAtTheTurn(t *testing.T) {
	for by, want := range map[engine.Time]engine.Code{-1: engine.NotRefused, 0: engine.ReservationExpired, 1: engine.ReservationExpired} {
		c := newCrowd(t, 0, 1)
		ref := c.reserve("x", 10)
		c.now += 10 + by
		if c.stocks[0].HasDue(c.now) != (by >= 0) {
			t.Errorf("%d ms after the deadline: HasDue is %v", by, by < 0)
		}
		c.turn.Begin(c.now, c.stocks)
		if r := c.turn.Decide(&engine.Command{Op: engine.OpConfirm, Key: "k", Reservation: ref}); r.Code != want {
			t.Errorf("%d ms after the deadline: answered %v", by, r.Code)
		}
	}
}

// TestBatchFindsNewLocation has an atomic batch receive where a line of it is to be served from.
func TestBatchFindsNewLocation(t *testing.T) {
	w := newWorld(t)
	w.do(&engine.Command{Op: engine.OpPutItem, SKU: "a"})
	w.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: "x", Quantity: 1})
	anywhere := func(nonce uint64, q int64) *engine.Command {
		return &engine.Command{
			Op: engine.OpReserve, Lines: []engine.Line{{SKU: "a", Quantity: q}}, Reservation: engine.ReservationRef{Nonce: nonce},
		}
	}
	answers := w.do(anywhere(1, 1), &engine.Command{Op: engine.OpReceive, SKU: "a", Location: "y", Quantity: 5}, anywhere(2, 5))
	if r := answers[2].Refusal; r.Refused() {
		t.Errorf("refused: %v %v", r.Code, r.Lines)
	}
	w.finish()
}

// TestOnlyTheHomeKnows asks another item of a reservation for it: only its home can say.
func TestOnlyTheHomeKnows(t *testing.T) {
	w := newWorld(t)
	for _, sku := range []string{"a", "b"} {
		w.do(&engine.Command{Op: engine.OpPutItem, SKU: sku})
		w.do(&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "x", Quantity: 9})
		w.do(&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "y", Quantity: 9})
	}
	w.do(&engine.Command{
		Op: engine.OpReserve, Lines: []engine.Line{{SKU: "b", Location: "y", Quantity: 1}, {SKU: "b", Quantity: 1}, {SKU: "a", Quantity: 1}},
		Reservation: engine.ReservationRef{Nonce: 1},
	})
	if others, ok := w.stock("a").Participants(1); !ok || len(others) != 1 || others[0] != "b" {
		t.Errorf("the home knows of %q, %v", others, ok)
	}
	stocks := w.visit("a", "b")
	for home, want := range map[string]engine.Code{"a": engine.NotRefused, "b": engine.ReservationNotFound} {
		ref := engine.ReservationRef{Home: home, Nonce: 1}
		w.turn.Begin(w.now, stocks)
		if _, ok := w.turn.ReservationView(ref); ok != (home == "a") {
			t.Errorf("a view by way of %q: %v", home, ok)
		}
		if r := w.turn.Decide(&engine.Command{Op: engine.OpRelease, Key: "k", Reservation: ref}); r.Code != want {
			t.Errorf("a release by way of %q: %v", home, r.Code)
		}
	}
}

// TestBugsStopTheTurn does what a caller must not. Decide panics and changes nothing; Apply panics
// where an event does not fit.
func TestBugsStopTheTurn(t *testing.T) {
	fresh := func() *crowd { return newCrowd(t, 2, 1) }
	decide := func(c *crowd, cmd *engine.Command) func() {
		return func() {
			before := c.stocks[0].Dump()
			defer func() {
				if c.stocks[0].Dump() != before {
					t.Error("a decision that panics changed the stock")
				}
			}()
			c.turn.Begin(c.now, c.stocks)
			c.turn.Decide(cmd)
		}
	}
	// apply decides a command, spoils the record, and applies it.
	apply := func(cmd *engine.Command, spoil func(r *engine.Record)) func() {
		c := fresh()
		return func() {
			c.turn.Begin(c.now, c.stocks)
			if r := c.turn.Decide(cmd); r.Refused() {
				t.Fatalf("refused: %v", r.Code)
			}
			spoil(&c.turn.Record)
			c.turn.Record.Apply(c.stocks)
		}
	}
	event := func(change func(e *engine.Event)) func(r *engine.Record) {
		return func(r *engine.Record) { change(&r.Acts[0].Events[0]) }
	}
	lines := []engine.Line{{SKU: "a", Location: "x", Quantity: 1}}
	receive := &engine.Command{Op: engine.OpReceive, SKU: "a", Location: "x", Quantity: 1}
	confirm := &engine.Command{Op: engine.OpConfirm, Reservation: engine.ReservationRef{Home: "a", Nonce: 1}}
	for name, test := range map[string]struct {
		f    func()
		says string
	}{
		"nonce drawn twice": {
			apply(&engine.Command{Op: engine.OpReserve, Lines: lines, Reservation: engine.ReservationRef{Nonce: 1}}, func(*engine.Record) {}), "nonce",
		},
		"an item not held": {
			decide(fresh(), &engine.Command{Op: engine.OpReceive, SKU: "b", Location: "x", Quantity: 1}), "does not hold b",
		},
		"an item held before, with many": {func() {
			var turn engine.Turn
			cmd := &engine.Command{Op: engine.OpReceive, SKU: "aa", Location: "x", Quantity: 1}
			for _, prefix := range []string{"a", "b"} {
				var stocks []*engine.Stock
				for _, sku := range names(prefix, 20) {
					stocks = append(stocks, engine.NewStock(sku))
				}
				turn.Begin(1, stocks)
				turn.Decide(cmd) // Refused at first: there is no such item.
			}
		}, "does not hold aa"},
		"a read":             {decide(fresh(), &engine.Command{Op: engine.OpGetItem, SKU: "a"}), "decide on get_item"},
		"a gap":              {apply(receive, event(func(e *engine.Event) { e.Sequence++ })), "the last sequence is"},
		"twice":              {apply(receive, func(r *engine.Record) { r.Acts = append(r.Acts, r.Acts[0]) }), "the last sequence is"},
		"another level":      {apply(receive, event(func(e *engine.Event) { e.Before.Damaged++ })), "the level is"},
		"a level from where": {apply(receive, event(func(e *engine.Event) { e.Level.Location = "new" })), "no such level"},
		"created twice": {
			apply(&engine.Command{Op: engine.OpPutItem, SKU: "a"}, event(func(e *engine.Event) { e.Type = engine.ItemCreated })), "the item exists",
		},
		"no hold":      {apply(confirm, func(r *engine.Record) { r.Acts[0].Reservation.Nonce = 99 }), "there is no hold 63"},
		"no such line": {apply(confirm, event(func(e *engine.Event) { e.Level.Location, e.Before, e.After = "y", yOf(fresh()), yOf(fresh()) })), "has no line there"},
		"no item": {func() {
			c := fresh()
			c.turn.Begin(c.now, c.stocks)
			c.turn.Decide(receive)
			c.turn.Record.Acts[0].Events[0].Sequence = 1
			c.turn.Record.Apply([]*engine.Stock{engine.NewStock("a")})
		}, "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if met := fmt.Sprint(recover()); !strings.Contains(met, test.says) {
					t.Errorf("panicked with %q, which should say %q", met, test.says)
				}
			}()
			test.f()
		})
	}
}

// yOf is the level at y.
func yOf(c *crowd) engine.Counts {
	for _, l := range c.stocks[0].View().Levels {
		if l.Key.Location == "y" {
			return l.Counts
		}
	}
	return engine.Counts{}
}
