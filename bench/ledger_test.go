package bench

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skua-stock/skua/engine"
)

// bookkeeper accepts everything and does what it is told to one sum of all items.
type bookkeeper struct {
	mu    sync.Mutex
	units map[engine.ReservationRef]int64
	books Books
	// forget has it lose every so many-th reservation that it acknowledged; zero is none.
	forget, n int
}

func (b *bookkeeper) Start(c *engine.Command, done func(error)) {
	b.mu.Lock()
	switch c.Op {
	case engine.OpReserve:
		b.n++
		c.Reservation = engine.ReservationRef{Home: "R", Nonce: uint64(b.n)}
		if c.TTL == LapseTTL || b.forget > 0 && b.n%b.forget == 0 {
			break // It is over by the time that anybody looks, or should not be.
		}
		b.units[c.Reservation] = int64(len(c.Lines))
		b.books.Held += int64(len(c.Lines))
	case engine.OpRelease:
		b.books.Held -= b.units[c.Reservation]
	case engine.OpFulfill:
		b.books.Held -= b.units[c.Reservation]
		b.books.OnHand -= b.units[c.Reservation]
	}
	b.mu.Unlock()
	time.AfterFunc(time.Millisecond, func() { done(nil) })
}

// TestLedger: what the loops count as acknowledged, warm-up and end included, is what was done.
func TestLedger(t *testing.T) {
	for _, name := range []string{"uniform", "order", "life", "mixed"} {
		for _, forget := range []int{0, 100} {
			synctest.Test(t, func(t *testing.T) {
				w, err := Find(name)
				if err != nil {
					t.Fatal(err)
				}
				w.SKUs = 10
				b := &bookkeeper{units: map[engine.ReservationRef]int64{}, books: Books{OnHand: 10 * Stock}, forget: forget}
				var told Ledger
				for range 2 {
					r, err := Run(t.Context(), b, Plan{Workload: w, Workers: 2, Window: 20, Warmup: 100 * time.Millisecond, Length: 300 * time.Millisecond}, func(bool) {})
					if err != nil {
						t.Fatal(err)
					}
					told.Add(r.Told)
				}
				if told.Reserved < 4000 { // 20 in flight, each for a millisecond, for 0.8 s; less than half are steps.
					t.Fatalf("%s: only %d units were reserved", name, told.Reserved)
				}
				if err := told.Check(b.books, w); (err != nil) != (forget > 0) {
					t.Errorf("%s, forgetting one in %d: %v", name, forget, err)
				}
			})
		}
	}
}
