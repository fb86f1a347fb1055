package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/skua-stock/skua/engine"
)

// Plan is how a run is done: closed loop, so many in flight, for so long.
type Plan struct {
	Workload Workload
	// Workers share Window commands in flight.
	Workers, Window int
	Warmup, Length  time.Duration
	// Name makes the keys of the run different from those of others.
	Name string
	// Progress, when set, hears now and then how much of the run is done.
	Progress func(done float64)
}

// Result is what a run took.
type Result struct {
	Operations int64         `json:"operations"`
	Failed     int64         `json:"failed"`
	Seconds    float64       `json:"seconds"`
	Rate       float64       `json:"rate"`
	P50, P99   time.Duration `json:"-"`
	P50us      float64       `json:"p50_us"`
	P99us      float64       `json:"p99_us"`
}

// slot is one place of the window.
type slot struct {
	cmd     engine.Command
	started time.Time
	done    func(error)
}

// worker keeps its part of the window in flight.
type worker struct {
	driver  Driver
	source  *source
	free    chan *slot
	measure atomic.Bool
	mu      sync.Mutex // over what follows: answers come on any goroutine
	hist    *hdrhistogram.Histogram
	ops     int64
	failed  int64
	err     error
}

// Run does a plan. The items must be there.
func Run(ctx context.Context, d Driver, p Plan, mark func(begins bool)) (Result, error) {
	names := make([]string, p.Workload.SKUs)
	for i := range names {
		names[i] = SKU(i)
	}
	workers := make([]*worker, p.Workers)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range workers {
		w := newWorker(d, newSource(p.Workload, names, p.Name, i), max(1, p.Window/p.Workers))
		workers[i] = w
		wg.Go(func() { w.run(stop) })
	}
	wait(ctx, p.Warmup, nil)
	mark(true)
	began := time.Now()
	for _, w := range workers {
		w.measure.Store(true)
	}
	wait(ctx, p.Length, p.Progress)
	for _, w := range workers {
		w.measure.Store(false)
	}
	length := time.Since(began)
	mark(false)
	close(stop)
	wg.Wait()
	return sum(workers, length)
}

func wait(ctx context.Context, d time.Duration, progress func(float64)) {
	tick := time.NewTicker(100 * time.Millisecond)
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

func newWorker(d Driver, s *source, window int) *worker {
	w := &worker{
		driver: d, source: s, free: make(chan *slot, window),
		hist: hdrhistogram.New(1, latencyMax.Nanoseconds(), latencyDigits),
	}
	for range window {
		sl := &slot{}
		sl.done = func(err error) { w.answered(sl, err) }
		w.free <- sl
	}
	return w
}

func (w *worker) run(stop chan struct{}) {
	for {
		select {
		case <-stop:
			w.drain()
			return
		case sl := <-w.free:
			w.source.next(&sl.cmd)
			sl.started = time.Now()
			w.driver.Start(&sl.cmd, sl.done)
		}
	}
}

// drain waits for what is in flight.
func (w *worker) drain() {
	timeout := time.After(answerWait)
	for range cap(w.free) {
		select {
		case <-w.free:
		case <-timeout:
			w.mu.Lock()
			w.err = errors.New("an answer never came")
			w.mu.Unlock()
			return
		}
	}
}

func (w *worker) answered(sl *slot, err error) {
	took := time.Since(sl.started)
	w.mu.Lock()
	if err != nil {
		w.failed++
		w.err = err
	} else if w.measure.Load() {
		w.ops++
		_ = w.hist.RecordValue(min(took, latencyMax).Nanoseconds()) // In range by min.
	}
	w.mu.Unlock()
	w.free <- sl
}

func sum(workers []*worker, length time.Duration) (Result, error) {
	all := hdrhistogram.New(1, latencyMax.Nanoseconds(), latencyDigits)
	r := Result{Seconds: length.Seconds()}
	var err error
	for _, w := range workers {
		w.mu.Lock()
		all.Merge(w.hist)
		r.Operations += w.ops
		r.Failed += w.failed
		err = errors.Join(err, w.err)
		w.mu.Unlock()
	}
	r.Rate = float64(r.Operations) / r.Seconds
	r.P50, r.P99 = time.Duration(all.ValueAtQuantile(50)), time.Duration(all.ValueAtQuantile(99))
	r.P50us, r.P99us = float64(r.P50)/1e3, float64(r.P99)/1e3
	if r.Failed > 0 {
		return r, fmt.Errorf("%d commands were not accepted, among them: %w", r.Failed, err)
	}
	return r, err
}

// Prepare makes the items of a workload and waits until all are there.
func Prepare(d Driver, w Workload, run string) error {
	window := make(chan struct{}, seedWindow)
	var mu sync.Mutex
	var failed error
	// The driver may run later commands of one item first, so the items come before the stock.
	for _, op := range []engine.Op{engine.OpPutItem, engine.OpReceive} {
		w.Seed(run, func(c engine.Command) {
			if c.Op != op {
				return
			}
			window <- struct{}{}
			d.Start(&c, func(err error) {
				if err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
				<-window
			})
		})
		for range seedWindow {
			window <- struct{}{}
		}
		for range seedWindow {
			<-window
		}
	}
	return failed
}
