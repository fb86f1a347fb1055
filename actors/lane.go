package actors

import (
	"sync"
	"sync/atomic"

	"github.com/skua-stock/skua/engine"
)

// lane brings commands to their SKUs. Doors only put a command into its lane; one goroutine takes
// what has come together, a piece at a time, and has the SKUs' actors take their turns one after
// another.
//
// That is for the memory's sake. With many SKUs nearly everything that a turn touches is not in the
// processor's cache, and a turn that waits for one line of memory after another takes several times
// as long as its work. So the lane first reads a little of everything that the commands of a piece
// will need, all SKUs side by side: those reads do not depend on each other, and the processor
// waits for all of them at once. See warm.
type lane struct {
	sys   *System
	limit int64

	mu       sync.Mutex // What is below, to stopped, is changed under it.
	queue    []*call
	free     []*call
	admitted int64
	seen     int64 // of answered, at most what it is
	asleep   bool
	stopped  bool
	wake     chan struct{} // has one place

	// What follows belongs to the lane's goroutine.
	batch   []*call
	targets []target
	warmth  uint64 // of no meaning; it keeps the reads of warm from being left out

	_        [64]byte // What the goroutine that gives answers writes is on a cache line of its own.
	answered atomic.Int64
	returned atomic.Pointer[call]
}

// target is a SKU that a command of the piece goes to.
type target struct {
	hash  uint32
	nonce uint64
	cell  *cell
	mine  bool
}

func newLane(s *System, limit int) *lane {
	return &lane{sys: s, limit: int64(limit), wake: make(chan struct{}, 1)}
}

// laneOf is the lane of a SKU by its hash. A partition is in one lane.
func (s *System) laneOf(h uint32) *lane {
	return s.lanes[h%uint32(len(s.partitions))%uint32(len(s.lanes))]
}

// put admits an errand. It returns an error when the lane has as many as it may, or has stopped.
func (l *lane) put(e errand) error {
	l.mu.Lock()
	if err := l.admit(e.weight); err != nil {
		l.mu.Unlock()
		return err
	}
	k := l.take()
	k.errand = e
	k.ans.Op = e.cmd.Op
	l.queue = append(l.queue, k)
	wake := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if wake {
		l.wake <- struct{}{}
	}
	return nil
}

// admit counts a command in, by its lines, or says why not. mu is held. leave counts it out.
func (l *lane) admit(weight int64) error {
	if l.stopped {
		return engine.ErrUnavailable
	}
	if l.admitted+weight-l.seen > l.limit {
		if l.seen = l.answered.Load(); l.admitted+weight-l.seen > l.limit {
			l.sys.metrics.overloaded.WithLabelValues("node").Inc()
			return engine.ErrOverloaded
		}
	}
	l.admitted += weight
	return nil
}

func (l *lane) leave(weight int64) { l.answered.Add(weight) }

// take gets a call that is not in use; mu is held.
func (l *lane) take() *call {
	if len(l.free) == 0 {
		for k := l.returned.Swap(nil); k != nil; k = k.next {
			l.free = append(l.free, k)
		}
	}
	if len(l.free) == 0 {
		fresh := make([]call, callsMade)
		for i := range fresh {
			fresh[i].lane = l
			l.free = append(l.free, &fresh[i])
		}
	}
	n := len(l.free) - 1
	k := l.free[n]
	l.free = l.free[:n]
	return k
}

// giveBack takes a call that is over. Any goroutine may call it.
func (l *lane) giveBack(k *call) {
	*k = call{lane: l}
	for {
		k.next = l.returned.Load()
		if l.returned.CompareAndSwap(k.next, k) {
			return
		}
	}
}

func (l *lane) run() {
	for {
		l.mu.Lock()
		if len(l.queue) == 0 {
			if l.stopped {
				l.mu.Unlock()
				return
			}
			l.asleep = true
			l.mu.Unlock()
			<-l.wake
			continue
		}
		l.queue, l.batch = l.batch[:0], l.queue
		l.mu.Unlock()
		for at := 0; at < len(l.batch); at += lanePiece {
			piece := l.batch[at:min(at+lanePiece, len(l.batch))]
			if len(piece) > 1 {
				l.warm(piece)
			}
			now := l.sys.clock.time()
			for _, k := range piece {
				k.now = now
				l.sys.dispatch(k)
			}
		}
		clear(l.batch)
	}
}

// stop ends the lane's goroutine once it has nothing to do.
func (l *lane) stop() {
	l.mu.Lock()
	l.stopped = true
	wake := l.asleep
	l.asleep = false
	l.mu.Unlock()
	if wake {
		l.wake <- struct{}{}
	}
}

// inFlight is how many commands were admitted and not answered, counted by their lines.
func (l *lane) inFlight() int64 {
	answered := l.answered.Load() // First, so that it cannot be more.
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.admitted - answered
}

// warm reads what the commands of a piece will need. It takes one step of every command before the
// next step of any, since only reads that do not wait for each other overlap. A cell's own memory is
// read under a claim, as by a turn.
func (l *lane) warm(piece []*call) {
	s, t, w := l.sys, l.targets[:0], uint64(0)
	for _, k := range piece {
		if len(k.cmd.Lines) < 2 {
			t = append(t, target{hash: k.hash, nonce: k.cmd.Reservation.Nonce})
			continue
		}
		for i := range k.cmd.Lines {
			t = append(t, target{hash: hash(k.cmd.Lines[i].SKU), nonce: k.cmd.Reservation.Nonce})
		}
	}
	for i := range t {
		t[i].cell = s.directory.glance(t[i].hash)
	}
	for _, k := range piece {
		if k.trace != 0 {
			w += s.memory.Warm(k.trace)
		}
	}
	for i := range t {
		if c := t[i].cell; c != nil {
			w += uint64(c.entered.Load())
		}
	}
	for i := range t {
		if c := t[i].cell; c != nil && c.claim() {
			t[i].mine = true
			w += uint64(c.seen) + uint64(c.part.seen.Load())
			if c.context.Actor() == nil || c.context.Message() != nil { // Read for their memory alone.
				w++
			}
		}
	}
	for stage := range engine.WarmStages {
		for i := range t {
			if t[i].mine {
				w += t[i].cell.stock.Warm(stage, t[i].nonce)
			}
		}
	}
	for i := range t {
		if t[i].mine {
			t[i].cell.run(turnsInline)
		}
	}
	clear(t)
	l.targets, l.warmth = t, l.warmth+w
}
