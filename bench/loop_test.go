package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skua-stock/skua/engine"
)

// answering is a driver with a mind of its own: what comes of each command, and when.
type answering struct {
	inFlight, most atomic.Int64
	// after says when an answer comes, counted from now, and what it is.
	after func() (time.Duration, error)
	// stall is called on the worker's goroutine.
	stall func()
}

func (d *answering) Start(_ *engine.Command, done func(error)) {
	n := d.inFlight.Add(1)
	for most := d.most.Load(); n > most && !d.most.CompareAndSwap(most, n); most = d.most.Load() {
	}
	if d.stall != nil {
		d.stall()
	}
	wait, err := d.after()
	time.AfterFunc(wait, func() {
		d.inFlight.Add(-1)
		done(err)
	})
}

func in(d time.Duration) func() (time.Duration, error) {
	return func() (time.Duration, error) { return d, nil }
}

func try(t *testing.T, d Driver, p Plan) *Result {
	t.Helper()
	w, err := Find("uniform")
	if err != nil {
		t.Fatal(err)
	}
	w.SKUs = 10
	p.Workload, p.Name, p.pause = w, "test", time.Sleep
	r, err := Run(t.Context(), d, p, func(bool) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestClosedLoop: the window is full all the time and never more than full.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &answering{after: in(10 * time.Millisecond)}
		r := try(t, d, Plan{Workers: 3, Window: 30, Warmup: time.Second, Length: time.Second})
		if got := d.most.Load(); got != 30 {
			t.Errorf("%d in flight, want 30", got)
		}
		if n := d.inFlight.Load(); n != 0 {
			t.Errorf("%d in flight after the end", n)
		}
		if r.Operations < 2900 || r.Operations > 3100 { // 30 in flight, each for a hundredth of a second.
			t.Errorf("%d operations, want about 3000", r.Operations)
		}
		if r.P50 < 9_900 || r.P50 > 10_100 {
			t.Errorf("p50 is %v µs, want 10000", r.P50)
		}
	})
}

// TestOpenLoopFeelsStalls: an engine that takes nothing for 100 ms is felt by all that fell due
// meanwhile, though only one command was on its way. A closed loop would have had one bad answer.
func TestOpenLoopFeelsStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, stalled := time.Now(), false
		d := &answering{after: in(time.Millisecond), stall: func() {
			if !stalled && time.Since(began) > 1500*time.Millisecond {
				stalled = true
				time.Sleep(100 * time.Millisecond)
			}
		}}
		r := try(t, d, Plan{Workers: 1, Window: 1000, Rate: 1000, Warmup: time.Second, Length: time.Second})
		if r.Operations < 990 || r.Operations > 1010 || r.Missed != 0 {
			t.Errorf("%d operations and %d missed, want 1000 and 0", r.Operations, r.Missed)
		}
		if r.P50 > 1100 {
			t.Errorf("p50 is %v µs, want 1000", r.P50)
		}
		// A tenth of all came in the stall, and waited 50 ms on average.
		if r.P99 < 85_000 || r.Max < 99_000 {
			t.Errorf("p99 is %v µs and the longest %v µs: the stall is not felt", r.P99, r.Max)
		}
		if r.P90 < 1000 || r.P90 > 15_000 {
			t.Errorf("p90 is %v µs: the stall is felt by more than a tenth", r.P90)
		}
	})
}

// TestOpenLoopMisses: what falls due while the window is full is counted, not sent.
func TestOpenLoopMisses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &answering{after: in(100 * time.Millisecond)}
		r := try(t, d, Plan{Workers: 1, Window: 10, Rate: 1000, Warmup: time.Second, Length: 10 * time.Second})
		if d.most.Load() != 10 {
			t.Errorf("%d in flight, want 10", d.most.Load())
		}
		if r.Operations < 950 || r.Operations > 1050 || r.Missed < 8900 || r.Missed > 9100 {
			t.Errorf("%d operations and %d missed, want about 1000 and 9000", r.Operations, r.Missed)
		}
	})
}

// TestOpenLoopOutrun: a worker that cannot even start what is due counts the rest as missed.
func TestOpenLoopOutrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &answering{after: in(time.Millisecond), stall: func() { time.Sleep(10 * time.Millisecond) }}
		r := try(t, d, Plan{Workers: 1, Window: 10, Rate: 10_000, Warmup: time.Second, Length: 10 * time.Second})
		if r.Operations < 950 || r.Operations > 1050 || r.Missed < 98_000 || r.Missed > 100_000 {
			t.Errorf("%d operations and %d missed, want about 1000 and 99000", r.Operations, r.Missed)
		}
	})
}

// TestRefusals: too much load is not a failure, and nothing else is forgiven.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		d := &answering{after: func() (time.Duration, error) {
			if n++; n%4 == 0 {
				return time.Millisecond, engine.ErrOverloaded
			}
			return time.Millisecond, nil
		}}
		r := try(t, d, Plan{Workers: 1, Window: 1, Warmup: time.Millisecond, Length: time.Second})
		if r.Failed != 0 || r.Overloaded < 240 || r.Overloaded > 260 || r.Operations < 740 || r.Operations > 760 {
			t.Errorf("%d done, %d refused, %d failed; want 750, 250, 0", r.Operations, r.Overloaded, r.Failed)
		}
	})
	broken := errors.New("broken")
	synctest.Test(t, func(t *testing.T) {
		d := &answering{after: func() (time.Duration, error) { return time.Millisecond, broken }}
		p := Plan{Workload: Workload{SKUs: 1, Lines: 1}, Workers: 1, Window: 1, Length: time.Second}
		if _, err := Run(t.Context(), d, p, func(bool) {}); !errors.Is(err, broken) {
			t.Errorf("the run ends with %v, want %v", err, broken)
		}
	})
}

// TestSilence: an answer that never comes ends the run with an error, not never.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &answering{after: in(time.Hour)}
		p := Plan{Workload: Workload{SKUs: 1, Lines: 1}, Workers: 2, Window: 2, Length: time.Second}
		if _, err := Run(t.Context(), d, p, func(bool) {}); !errors.Is(err, errSilent) {
			t.Errorf("the run ends with %v, want %v", err, errSilent)
		}
	})
}

// TestInterrupted: a run that is told to end does.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := &answering{after: in(time.Millisecond)}
		began := time.Now()
		p := Plan{Workload: Workload{SKUs: 1, Lines: 1}, Workers: 2, Window: 2, Length: time.Hour}
		if _, err := Run(ctx, d, p, func(bool) {}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the run ends with %v", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
