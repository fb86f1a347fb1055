package wal

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faulty fails operation number at, once or from then on, and notes what is done to segments after
// a failed sync of one.
type faulty struct {
	at      int64
	forever bool

	n        atomic.Int64
	mu       sync.Mutex
	injected bool
	unsynced string   // the segment whose sync failed
	after    []string // what was still written or synced there
}

func (f *faulty) String() string { return "faulty" }

func (f *faulty) MaybeError(op errorfs.Op) error {
	n := f.n.Add(1)
	f.mu.Lock()
	defer f.mu.Unlock()
	sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData
	if f.unsynced != "" && op.Path == f.unsynced && (sync || op.Kind == errorfs.OpFileWriteAt) {
		f.after = append(f.after, op.Path)
	}
	if n != f.at && !(f.forever && n > f.at) {
		return nil
	}
	f.injected = true
	// A segment that was a spare goes by that name here.
	if sync && f.unsynced == "" && strings.HasSuffix(op.Path, segmentSuffix) {
		f.unsynced = op.Path
	}
	return errorfs.ErrInjected
}

// TestErrorAtEveryOperation fails every operation of a short life in turn. Whatever happens, nobody
// is told a lie, nobody is forgotten, and an fsync that failed is the last thing done to its file.
func TestErrorAtEveryOperation(t *testing.T) {
	for _, forever := range []bool{false, true} {
		for at := int64(1); ; at++ {
			if !failAt(t, at, forever) {
				break
			}
			if t.Failed() {
				t.Fatalf("operation %d, forever %v", at, forever)
			}
		}
	}
}

// failAt says whether the operation was reached.
func failAt(t *testing.T, at int64, forever bool) bool {
	mem := vfs.NewCrashableMem()
	f := &faulty{at: at, forever: forever}
	var failures atomic.Int64
	h := &history{}
	o := Options{
		FS: errorfs.Wrap(mem, f), SegmentBytes: 8192, sealAfter: time.Hour,
		OnFailure: func(error) { failures.Add(1) },
	}
	l, err := Open("data/wal", o)
	if err != nil {
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Errorf("open: %v", err)
		}
		l = nil
	} else {
		shortLife(t, l, h)
	}
	injected := f.injected
	if l != nil {
		dead := l.failure() != nil
		if n := failures.Load(); (n == 1) != dead || n > 1 {
			t.Errorf("dead %v, OnFailure was called %d times", dead, n)
		}
		if dead {
			if _, err := l.Append(nil, nil); !errors.Is(err, ErrFailed) || !errors.Is(err, errorfs.ErrInjected) {
				t.Errorf("append to a dead log: %v", err)
			}
			if err := l.Roll(); !errors.Is(err, ErrFailed) {
				t.Errorf("roll of a dead log: %v", err)
			}
			if err := l.Close(); !errors.Is(err, ErrFailed) {
				t.Errorf("close of a dead log: %v", err)
			}
		}
		if h.failed.Load() > 0 && !dead {
			t.Errorf("%d waiters got an error from a log that lives", h.failed.Load())
		}
	}
	if len(f.after) > 0 {
		t.Errorf("after its sync failed %s was written or synced again", f.after[0])
	}
	image := mem.CrashClone(vfs.CrashCloneCfg{})
	again, err := h.reopen(image, Options{SegmentBytes: 8192}, h.acked.Load(), uint64(len(h.lives)))
	if err != nil {
		t.Errorf("reopen: %v", err)
	}
	if again != nil {
		again.Close()
	}
	return injected
}

// shortLife appends, rolls, cuts, reads and closes, one after the other.
func shortLife(t *testing.T, l *Log, h *history) {
	var told sync.WaitGroup
	appendSome := func(n int) {
		for range n {
			index := l.Last() + 1
			told.Add(1)
			if _, err := l.Append(lifeRecord(1, index), ackTo{h, index, &told}); err != nil {
				told.Done()
				continue
			}
			h.lives = append(h.lives, 1)
		}
		told.Add(1)
		l.Await(l.Last(), ackTo{h, l.Last(), &told})
		told.Wait()
	}
	for range 4 {
		appendSome(15)
		_ = l.Roll()
		_ = l.CutBefore(l.Durable() / 2)
		if d := l.Durable(); d > 0 {
			_, _ = l.Read(d)
		}
		h.cut.Store(l.Durable() / 2)
	}
	_ = l.Close()
	told.Wait()
}

// TestFailureTellsEveryoneOnce has waiters in every place when the fsync fails.
func TestFailureTellsEveryoneOnce(t *testing.T) {
	gate := make(chan struct{})
	slow := &slowSync{FS: vfs.NewMem(), gate: gate}
	broken := &errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			return errorfs.ErrInjected
		}
		return nil
	})}
	failed := make(chan error, 2)
	l, err := Open("wal", Options{
		FS: slowOver(slow, broken), SegmentBytes: 16384, OnFailure: func(err error) { failed <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	slow.on.Store(true)
	broken.On()
	var waiters []told
	for i := uint64(1); i <= 400; i++ {
		w, late := newTold(), newTold()
		if _, err := l.Append(recordOf(i), w); err != nil {
			t.Fatal(err)
		}
		l.Await(i/2+1, late)
		waiters = append(waiters, w, late)
	}
	rolled := make(chan error)
	go func() { rolled <- l.Roll() }()
	slow.on.Store(false)
	close(gate)
	if err := <-failed; !errors.Is(err, ErrFailed) || !errors.Is(err, errorfs.ErrInjected) {
		t.Fatalf("OnFailure: %v", err)
	}
	for i, w := range waiters {
		if err := <-w.ch; !errors.Is(err, ErrFailed) {
			t.Fatalf("waiter %d: %v", i, err)
		}
	}
	if err := <-rolled; !errors.Is(err, ErrFailed) {
		t.Fatalf("roll: %v", err)
	}
	late := newTold()
	l.Await(1, late)
	if err := <-late.ch; !errors.Is(err, ErrFailed) {
		t.Fatalf("await after the failure: %v", err)
	}
	tail := l.Tail(1)
	if _, _, err := tail.Next(t.Context()); !errors.Is(err, ErrFailed) {
		t.Fatalf("tail after the failure: %v", err)
	}
	if err := l.Close(); !errors.Is(err, ErrFailed) {
		t.Fatalf("close: %v", err)
	}
	for i, w := range waiters {
		if len(w.ch) > 0 {
			t.Fatalf("waiter %d was told twice", i)
		}
	}
	if len(failed) > 0 {
		t.Fatal("OnFailure was called twice")
	}
}

// slowOver puts the gate below the faults, so that an operation waits and then fails.
func slowOver(slow *slowSync, inj errorfs.Injector) vfs.FS {
	return &slowSync{FS: errorfs.Wrap(slow.FS, inj), gate: slow.gate, shared: &slow.on}
}

// TestFailedSyncIsNotTrustedAfterRestart: the kernel may keep, as clean, pages that a failed fsync
// never brought to disk. The next process reads them; before it builds on them they must be written
// again, because an fsync alone would do nothing.
func TestFailedSyncIsNotTrustedAfterRestart(t *testing.T) {
	fs := newForgetfulFS()
	o := Options{FS: fs, SegmentBytes: 64 << 10, sealAfter: time.Hour}
	l, err := Open("wal", o)
	if err != nil {
		t.Fatal(err)
	}
	waitDurable(t, l, recordOf(1))
	fs.failing.Store(true)
	w := newTold()
	if _, err := l.Append(recordOf(2), w); err != nil {
		t.Fatal(err)
	}
	if err := <-w.ch; err == nil {
		t.Fatal("told that it was durable")
	}
	l.Close()
	fs.failing.Store(false)
	if l, err = Open("wal", o); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if l.Last() != 2 {
		t.Fatalf("the page cache has record 2, but %d was recovered", l.Last())
	}
	n := 0
	o.FS, o.ReadOnly, o.Recover = fs.disk, true, func(uint64, []byte) error { n++; return nil }
	if _, err := Open("wal", o); err != nil || n != 2 {
		t.Fatalf("the disk has %d records, %v", n, err)
	}
}

// TestTornTailIsLogged: cutting something off is never silent.
func TestTornTailIsLogged(t *testing.T) {
	s := takeSample(t, rand.New(rand.NewPCG(1, 1)), false)
	g := s.groups[len(s.groups)-1]
	s.edit(t, g.to-1, g.to, func(b []byte) { b[0] ^= 1 })
	var out strings.Builder
	l, _, _, err := recovered(s.fs, Options{
		SegmentBytes: sampleBytes, Logger: slog.New(slog.NewTextHandler(&out, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if !strings.Contains(out.String(), s.path) || !strings.Contains(out.String(), "offset=") {
		t.Fatalf("logged: %q", out.String())
	}
	f, err := s.fs.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, g.to-g.from)
	if err := readFull(f, b, g.from); err != nil {
		t.Fatal(err)
	}
	if strings.Trim(string(b), "\x00") != "" {
		t.Fatal("the torn frame is still there")
	}
}
