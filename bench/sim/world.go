package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/persistence"
	"github.com/skua-stock/skua/persistence/wal"
)

const dataDir = "srv/data"

// world is one life of the system: its node, disk, clock and network, the clients, and what is known
// of all that was ever shown.
type world struct {
	seed    uint64
	weather weather
	dice    *rand.Rand // of the driver
	tl      *timeline
	trace   *trace
	over    atomic.Bool
	wall    atomic.Int64 // how far the wall clock is ahead of the bubble's, in nanoseconds

	mu    sync.Mutex
	node  *node.Node
	disk  *disk
	next  *disk // what a crash left
	up    bool  // the node answers
	doors bool  // and clients are let in
	dying bool  // it is being shut down in order
	// shutting gives up the stop in order that is under way, or did.
	shutting   func()
	run        int // counts the starts
	down       chan struct{}
	books      *books
	claims     []claim
	floors     map[string]uint64
	stallUntil time.Time
	failure    error
	injected   injected
	calmSince  engine.Time // expiry has no excuse for being late since
	count      counts
	nonces     *rand.Rand
	salts      *rand.ChaCha8
	flip       *flip
	// crashAt is the call of the file system, Pebble's among them, at which the power goes; zero for
	// none. calls counts them.
	crashAt, calls int
}

func newWorld(seed uint64) *world {
	dice := rand.New(rand.NewPCG(seed, 1))
	var key [32]byte
	for i := range key {
		key[i] = byte(seed >> (i % 8 * 8))
	}
	w := &world{
		seed: seed, weather: newWeather(dice), dice: dice, tl: newTimeline(seed), trace: newTrace(), disk: newDisk(),
		down: make(chan struct{}, 1), books: newBooks(), floors: map[string]uint64{},
		nonces: rand.New(rand.NewPCG(seed, 2)), salts: rand.NewChaCha8(key),
	}
	w.tl.pauseMax = w.weather.pause
	return w
}

// fail notes the first thing that went wrong; the life ends soon.
func (w *world) fail(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failLocked(format, args...)
}

func (w *world) failLocked(format string, args ...any) {
	if w.failure == nil {
		w.failure = fmt.Errorf(format, args...)
		w.trace.end("FAILED: %v", w.failure)
	}
	w.over.Store(true)
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.wall.Load())) }

// engineNow is about what the node's clock says; it goes on while the node is down.
func (w *world) engineNow() engine.Time { return engine.Time(w.now().UnixMilli()) }

// start opens the data directory, as often as faults let it fail, and looks at what is there.
func (w *world) start() {
	for try := 0; ; try++ {
		w.mu.Lock()
		w.run++
		run := w.run
		w.disk.touch, w.disk.done = w.touch(run, w.disk), w.done
		w.mu.Unlock()
		n, err := node.Open(w.config(run))
		w.trace.note(streamDriver, "start %d: %v", run, errText(err))
		if w.crashed() { // While it started.
			w.mu.Lock()
			w.node = n
			w.mu.Unlock()
			w.bury()
			continue
		}
		if err == nil {
			w.flip = nil // It was where nothing is.
			w.began(n)
			return
		}
		if w.noticed(err) {
			continue
		}
		if !w.excused(err) || try > 20 {
			w.fail("the node does not start: %v", err)
			return
		}
		w.count.refusedStarts++
		w.mu.Lock()
		w.injected = injected{}
		w.disk = w.disk.crash(wreck{process: true})
		w.mu.Unlock()
	}
}

func (w *world) crashed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next != nil
}

// excused reports whether a start may fail like this.
func (w *world) excused(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Is(err, errFault) || w.injected.hit
}

func (w *world) config(run int) node.Config {
	c := &w.weather
	return node.Config{
		Dir: dataDir, SnapshotEvery: c.snapshot, Limits: c.limits, Now: w.now, Pace: w.tl.pace,
		Nonce: func() uint64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.nonces.Uint64() | 1
		},
		Store: persistence.Options{
			FS: w.disk, Partitions: c.partitions, SegmentBytes: c.segment, LogKeep: 1, CacheBytes: 1 << 20, KeyBytes: c.keyBytes,
			Random: w.salts, OnFailure: func(err error) { w.dead(run, err) },
		},
	}
}

// began takes a node that has just started: the books catch up, and everything is compared. Only
// then clients are let in.
func (w *world) began(n *node.Node) {
	w.mu.Lock()
	w.node, w.up, w.doors, w.dying = n, true, false, false
	w.calmSince = w.node.Now()
	last, run := w.books.last(), w.run
	w.mu.Unlock()
	oldest, newest := n.Bounds()
	if newest < last {
		w.fail("record %d was durable, and the log ends at %d", last, newest)
		return
	}
	if oldest > last+1 {
		w.fail("the log begins at record %d, %d was the last durable one", oldest, last)
		return
	}
	f := n.Follow(oldest)
	for at := oldest; at <= newest; at++ {
		index, r, err := f.Next(context.Background())
		if errors.Is(err, errFault) {
			f = n.Follow(at)
			at--
			continue
		}
		if err != nil {
			if !w.isUp(run) {
				return
			}
			w.fail("record %d cannot be read after the start: %v", at, err)
			return
		}
		w.mu.Lock()
		w.see(index, r)
		w.mu.Unlock()
	}
	_ = f.Close() // It never fails.
	go w.follow(n.Follow(newest+1), run)
	w.settle()
	w.compare()
	w.mu.Lock()
	w.doors = w.up && w.run == run
	w.mu.Unlock()
}

func (w *world) isUp(run int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up && w.run == run
}

// dead is told that the process must end: from now on it shows nothing.
func (w *world) dead(run int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if run != w.run {
		return
	}
	w.trace.note(streamDriver, "dead: %v", errText(err))
	if !w.injected.hit {
		w.failLocked("the node gave up: %v", err)
	}
	w.crashLocked(wreck{process: true})
}

// errText is an error without what differs from run to run.
func errText(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// crash takes the node away at this moment.
func (w *world) crash(k wreck) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.crashLocked(k)
}

func (w *world) crashLocked(k wreck) {
	if w.next != nil {
		return
	}
	w.up, w.doors = false, false
	w.next = w.disk.crash(k)
	if w.shutting != nil {
		w.shutting() // What was in flight when the node died stays so.
	}
	if k.process {
		w.count.kills++
	} else {
		w.count.crashes++
	}
	w.trace.note(streamDriver, "crash of run %d, process alone: %v, keeps %d %%, torn %v", w.run, k.process, k.keep, k.torn)
	select {
	case w.down <- struct{}{}:
	default:
	}
}

// bury ends what is left of a node that crashed.
func (w *world) bury() {
	w.mu.Lock()
	n := w.node
	w.node = nil
	w.mu.Unlock()
	if n != nil {
		if err := n.Kill(); err != nil && !errors.Is(err, wal.ErrFailed) && !errors.Is(err, errFault) {
			w.fail("the end of a node: %v", err)
		}
	}
	w.mu.Lock()
	if w.next != nil {
		w.disk, w.next = w.next, nil
	}
	w.injected = injected{}
	w.mu.Unlock()
	select {
	case <-w.down:
	default:
	}
}

// submit is a message that arrives at the node, from a client or from inside.
func (w *world) submit(c *engine.Command, inside bool, tell func(a *engine.Answer, text string)) {
	w.mu.Lock()
	if !w.up || !w.doors && !inside || w.node == nil || w.over.Load() {
		w.mu.Unlock()
		tell(&engine.Answer{Op: c.Op, Err: engine.ErrUnavailable}, "")
		return
	}
	n, run, q := w.node, w.run, w.ask(c)
	w.mu.Unlock()
	once := false
	n.Submit(c, func(a *engine.Answer) {
		w.mu.Lock()
		if w.run != run || !w.up {
			w.mu.Unlock()
			return
		}
		if once {
			w.failLocked("%v %q was answered twice", c.Op, c.Key)
		}
		once = true
		w.shown(q, a)
		mine := a.Clone()
		text := describe(a)
		w.mu.Unlock()
		tell(&mine, text)
	})
}

// must asks the node at once and waits.
func (w *world) must(c *engine.Command) (engine.Answer, bool) {
	answers := make(chan engine.Answer, 1)
	w.submit(c, true, func(a *engine.Answer, _ string) { answers <- *a })
	select {
	case a := <-answers:
		w.tl.sleep(laneDriver, 0) // The books follow meanwhile.
		return a, a.Err == nil
	case <-time.After(10 * time.Minute):
		if w.isUpNow() {
			w.fail("%v %q is not answered", c.Op, c.Key)
		}
	case <-w.down:
		w.down <- struct{}{}
	}
	return engine.Answer{Err: engine.ErrUnavailable}, false
}

func (w *world) isUpNow() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.up
}

// readHistory reads a page of a ledger and checks it.
func (w *world) readHistory(lane int, sku string, before uint64, limit int) (h gateway.History, ok bool) {
	w.mu.Lock()
	n, run, up := w.node, w.run, w.up
	w.mu.Unlock()
	if !up || n == nil {
		return h, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	h, err := n.History(ctx, sku, before, limit)
	w.tl.sleep(lane, 0) // Others may have waited for the same record.
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.run != run || !w.up {
		return h, false
	}
	w.trace.note(streamAnswers, "history of %q below %d: %d, %v", sku, before, len(h.Movements), h.More)
	w.shownHistory(sku, h)
	return h, true
}
