package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Plan is how a run is done.
type Plan struct {
	Workload Workload
	// Workers share Window commands in flight.
	Workers, Window int
	// Rate makes the loop an open one: so many operations a second fall due, on a fixed schedule,
	// whatever became of those before. Zero is a closed loop: one more is started for each answer.
	Rate           float64
	Warmup, Length time.Duration
	// Name makes the keys of the run different from those of others.
	Name string
	// Progress, when set, hears now and then how much of the run is done.
	Progress func(done float64)

	// pause is how a worker of an open loop waits; pauseShort by default.
	pause func(time.Duration)
}

// run is what the workers of one run share.
type run struct {
	zero    time.Time
	stopped atomic.Bool
	// begins and ends bound the time that counts, in nanoseconds since zero.
	begins, ends atomic.Int64
	pause        func(time.Duration)
}

// now is the time since the run began. It is read twice an operation, and this is the cheapest clock.
func (r *run) now() time.Duration { return time.Since(r.zero) }

// counts reports whether a moment is in the time that is measured.
func (r *run) counts(t time.Duration) bool {
	return int64(t) >= r.begins.Load() && int64(t) < r.ends.Load()
}

// Run does a plan. The items must be there. mark is called when the time that counts begins and
// when it ends.
func Run(ctx context.Context, d Driver, p Plan, mark func(begins bool)) (*Result, error) {
	r := &run{pause: p.pause}
	if r.pause == nil {
		r.pause = pauseShort
	}
	r.begins.Store(math.MaxInt64)
	r.ends.Store(math.MaxInt64)
	workers := make([]*worker, p.Workers)
	sources := newSources(p.Workload, p.Name, p.Workers)
	for i, s := range sources {
		window := p.Window / p.Workers
		if i < p.Window%p.Workers {
			window++
		}
		workers[i] = newWorker(r, lane(d, i, p.Workers), s, max(1, window))
	}
	r.zero = time.Now() // After all that took time, so that an open loop begins without a backlog.
	var wg sync.WaitGroup
	for i, w := range workers {
		wg.Go(func() {
			if p.Rate > 0 {
				w.open(p.Rate, i, p.Workers)
			} else {
				w.closed()
			}
		})
	}
	wait(ctx, p.Warmup, nil)
	mark(true) // The load goes on meanwhile, so what it counts it has to look at last, and first at the end.
	began := r.now()
	r.begins.Store(int64(began))
	wait(ctx, p.Length, p.Progress)
	ended := r.now()
	r.ends.Store(int64(ended))
	mark(false)
	r.stopped.Store(true)
	for _, w := range workers {
		w.answers.rouse()
	}
	wg.Wait()
	res, err := sum(workers, ended-began)
	res.Offered = p.Rate
	for _, s := range sources {
		res.Told.Add(s.told)
	}
	return res, errors.Join(err, ctx.Err())
}

// lane is the driver as one worker of n sees it.
func lane(d Driver, i, n int) Driver {
	if l, ok := d.(Laned); ok {
		return l.Lane(i, n)
	}
	return d
}

func wait(ctx context.Context, d time.Duration, progress func(float64)) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	began := time.Now()
	end := time.NewTimer(d)
	defer end.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-end.C:
			return
		case <-tick.C:
			if progress != nil {
				progress(min(1, float64(time.Since(began))/float64(d)))
			}
		}
	}
}

func sum(workers []*worker, length time.Duration) (*Result, error) {
	t := newTally()
	for _, w := range workers {
		t.add(&w.tally)
	}
	r := t.result(length)
	if t.failed > 0 {
		return r, fmt.Errorf("%d commands were not accepted, among them: %w", t.failed, t.err)
	}
	return r, t.err
}
