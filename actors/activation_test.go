package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// However many want a SKU first, it is loaded once, and each gets its turn.
func TestManyFirstUsesLoadOnce(t *testing.T) {
	const clients = 10_000
	g := newGround(t, true)
	b := start(t, g)
	b.must(put("A"))
	b.close()
	gate := make(chan struct{})
	g.set(func() { g.loads = make(map[string]int); g.onLoad = func(string) error { <-gate; return nil } })
	b = start(t, g)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			if a := b.do(receive("A", 1, fmt.Sprint(i))); a.Err != nil || a.Refusal.Refused() {
				t.Errorf("%+v", a)
			}
		})
	}
	close(gate)
	wg.Wait()
	if n := b.onHand("A"); n != clients {
		t.Errorf("%d on hand, want %d", n, clients)
	}
	if n := g.loads["A"]; n != 1 {
		t.Errorf("loaded %d times", n)
	}
	b.close()
}

// Asking for names that do not exist costs nothing that stays: no item in memory, no actor.
func TestUnknownItemsLeaveNothing(t *testing.T) {
	const unknown, clients = 200_000, 16
	g := newGround(t, true)
	b := start(t, g)
	actorsBefore := b.Actors()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := range unknown / clients {
				sku := fmt.Sprint("nobody", i%(unknown/clients/2)+c*unknown) // Each twice.
				cmd := get(sku)
				switch i % 5 {
				case 0:
					cmd = receive(sku, 1, "k")
				case 1:
					cmd = reserve("k", sku, sku+"'s friend")
				}
				if a := b.do(cmd); a.Refusal.Code != engine.ItemNotFound {
					t.Errorf("%+v", a)
				}
			}
		})
	}
	wg.Wait()
	// The last turns end just after their answers.
	for n := 0; b.Resident() != 0 || b.Actors() != actorsBefore; n++ {
		if n > 10_000 {
			t.Fatalf("%d items and %d actors are left", b.Resident(), b.Actors()-actorsBefore)
		}
		time.Sleep(time.Millisecond)
	}
	b.idle()
	b.close()
}

// A visit that is refused halfway leaves nothing of the items that it had asked for already.
func TestARefusedVisitLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		g.onLoad = func(string) error { time.Sleep(time.Second); return nil }
		b := start(t, g, limits(actors.Limits{InFlight: 10}))
		before := b.Actors()
		if a := b.do(reserve("k", names(20)...)); !errors.Is(a.Err, engine.ErrOverloaded) {
			t.Errorf("%+v", a)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.Resident() != 0 || b.Actors() != before {
			t.Errorf("%d items and %d actors are left", b.Resident(), b.Actors()-before)
		}
		b.idle()
		b.close()
	})
}

// An item that cannot be read is answered for as such, and tried again by the next who asks.
func TestLoadErrorsAreAnsweredAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 5)
		hold := b.must(engine.Command{Op: engine.OpReserve, Key: "h", TTL: 60_000, Lines: []engine.Line{{SKU: "A", Quantity: 2}}})
		b.close()
		g.set(func() { g.onLoad = func(string) error { return errBroken } })
		b = start(t, g)
		for range 3 {
			for _, c := range []engine.Command{get("A"), receive("A", 1, "k"), reserve("k", "A", "B"), step(engine.OpConfirm, "k", hold.Reservation.Ref)} {
				if a := b.do(c); !errors.Is(a.Err, engine.ErrUnavailable) || !errors.Is(a.Err, errBroken) {
					t.Errorf("%+v", a)
				}
			}
			synctest.Wait()
			if b.Resident() != 0 {
				t.Errorf("%d items are in memory", b.Resident())
			}
		}
		// The hold falls due while it cannot be read, and expires when it can.
		time.Sleep(2 * time.Minute)
		g.set(func() { g.onLoad = nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := g.settled("A"); s.Holds() != 0 {
			t.Errorf("%d holds are left", s.Holds())
		}
		b.agree("A")
		b.close()
	})
}

// TestWhatChangedStays: an item that nobody uses stays in memory until its state is in the snapshots.
func TestWhatChangedStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{IdleAfter: time.Second}))
		b.must(put("A"))
		b.must(receive("A", 7, "k"))
		time.Sleep(time.Minute)
		if n := b.gauge("skua_items_passivated_total"); n != 0 {
			t.Errorf("%v items were passivated, and nothing is in the snapshots", n)
		}
		if err := b.Save(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := b.gauge("skua_items_passivated_total"); n != 1 {
			t.Errorf("%v items were passivated, of 1 that was saved", n)
		}
		if n := b.onHand("A"); n != 7 {
			t.Errorf("%d on hand", n)
		}
		b.close()
	})
}

// Under a storm of activations and passivations no change is lost, and no SKU is there twice: the
// ground notices a record that does not follow the item's last one.
func TestPassivationStorm(t *testing.T) {
	seed := drawSeed(t)
	synctest.Test(t, func(t *testing.T) {
		const clients, skus, rounds = 40, 60, 400
		g := newGround(t, true)
		g.onLoad = func(string) error { time.Sleep(3 * time.Millisecond); return nil }
		g.onSave = func(string) error { time.Sleep(time.Millisecond); return nil }
		b := start(t, g, limits(actors.Limits{Resident: 10, IdleAfter: time.Second}))
		items := names(skus)
		for _, sku := range items {
			b.must(put(sku))
		}
		var wg sync.WaitGroup
		var received [skus]atomic.Int64
		for client := range clients {
			rng := rand.New(rand.NewPCG(seed, uint64(client)))
			wg.Go(func() {
				for i := range rounds {
					n := rng.IntN(skus)
					key := fmt.Sprint(client, "-", i)
					var a engine.Answer
					switch rng.IntN(4) {
					case 0:
						a = b.do(get(items[n]))
					case 1:
						a = b.do(reserve(key, items[n], items[rng.IntN(skus)]))
						if a.Refusal.Code == engine.InsufficientStock || a.Refusal.Code == engine.ItemNotStockedAtLocation {
							a = engine.Answer{}
						}
					default:
						received[n].Add(1)
						a = b.do(receive(items[n], 1, key))
					}
					if a.Err != nil || a.Refusal.Refused() {
						t.Errorf("%+v", a)
					}
					time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
				}
			})
		}
		done := make(chan struct{})
		go func() {
			for {
				select {
				case <-done:
					return
				case <-time.After(3 * time.Second):
				}
				if err := b.Save(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}()
		wg.Wait()
		close(done)
		if n := b.gauge("skua_items_passivated_total"); n < skus {
			t.Errorf("only %v items were passivated: this was no storm", n)
		}
		for i, sku := range items {
			if n := b.onHand(sku); n != received[i].Load() {
				t.Errorf("%s: %d on hand, %d received", sku, n, received[i].Load())
			}
			b.agree(sku)
		}
		b.idle()
		b.close()
	})
}

// Nothing is read from the snapshots once Close has returned; under -race, no read is counted in while Close
// waits for those that are.
func TestNothingIsReadAfterClose(t *testing.T) {
	bad := 0
	for round := range 100 {
		g := newGround(t, true)
		b := start(t, g)
		var closed, after atomic.Bool
		g.onLoad = func(string) error {
			if closed.Load() {
				after.Store(true)
			}
			return nil
		}
		var wg sync.WaitGroup
		quit := make(chan struct{})
		for w := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-quit:
						return
					default:
					}
					c := engine.Command{Op: engine.OpGetItem, SKU: fmt.Sprintf("%d-%d-%d", round, w, i)}
					b.Submit(&c, func(*engine.Answer) {})
				}
			})
		}
		b.Close()
		closed.Store(true)
		close(quit)
		wg.Wait()
		if after.Load() {
			bad++
		}
	}
	if bad > 0 {
		t.Errorf("in %d of 100 rounds something was read after Close", bad)
	}
}
