package actors_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

func hold(key, sku string, ttl time.Duration) engine.Command {
	return engine.Command{Op: engine.OpReserve, Key: key, TTL: ttl.Milliseconds(), Lines: []engine.Line{{SKU: sku, Quantity: 1}}}
}

// expiries lists the expiry acts of the log.
func (g *ground) expiries(yield func(r *engine.Record, act *engine.Act)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, l := range g.records {
		for i := range l.record.Acts {
			if l.record.Acts[i].Op == engine.OpExpire {
				yield(l.record, &l.record.Acts[i])
			}
		}
	}
}

// Every hold expires in its millisecond, in memory or not, and through a restart.
func TestHoldsExpireInTheirMillisecond(t *testing.T) {
	seed := drawSeed(t)
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		const holds = 400
		g := newGround(t, true)
		passivate := limits(actors.Limits{IdleAfter: time.Second})
		b := start(t, g, passivate)
		items := names(40)
		for _, sku := range items {
			b.stocked(sku, holds)
		}
		want := 0
		for i := range holds {
			ttl := time.Duration(1+rng.IntN(30*60_000)) * time.Millisecond
			b.must(hold(fmt.Sprint(i), items[rng.IntN(len(items))], ttl))
			want++
			if i%50 == 49 {
				time.Sleep(time.Duration(rng.IntN(20)) * time.Second)
				if err := b.Save(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
		time.Sleep(time.Minute)
		if b.Resident() > 30 {
			t.Errorf("%d items are in memory: none was passivated", b.Resident())
		}
		for range 3 {
			b.close()
			b = start(t, g, passivate)
			for range 20 {
				time.Sleep(time.Duration(20+rng.IntN(20)) * time.Second)
				if err := b.Save(context.Background()); err != nil {
					t.Error(err)
				}
			}
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		got, last := 0, engine.Time(0)
		g.expiries(func(r *engine.Record, act *engine.Act) {
			got++
			if r.Time != act.ExpiresAt {
				t.Errorf("due at %d, expired at %d", act.ExpiresAt, r.Time)
			}
			if r.Time < last {
				t.Errorf("expired at %d after one at %d", r.Time, last)
			}
			last = r.Time
		})
		if got != want {
			t.Errorf("%d of %d holds expired", got, want)
		}
		if n := b.gauge("skua_deadlines_pending"); n != 0 {
			t.Errorf("%v deadlines are pending, nothing is held", n)
		}
		b.close()
	})
}

// An item that always has holds has few deadlines in the wheel, however long it goes on.
func TestTicksDoNotMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 1_000_000)
		early := 0.0
		for second := range 1200 {
			b.must(hold(fmt.Sprint("long ", second), "A", 10*time.Minute))
			b.must(hold(fmt.Sprint("short ", second), "A", time.Duration(30+second%7)*time.Second))
			if second%10 == 0 {
				if err := b.Save(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second)
			if second == 200 {
				early = b.gauge("skua_deadlines_pending")
			}
		}
		if n := b.gauge("skua_deadlines_pending"); n > early+5 {
			t.Errorf("%v deadlines are pending for one item, there were %v long before", n, early)
		}
		b.close()
	})
}

// When very many items that are not in memory fall due together, and take long to load, commands
// go on: what is on its way for expiry is bounded, and does not count against them for long.
func TestManyDeadlinesDoNotCrowdOutCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cold, room = 20_000, 4000
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{InFlight: room, IdleAfter: time.Minute}))
		due := time.Now().Add(time.Hour)
		for _, sku := range names(cold) {
			b.do(put(sku))
			b.do(receive(sku, 1, "r"))
			b.do(hold("h", sku, time.Until(due)))
		}
		b.stocked("busy", 10)
		if err := b.Save(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(due) - time.Second)
		if n := b.Resident(); n != 0 {
			t.Fatalf("%d items are in memory", n)
		}
		b.must(get("busy"))
		gate := make(chan struct{})
		g.set(func() { g.onLoad = func(string) error { <-gate; return nil } })
		time.Sleep(time.Second)
		synctest.Wait()
		if n := b.gauge("skua_commands_in_flight"); n == 0 || n > room/2 {
			t.Errorf("%v ticks are in flight", n)
		}
		for i := range 1000 {
			b.must(receive("busy", 1, fmt.Sprint("while ", i)))
		}
		close(gate)
		synctest.Wait()
		n := 0
		g.expiries(func(*engine.Record, *engine.Act) { n++ })
		if n != cold {
			t.Errorf("%d of %d expired", n, cold)
		}
		b.close()
	})
}

// Very many holds of one item that fall due together are one record before anything else is
// decided; commands that come then are answered within a bounded number of records.
func TestManyHoldsOfOneItemDoNotHoldUpCommands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const holds = 20_000
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", holds)
		due := time.Now().Add(time.Hour)
		for i := range holds {
			b.do(hold(fmt.Sprint(i), "A", time.Until(due)))
		}
		time.Sleep(time.Until(due))
		before := g.Last()
		if a := b.must(engine.Command{Op: engine.OpReserve, Key: "all", Lines: []engine.Line{{SKU: "A", Quantity: holds}}}); a.Reservation.State != engine.Active {
			t.Errorf("%+v", a)
		}
		// The wheel's ticks come in between, a piece each; all of them would be 79.
		if n := g.Last() - before; n > 40 {
			t.Errorf("%d records until the answer", n)
		}
		synctest.Wait()
		n := 0
		g.expiries(func(*engine.Record, *engine.Act) { n++ })
		if n != holds {
			t.Errorf("%d of %d were written out", n, holds)
		}
		b.agree("A")
		b.close()
	})
}

// A reservation over several items is looked at while its home, which has very many holds to write
// out, still has it, and the others have not: it is expired, whole.
func TestAReservationThatIsBeingWrittenOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, home := range []string{"A", "B"} {
			g := newGround(t, true)
			var ahead atomic.Int64 // Leaps of the clock that the wheel's timer does not see.
			b := start(t, g, func(c *actors.Config) {
				c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			})
			b.stocked("A", 1000)
			b.stocked("B", 1000)
			for i := range 600 {
				b.must(hold(fmt.Sprint(i), home, time.Hour))
			}
			both := reserve("both", "A", "B")
			ref := b.must(both).Reservation.Ref
			ahead.Store(int64(time.Hour))
			for range 2 {
				if a := b.do(engine.Command{Op: engine.OpGetReservation, Reservation: ref}); a.Err != nil || a.Reservation.State != engine.Expired {
					t.Errorf("many at %s: %v %+v %+v", home, a.Err, a.Refusal, a.Reservation)
				}
				if a := b.do(step(engine.OpConfirm, "late", ref)); a.Refusal.Code != engine.ReservationExpired {
					t.Errorf("many at %s: %+v", home, a)
				}
				time.Sleep(time.Hour)
			}
			b.agree("A")
			b.agree("B")
			b.close()
		}
	})
}

// An item that goes from memory and comes back again and again leaves no deadline each time.
func TestDeadlineOfAnItemThatComesAndGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{IdleAfter: time.Second}))
		b.stocked("A", 5)
		b.must(engine.Command{Op: engine.OpReserve, Key: "due", TTL: 3600_000, Lines: []engine.Line{{SKU: "A", Quantity: 2}}})
		for range 50 {
			if err := b.Save(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Second)
			if b.Resident() != 0 {
				t.Fatal("not passivated")
			}
			b.must(get("A"))
		}
		if n := b.gauge("skua_deadlines_pending"); n > 2 {
			t.Errorf("%v deadlines of one hold", n)
		}
		b.close()
	})
}
