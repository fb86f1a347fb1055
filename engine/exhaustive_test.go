package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// letter is one thing that can happen in a small world. It may depend on the reservations that
// there are: then it goes to the newest, or to the oldest that is open.
type letter func(w *world) *engine.Command

// smallWorld is a world in which every sequence of so many letters is tried.
type smallWorld struct {
	letters      map[string]letter
	depth, short int
	// statesMin is how many different states that must lead to at the least, or the test has
	// become blind.
	statesMin int
}

func on(c engine.Command) letter {
	return func(w *world) *engine.Command {
		fresh := c
		if c.Op == engine.OpReserve || c.Op == engine.OpCommit {
			fresh.Reservation.Nonce = uint64(len(w.twin.Nonces()) + 1)
		}
		return &fresh
	}
}

// step goes to the newest reservation, over or not, or to the oldest that is open.
func step(op engine.Op, newest bool, ttl int64, lines ...engine.Line) letter {
	return func(w *world) *engine.Command {
		nonces := w.twin.Nonces()
		if len(nonces) == 0 {
			return nil
		}
		nonce := nonces[len(nonces)-1]
		if !newest {
			open := w.open()
			if len(open) < 2 {
				return nil // It is the newest, or there is none.
			}
			nonce = open[0]
		}
		return &engine.Command{Op: op, TTL: ttl, Lines: lines, Reservation: engine.ReservationRef{Home: "a", Nonce: nonce}}
	}
}

// open lists the reservations that are not over.
func (w *world) open() []uint64 {
	return slices.DeleteFunc(w.twin.Nonces(), func(nonce uint64) bool {
		r, _ := w.twin.Reservation(nonce, w.now)
		return r.State.Final()
	})
}

func wait(w *world) *engine.Command {
	w.now++
	return nil
}

func put(limit, safety int64) letter {
	set := engine.Settings{BackorderLimit: limit}
	if safety > 0 {
		set.SafetyStock = map[string]int64{"x": safety}
	}
	return on(engine.Command{Op: engine.OpPutItem, SKU: "a", Settings: set})
}

func change(op engine.Op, q int64, states ...engine.State) letter {
	c := engine.Command{Op: op, SKU: "a", Location: "x", Quantity: q, Reason: "correction"}
	switch len(states) {
	case 1:
		c.State = states[0]
	case 2:
		c.From, c.To = states[0], states[1]
	}
	return on(c)
}

func reserve(op engine.Op, ttl int64, lines ...engine.Line) letter {
	return on(engine.Command{Op: op, TTL: ttl, Lines: lines})
}

func line(sku string, q int64) engine.Line { return engine.Line{SKU: sku, Location: "x", Quantity: q} }

var smallWorlds = map[string]smallWorld{
	"one item": {depth: 7, short: 5, statesMin: 9000, letters: map[string]letter{
		"put":               put(0, 0),
		"put limit 1":       put(1, 0),
		"put safety 1":      put(0, 1),
		"put both":          put(2, 1),
		"receive 1":         change(engine.OpReceive, 1),
		"receive 2":         change(engine.OpReceive, 2),
		"adjust on_hand -1": change(engine.OpAdjust, -1, engine.OnHand),
		"adjust avail -1":   change(engine.OpAdjust, -1, engine.Available),
		"adjust damaged +1": change(engine.OpAdjust, 1, engine.Damaged),
		"set on_hand 0":     change(engine.OpSet, 0, engine.OnHand),
		"set on_hand 1":     change(engine.OpSet, 1),
		"set available 0":   change(engine.OpSet, 0, engine.Available),
		"set available 1":   change(engine.OpSet, 1, engine.Available),
		"break 1":           change(engine.OpMove, 1, engine.OnHand, engine.Damaged),
		"check 1":           change(engine.OpMove, 1, engine.Available, engine.QualityControl),
		"repair 1":          change(engine.OpMove, 1, engine.Damaged, engine.Available),
		"reserve 1":         reserve(engine.OpReserve, 1, line("a", 1)),
		"reserve 2":         reserve(engine.OpReserve, 2, line("a", 2)),
		"commit 1":          reserve(engine.OpCommit, 0, line("a", 1)),
		"confirm":           step(engine.OpConfirm, true, 0),
		"confirm 1":         step(engine.OpConfirm, true, 0, line("a", 1)),
		"confirm oldest":    step(engine.OpConfirm, false, 0),
		"release":           step(engine.OpRelease, true, 0),
		"extend":            step(engine.OpExtend, true, 2),
		"fulfill":           step(engine.OpFulfill, true, 0),
		"fulfill 1":         step(engine.OpFulfill, true, 0, line("a", 1)),
		"fulfill oldest":    step(engine.OpFulfill, false, 0),
		"cancel":            step(engine.OpCancel, true, 0),
		"cancel 1":          step(engine.OpCancel, true, 0, line("a", 1)),
		"wait":              wait,
	}},
	"two items": {depth: 9, short: 6, statesMin: 4500, letters: map[string]letter{
		"put a":       put(0, 0),
		"put b":       on(engine.Command{Op: engine.OpPutItem, SKU: "b", Settings: engine.Settings{BackorderLimit: 1}}),
		"receive a":   change(engine.OpReceive, 2),
		"receive b":   on(engine.Command{Op: engine.OpReceive, SKU: "b", Location: "x", Quantity: 1}),
		"lose b":      on(engine.Command{Op: engine.OpSet, SKU: "b", Location: "x", Quantity: 0}),
		"reserve a":   reserve(engine.OpReserve, 1, line("a", 1)),
		"reserve b":   reserve(engine.OpReserve, 2, line("b", 1)),
		"reserve ab":  reserve(engine.OpReserve, 2, line("a", 1), line("b", 1)),
		"reserve baa": reserve(engine.OpReserve, 1, line("b", 1), line("a", 1), engine.Line{SKU: "a", Quantity: 1}),
		"commit ab":   reserve(engine.OpCommit, 0, line("a", 1), line("b", 1)),
		"confirm":     step(engine.OpConfirm, true, 0),
		"confirm a":   step(engine.OpConfirm, true, 0, line("a", 1)),
		"confirm b":   step(engine.OpConfirm, true, 0, line("b", 1)),
		"release":     step(engine.OpRelease, true, 0),
		"extend":      step(engine.OpExtend, true, 1),
		"fulfill":     step(engine.OpFulfill, true, 0),
		"fulfill b":   step(engine.OpFulfill, true, 0, line("b", 1)),
		"cancel a":    step(engine.OpCancel, true, 0, line("a", 1)),
		"cancel old":  step(engine.OpCancel, false, 0),
		"wait":        wait,
	}},
}

// TestSmallWorlds tries every sequence of letters up to a length, on the engine and on the twin.
// Sequences that lead to the same state go on as one, since what comes next depends on nothing
// else. There is no seed: it is the same every time.
func TestSmallWorlds(t *testing.T) {
	for name, small := range smallWorlds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			depth := small.depth
			if testing.Short() {
				depth = small.short
			}
			seen := map[string]bool{}
			empty := newWorld(t)
			empty.pure = false // Random worlds look at that; here it would take most of the time.
			frontier := []*world{empty}
			turns := 0
			for length := 1; length <= depth; length++ {
				var next []*world
				for _, from := range frontier {
					for _, spelling := range slices.Sorted(maps.Keys(small.letters)) {
						w := from.clone(spelling)
						if c := small.letters[spelling](w); c != nil {
							w.do(c)
							turns++
						}
						w.settled()
						if key := w.key(); !seen[key] {
							seen[key] = true
							next = append(next, w)
						}
					}
				}
				frontier = next
			}
			t.Logf("%d turns up to length %d led to %d states", turns, depth, len(seen))
			if !testing.Short() && len(seen) < small.statesMin {
				t.Errorf("only %d states were seen, there should be %d", len(seen), small.statesMin)
			}
		})
	}
}

// story reports failures with the sequence of letters that led to them.
type story struct {
	reporter
	letters []string
}

func (s *story) Fatalf(format string, args ...any) {
	s.Helper()
	s.reporter.Fatalf("after %s: %s", strings.Join(s.letters, ", "), fmt.Sprintf(format, args...))
}

// clone copies a world that has its log behind it.
func (w *world) clone(next string) *world {
	c := newWorld(w.t)
	s := &story{reporter: w.t}
	if told, ok := w.t.(*story); ok {
		s.reporter, s.letters = told.reporter, slices.Clip(told.letters)
	}
	s.letters = append(s.letters, next)
	c.t, c.now, c.twin, c.pure = s, w.now, w.twin.Clone(), w.pure
	c.homes, c.ended = maps.Clone(w.homes), maps.Clone(w.ended)
	for sku, stock := range w.stocks {
		c.stocks[sku] = stock.Clone()
		l := *w.ledgers[sku]
		l.levels = maps.Clone(l.levels)
		c.ledgers[sku] = &l
	}
	return c
}

// settled compares every stock and every reservation with the twin.
func (w *world) settled() {
	w.t.Helper()
	for _, s := range w.visit(slices.Collect(maps.Keys(w.stocks))...) {
		w.agree(s)
	}
	for _, nonce := range w.twin.Nonces() {
		w.reservation(nonce)
	}
}

// key names the state of a world but for what it makes no difference to: how late it is, how many
// movements there were, and which numbers the reservations have.
func (w *world) key() string {
	var b strings.Builder
	for _, sku := range w.twin.SKUs() {
		fmt.Fprintf(&b, "%s %v", sku, w.twin.Settings(sku))
		for _, loc := range w.twin.Locations(sku) {
			fmt.Fprintf(&b, " %s %v", loc, w.twin.Amounts(sku, loc, w.now))
		}
	}
	nonces := w.twin.Nonces()
	for i, nonce := range nonces {
		r, _ := w.twin.Reservation(nonce, w.now)
		if r.State == engine.Active {
			r.ExpiresAt -= w.now
		} else {
			r.ExpiresAt = 0
		}
		switch {
		case !r.State.Final():
			fmt.Fprintf(&b, " %v", r)
		case i == len(nonces)-1:
			fmt.Fprintf(&b, " %v", r.State)
		}
	}
	return b.String()
}
