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

// TestSaves: a snapshot before the run is none of it, one that is seen twice is one.
func TestSaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		// They are completed 0.5, 2 and 4.5 s after the beginning.
		saved := func() (int64, error) {
			switch d := time.Since(began); {
			case d < 500*time.Millisecond:
				return 10, nil
			case d < 2*time.Second:
				return 20, nil
			case d < 4500*time.Millisecond:
				return 30, nil
			}
			return 40, nil
		}
		target := &Target{Driver: &answering{after: in(time.Millisecond)}, Saved: saved, Dir: t.TempDir()}
		p := Plan{Workload: Workload{SKUs: 1, Lines: 1}, Workers: 1, Window: 1, Warmup: time.Second, Length: 4 * time.Second, pause: time.Sleep}
		r, err := Measure(t.Context(), target, p)
		if err != nil {
			t.Fatal(err)
		}
		if r.Snapshots != 2 {
			t.Errorf("%d snapshots were seen in the time that counts, want 2", r.Snapshots)
		}
	})
}
