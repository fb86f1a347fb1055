package engine_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// check holds one stock against its own rules and against the twin.
func (w *world) check(s *engine.Stock) {
	w.t.Helper()
	if err := s.Check(); err != nil {
		w.t.Fatalf("%v", err)
	}
	if s.Sequence() != w.ledgers[s.SKU()].sequence {
		w.t.Fatalf("item %q is at %d, its ledger at %d", s.SKU(), s.Sequence(), w.ledgers[s.SKU()].sequence)
	}
}

// agree compares a visited stock with the twin.
func (w *world) agree(s *engine.Stock) {
	w.t.Helper()
	sku := s.SKU()
	if s.Exists() != w.twin.Exists(sku) || s.Sequence() != w.twin.Sequence(sku) {
		w.t.Fatalf("item %q exists: %v, twin %v; sequence %d, twin %d", sku,
			s.Exists(), w.twin.Exists(sku), s.Sequence(), w.twin.Sequence(sku))
	}
	if !s.Exists() {
		return
	}
	view := s.View()
	var locations []string
	for i := range view.Levels {
		l := &view.Levels[i]
		locations = append(locations, l.Key.Location)
		if want, got := w.twin.Amounts(sku, l.Key.Location, w.now), amounts(&l.Counts); want != got {
			w.t.Fatalf("at %d, item %q at %q (-twin +engine):\n%s", w.now, sku, l.Key.Location, cmp.Diff(want, got))
		}
	}
	if want := w.twin.Locations(sku); !slices.Equal(want, locations) {
		w.t.Fatalf("item %q is at %q, twin %q", sku, locations, want)
	}
}

func amounts(c *engine.Counts) enginetest.Amounts {
	return enginetest.Amounts{
		OnHand: c.Of(engine.OnHand), Available: c.Of(engine.Available), Reserved: c.Of(engine.Reserved),
		Committed: c.Of(engine.Committed), SafetyStock: c.Of(engine.SafetyStock), Damaged: c.Of(engine.Damaged),
		QualityControl: c.Of(engine.QualityControl), Other: c.Of(engine.Other),
		Backordered: c.Of(engine.Backordered), Withholding: c.Safety,
	}
}

// outcomes compares how far a turn came, and why not further.
func (w *world) outcomes(cs []*engine.Command, twin []enginetest.Outcome, refusals []engine.Refusal) {
	w.t.Helper()
	for i := range twin {
		o, r := &twin[i], &refusals[i]
		if o.Code != r.Code {
			w.t.Fatalf("at %d, %s: twin %v, engine %v (%s)", w.now, tell(cs[i]), o.Code, r.Code, r.Detail)
		}
		var failed []enginetest.FailedLine
		for _, l := range r.Lines {
			failed = append(failed, enginetest.FailedLine(l))
		}
		if len(cs) > 1 {
			// The engine knows of the holds from before the turn, the twin of all.
			for _, lines := range [...][]enginetest.FailedLine{o.Failed, failed} {
				for j := range lines {
					lines[j].NextExpiryAt = 0
				}
			}
		}
		if !slices.Equal(sorted(o.Failed), sorted(failed)) {
			w.t.Fatalf("at %d, %s: failing lines (-twin +engine):\n%s", w.now, tell(cs[i]), cmp.Diff(o.Failed, failed))
		}
		if o.Current != r.Current {
			w.t.Fatalf("at %d, %s: met %d, twin %d", w.now, tell(cs[i]), r.Current, o.Current)
		}
		if r.Refused() && (r.Field == "" || r.Detail == "") {
			w.t.Fatalf("at %d, %s: refused without a word: %+v", w.now, tell(cs[i]), *r)
		}
	}
}

func sorted(lines []enginetest.FailedLine) []enginetest.FailedLine {
	key := func(l enginetest.FailedLine) string { return fmt.Sprintf("%q %q %d", l.SKU, l.Location, l.Requested) }
	slices.SortFunc(lines, func(a, b enginetest.FailedLine) int { return strings.Compare(key(a), key(b)) })
	return lines
}

// answer compares what a command that was taken is told.
func (w *world) answer(c *engine.Command, o *enginetest.Outcome, a *engine.Answer) {
	w.t.Helper()
	if a.Op != c.Op {
		w.t.Fatalf("%s: the answer is to %v", tell(c), a.Op)
	}
	if c.Reservation.Nonce != 0 {
		w.homes[c.Reservation.Nonce] = a.Reservation.Ref.Home
		w.sameReservation(tell(c), o.Reservation, a.Reservation)
		for _, l := range a.Reservation.Lines {
			if touched := l.Sequence > w.ledgers[l.SKU].sequence; !touched && l.Sequence != 0 {
				w.t.Fatalf("%s: a line of %q is answered with the sequence %d", tell(c), l.SKU, l.Sequence)
			}
		}
		return
	}
	if a.SKU != c.SKU || a.Sequence != o.Sequence || a.Created != o.Created {
		w.t.Fatalf("%s: answered %q %d %v, twin %d %v", tell(c), a.SKU, a.Sequence, a.Created, o.Sequence, o.Created)
	}
	if c.Op == engine.OpPutItem {
		want := c.Settings
		want.SafetyStock = maps.Clone(want.SafetyStock)
		maps.DeleteFunc(want.SafetyStock, func(_ string, q int64) bool { return q == 0 })
		if !a.Settings.Equal(&want) {
			w.t.Fatalf("%s: settings %+v", tell(c), *a.Settings)
		}
		return
	}
	if got := amounts(&a.Level.Counts); got != o.Amounts || a.Level.Key.Location != c.Location {
		w.t.Fatalf("%s: answered %q (-twin +engine):\n%s", tell(c), a.Level.Key.Location, cmp.Diff(o.Amounts, got))
	}
}

// carried looks for everything of a command that its act must carry on.
func (w *world) carried(c *engine.Command, act *engine.Act) {
	w.t.Helper()
	if act.Op != c.Op || act.KeyHash != c.KeyHash() || act.Fingerprint != c.Fingerprint() ||
		act.Principal != c.Principal || act.Actor != c.Actor || act.Reference != c.Reference ||
		act.Reason == "" || c.Reason != "" && act.Reason != c.Reason {
		w.t.Fatalf("%s by %q for %q is logged as %+v", tell(c), c.Actor, c.Reference, *act)
	}
	if !slices.Contains(engine.Reasons, act.Reason) {
		w.t.Fatalf("%s has the reason %q, which is none", tell(c), act.Reason)
	}
	for i := range act.Events {
		e := &act.Events[i]
		to := c.To
		if c.Op == engine.OpAdjust || c.Op == engine.OpSet {
			if to = c.State; to == engine.StateUnset {
				to = engine.OnHand
			}
		}
		if e.From != c.From || e.To != to || c.Location != "" && e.Quantity != c.Quantity {
			w.t.Fatalf("%s has the event %+v", tell(c), *e)
		}
	}
}

func (w *world) sameReservation(what string, want enginetest.Reservation, v engine.ReservationView) {
	w.t.Helper()
	got := enginetest.Reservation{State: v.State, Owner: v.Owner, ExpiresAt: v.ExpiresAt}
	for _, l := range v.Lines {
		got.Lines = append(got.Lines, enginetest.ReservationLine{
			SKU: l.SKU, Location: l.Location, Quantity: l.Quantity, Open: l.Open, Fulfilled: l.Fulfilled,
		})
	}
	slices.SortFunc(got.Lines, func(a, b enginetest.ReservationLine) int {
		return strings.Compare(a.SKU+"\x00"+a.Location, b.SKU+"\x00"+b.Location)
	})
	if !reflect.DeepEqual(want, got) {
		w.t.Fatalf("at %d, %s: reservation (-twin +engine):\n%s", w.now, what, cmp.Diff(want, got))
	}
}

// reservation compares a reservation that may still be there with the twin.
func (w *world) reservation(nonce uint64) {
	w.t.Helper()
	want, made := w.twin.Reservation(nonce, w.now)
	home, ok := w.homes[nonce]
	if !made || !ok {
		return
	}
	others, _ := w.stock(home).Participants(nonce)
	stocks := w.visit(append(others, home)...)
	w.turn.Begin(w.now, stocks)
	v, ok := w.turn.ReservationView(engine.ReservationRef{Home: home, Nonce: nonce})
	if !ok {
		if w.ended[nonce] != want.State {
			w.t.Fatalf("at %d, reservation %d ended as %v, twin %v", w.now, nonce, w.ended[nonce], want.State)
		}
		return
	}
	w.sameReservation(fmt.Sprintf("reservation %d", nonce), want, v)
	for _, l := range v.Lines {
		if l.Sequence != w.stock(l.SKU).Sequence() {
			w.t.Fatalf("reservation %d is shown at %d of %q, which is at %d", nonce, l.Sequence, l.SKU, w.stock(l.SKU).Sequence())
		}
	}
}

func (w *world) dump(stocks []*engine.Stock) []string {
	if !w.pure {
		return nil
	}
	var all []string
	for _, s := range stocks {
		all = append(all, s.DumpTracking())
	}
	return all
}

// same fails when what only reads has changed a stock.
func (w *world) same(what string, before []string, stocks []*engine.Stock) {
	w.t.Helper()
	for i, after := range w.dump(stocks) {
		if after != before[i] {
			w.t.Fatalf("%s changed a stock (-before +after):\n%s", what, cmp.Diff(before[i], after))
		}
	}
}
