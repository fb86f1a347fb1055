package actors

import (
	"container/heap"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
)

// wheel ticks SKUs when their next hold falls due. It is one heap and one timer for the node: a
// timer a hold would be neither cheap nor reproducible. It only wakes; whether anything is due is
// for the SKU's turn to say, so that a tick too many harms nothing.
type wheel struct {
	sys  *System
	mu   sync.Mutex
	heap deadlineHeap
	// again are the deadlines of the heap that came with items that were loaded: one that goes from memory and
	// comes back has the same each time.
	again map[deadline]struct{}
	wake  chan struct{}
	// ticks has a place for every tick on its way.
	ticks chan struct{}
}

type deadline struct {
	at  engine.Time
	sku string
}

type deadlineHeap []deadline

func (h deadlineHeap) Len() int           { return len(h) }
func (h deadlineHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h deadlineHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *deadlineHeap) Push(x any)        { *h = append(*h, x.(deadline)) }
func (h *deadlineHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = deadline{}
	*h = old[:len(old)-1]
	return last
}

func newWheel(s *System) *wheel {
	return &wheel{
		sys: s, again: make(map[deadline]struct{}), wake: make(chan struct{}, 1), ticks: make(chan struct{}, ticksInFlight),
	}
}

// addAgain is add for a SKU that was loaded, and may have been before.
func (w *wheel) addAgain(at engine.Time, sku string) {
	d := deadline{at, sku}
	w.mu.Lock()
	_, known := w.again[d]
	w.again[d] = struct{}{}
	w.mu.Unlock()
	if !known {
		w.add(at, sku)
	}
}

// add sees to a tick of a SKU at a time.
func (w *wheel) add(at engine.Time, sku string) {
	w.mu.Lock()
	heap.Push(&w.heap, deadline{at, sku})
	first := w.heap[0].at == at
	w.mu.Unlock()
	if first {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// due takes the SKUs that are due at now, at most max of them, and says when the next is.
func (w *wheel) due(now engine.Time, max int) (skus []string, next engine.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.heap) > 0 && len(skus) < max {
		if w.heap[0].at > now {
			return skus, w.heap[0].at
		}
		d := heap.Pop(&w.heap).(deadline)
		delete(w.again, d)
		skus = append(skus, d.sku)
	}
	if len(w.heap) > 0 {
		return skus, w.heap[0].at
	}
	return skus, 0
}

func (w *wheel) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		w.sys.pace("wheel")()
		if w.sys.stopped() {
			return
		}
		now := w.sys.clock.time()
		skus, next := w.due(now, wheelPiece)
		for _, sku := range skus {
			if !w.tick(sku) {
				return
			}
		}
		pause := wheelLookEvery
		if next != 0 {
			pause = min(pause, max(0, time.Duration(next-now)*time.Millisecond))
		}
		timer.Reset(pause)
		select {
		case <-w.sys.stop:
			return
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// tick sends a tick to a SKU, when fewer than ticksInFlight are on their way: SKUs that have to be
// loaded for it, if very many fall due together, must not push commands out. It reports false when
// the system stops.
func (w *wheel) tick(sku string) bool {
	select {
	case <-w.sys.stop:
		return false
	case w.ticks <- struct{}{}:
	}
	c, err := w.sys.acquire(sku, hash(sku), true)
	if err != nil {
		panic("actors: expiry was refused") // acquire never does.
	}
	c.post(tick{})
	return true
}

// loadDeadlines brings the deadlines of passivated SKUs into the wheel ahead of time. Each is
// brought once: one that is noted later is of a SKU in memory, which has it in the wheel already.
func (s *System) loadDeadlines() {
	every := time.NewTicker(expiryLoadEvery)
	defer every.Stop()
	loaded := engine.Time(-1)
	for {
		s.pace("deadlines")()
		if s.stopped() {
			return
		}
		by := s.clock.time() + engine.Time(expiryHorizon.Milliseconds())
		err := s.snapshots.Expiring(by, func(sku string, at engine.Time) bool {
			if at > loaded {
				s.wheel.add(at, sku)
			}
			return true
		})
		if err != nil {
			s.log("load deadlines", "error", err)
		} else {
			loaded = by
		}
		select {
		case <-s.stop:
			return
		case <-every.C:
		}
	}
}
