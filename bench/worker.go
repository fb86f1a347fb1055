package bench

import (
	"errors"
	"time"

	"github.com/skua-stock/skua/engine"
)

// feed makes commands; it reports whether there was one more.
type feed interface {
	next(*slot) bool
	accepted(*slot)
}

// worker keeps its part of the window busy. All of it is its goroutine's alone, but the answers.
type worker struct {
	run     *run
	driver  Driver
	flush   func()
	feed    feed
	idle    []*slot
	size    int
	answers answers
	tally   tally
	over    bool // the feed has no more
}

func newWorker(r *run, d Driver, f feed, window int) *worker {
	w := &worker{run: r, driver: d, flush: func() {}, feed: f, size: window, tally: *newTally()}
	w.answers.wake = make(chan struct{}, 1)
	if fl, ok := d.(Flusher); ok {
		w.flush = fl.Flush
	}
	slots := make([]slot, window)
	for i := range slots {
		sl := &slots[i]
		sl.done = func(err error) {
			sl.ended, sl.err = w.run.now(), err
			w.answers.put(sl)
		}
		w.idle = append(w.idle, sl)
	}
	return w
}

// closed starts a command for every answer.
func (w *worker) closed() {
	for !w.run.stopped.Load() && !w.over {
		for len(w.idle) > 0 && w.start(w.run.now()) {
		}
		w.flush()
		if !w.collect() && len(w.idle) < w.size {
			w.answers.sleep(w.run.stopped.Load, nil)
			w.collect()
		}
	}
	w.drain()
}

// open starts commands when they fall due. Worker i of n has every n-th. Their latency counts from
// when they were due, not from when they were sent: a pause of the engine is felt by all that
// would have come in it. What falls due while the whole window waits for answers is missed, and
// counted as that.
func (w *worker) open(rate float64, i, n int) {
	gap := float64(time.Second) / rate * float64(n)
	first := float64(time.Second) / rate * float64(i)
	due := func(k int64) time.Duration { return time.Duration(first + gap*float64(k)) }
	k := int64(0)
	for !w.run.stopped.Load() {
		w.collect()
		now := w.run.now()
		if late := int64((float64(now)-first)/gap) + 1 - k - int64(len(w.idle)); late > 0 {
			w.tally.miss(w.run, due(k), due(k+late-1), late)
			k += late
		}
		for n := 0; due(k) <= now && len(w.idle) > 0 && n < burst; n++ {
			w.start(due(k))
			k++
		}
		w.flush()
		if len(w.idle) == 0 {
			w.answers.sleep(w.run.stopped.Load, nil)
		} else if gap := due(k) - w.run.now(); gap > 0 {
			w.run.pause(max(gap, tick))
		}
	}
	if ends := time.Duration(w.run.ends.Load()); due(k) < ends { // What it did not come to.
		w.tally.miss(w.run, due(k), ends, int64(float64(ends-due(k))/gap)+1)
	}
	w.drain()
}

// start starts one command, and reports whether there was one.
func (w *worker) start(began time.Duration) bool {
	sl := w.idle[len(w.idle)-1]
	if !w.feed.next(sl) {
		w.over = true
		return false
	}
	w.idle = w.idle[:len(w.idle)-1]
	sl.began = began
	w.driver.Start(&sl.cmd, sl.done)
	return true
}

// collect takes the answers that came, and reports whether there were any.
func (w *worker) collect() bool {
	sl := w.answers.take()
	if sl == nil {
		return false
	}
	for sl != nil {
		next := sl.next
		sl.next = nil
		if sl.err == nil {
			w.feed.accepted(sl)
		}
		w.tally.answered(w.run, sl)
		w.idle = append(w.idle, sl)
		sl = next
	}
	return true
}

// errSilent is what a run ends with when the engine did not answer everything.
var errSilent = errors.New("an answer never came")

// drain waits for what is in flight.
func (w *worker) drain() {
	timeout := time.NewTimer(answerWait)
	defer timeout.Stop()
	for {
		w.flush()
		w.collect()
		if len(w.idle) == w.size {
			return
		}
		if !w.answers.sleep(func() bool { return false }, timeout.C) {
			w.tally.err = errSilent
			return
		}
	}
}

func overloaded(err error) bool {
	return err == engine.ErrOverloaded || errors.Is(err, engine.ErrOverloaded) //nolint:errorlint // The first is what it nearly always is.
}
