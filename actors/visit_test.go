package actors_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// Visits over overlapping sets, in whatever order their commands name them, never wait for each
// other in a circle, and are all or nothing: what is moved from one item to another is never lost,
// nor there twice, and a reader never sees it under way.
func TestVisitsAreAtomicAndNeverStick(t *testing.T) {
	const clients, rounds, skus, units = 32, 150, 12, 1000
	seed := drawSeed(t)
	g := newGround(t, true)
	b := start(t, g)
	items := names(skus)
	for _, sku := range items {
		b.stocked(sku, units)
	}
	var wg sync.WaitGroup
	var moved, ordered atomic.Int64
	for client := range clients {
		rng := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() {
			for i := range rounds {
				key := fmt.Sprint(client, "-", i)
				pick := rng.Perm(skus)[:2+rng.IntN(skus-2)]
				if rng.IntN(2) == 0 {
					if moves(b, key, items, pick) {
						moved.Add(1)
					}
				} else if order(b, rng, key, items, pick) {
					ordered.Add(1)
				}
			}
		})
	}
	wg.Wait()
	var onHand, promised int64
	for _, sku := range items {
		b.agree(sku)
		v := b.must(get(sku)).Item
		onHand += v.Total(engine.OnHand)
		promised += v.Total(engine.Reserved) + v.Total(engine.Committed)
	}
	if onHand != skus*units {
		t.Errorf("%d units in all, there were %d", onHand, skus*units)
	}
	if promised != 0 {
		t.Errorf("%d units are promised, every order was given back", promised)
	}
	if moved.Load() == 0 || ordered.Load() == 0 {
		t.Error("nothing was done")
	}
	b.idle()
	b.close()
}

// moves takes a unit of the first item for each of the others.
func moves(b *bench, key string, items []string, pick []int) bool {
	cmds := []engine.Command{{
		Op: engine.OpAdjust, SKU: items[pick[0]], Location: "main", Quantity: -int64(len(pick) - 1), Reason: "correction", Key: key,
	}}
	for i, p := range pick[1:] {
		cmds = append(cmds, receive(items[p], 1, fmt.Sprint(key, "+", i)))
	}
	for _, a := range <-b.batch(cmds...) {
		switch {
		case a.Err != nil:
			b.t.Error(a.Err)
			return false
		case a.Refusal.Refused():
			return false
		}
	}
	return true
}

// order reserves a unit of each item, looks at the reservation while others take steps on it, and
// ends it.
func order(b *bench, rng *rand.Rand, key string, items []string, pick []int) bool {
	var skus []string
	for _, p := range pick {
		skus = append(skus, items[p])
	}
	a := b.do(reserve(key, skus...))
	if a.Err != nil {
		b.t.Error(a.Err)
	}
	if a.Err != nil || a.Refusal.Refused() {
		return false
	}
	ref := a.Reservation.Ref
	steps := [][]engine.Op{
		{engine.OpRelease}, {engine.OpConfirm, engine.OpCancel}, {engine.OpExtend, engine.OpRelease},
	}[rng.IntN(3)]
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			a := b.do(engine.Command{Op: engine.OpGetReservation, Reservation: ref})
			if a.Err != nil || a.Refusal.Refused() || len(a.Reservation.Lines) != len(skus) {
				b.t.Errorf("%+v", a)
				return
			}
			for _, l := range a.Reservation.Lines {
				if l.LineStatus != a.Reservation.Lines[0].LineStatus {
					b.t.Errorf("half a step is seen: %+v", a.Reservation)
				}
			}
		})
	}
	for i, op := range steps {
		if a := b.do(step(op, fmt.Sprint(key, "/", i), ref)); a.Err != nil || a.Refusal.Refused() {
			b.t.Errorf("%s: %+v", op, a)
		}
	}
	readers.Wait()
	return true
}

// Visits of as many items as there can be, from both ends at once.
func TestVisitsOfAThousandItems(t *testing.T) {
	const skus, visits = engine.LinesMax, 6
	g := newGround(t, true)
	b := start(t, g)
	items := names(skus)
	var puts []engine.Command
	for i, sku := range items {
		puts = append(puts, put(sku))
		if i%2 == 0 {
			puts = append(puts, receive(sku, visits, "receive "+sku))
		} else {
			puts = append(puts, receive(sku, visits-1, "receive "+sku))
		}
	}
	for _, c := range puts {
		b.must(c)
	}
	var wg sync.WaitGroup
	var sold, refused atomic.Int64
	for i := range visits {
		wg.Go(func() {
			order := append([]string(nil), items...)
			if i%2 == 1 {
				for l, r := 0, len(order)-1; l < r; l, r = l+1, r-1 {
					order[l], order[r] = order[r], order[l]
				}
			}
			switch a := b.do(reserve(fmt.Sprint(i), order...)); {
			case a.Err != nil:
				t.Error(a.Err)
			case a.Refusal.Refused():
				refused.Add(1)
				if len(a.Refusal.Lines) != skus/2 {
					t.Errorf("%d lines are named, %d are short", len(a.Refusal.Lines), skus/2)
				}
			default:
				sold.Add(1)
				if a := b.must(engine.Command{Op: engine.OpGetReservation, Reservation: a.Reservation.Ref}); len(a.Reservation.Lines) != skus {
					t.Errorf("%d lines", len(a.Reservation.Lines))
				}
			}
		})
	}
	wg.Wait()
	if sold.Load() != visits-1 || refused.Load() != 1 {
		t.Errorf("%d sold, %d refused", sold.Load(), refused.Load())
	}
	for _, sku := range items {
		if v := b.must(get(sku)).Item; v.Total(engine.Reserved) != visits-1 {
			t.Fatalf("%+v", v)
		}
	}
	b.idle()
	b.close()
}

// What one visit does is decided on all states at one time: a batch sees its own earlier commands.
func TestABatchSeesItself(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	a := <-b.batch(put("A"), receive("A", 2, "r"), reserve("o", "A"), reserve("o2", "A"))
	for _, a := range a {
		if a.Err != nil || a.Refusal.Refused() {
			t.Fatalf("%+v", a)
		}
	}
	before := g.Last()
	a = <-b.batch(receive("A", 1, "r2"), reserve("o3", "A"), reserve("o4", "A"), receive("A", 5, "r3"))
	for i, want := range []engine.Code{engine.LinkedLineFailed, engine.LinkedLineFailed, engine.InsufficientStock, engine.LinkedLineFailed} {
		if a[i].Refusal.Code != want {
			t.Errorf("%d: %+v", i, a[i])
		}
	}
	if g.Last() != before {
		t.Error("a refused batch is in the log")
	}
	b.agree("A")
	b.close()
}
