package persistence

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skua-stock/skua/persistence/crashdisk"
)

// TestCrashAgainstAModel takes the disk away at random moments, with whatever was not synced kept
// or lost, and expects all that was durable to be there, whole, whichever of log, snapshots and
// history had got how far.
func TestCrashAgainstAModel(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 4 {
		fs := crashdisk.New()
		o := small(fs)
		o.upkeepEvery = time.Millisecond
		d := newDriver(t, rng, open(t, o))
		for range 6 {
			for range rng.IntN(300) {
				d.act(12)
				if rng.IntN(60) == 0 {
					d.save()
				}
			}
			if rng.IntN(2) == 0 {
				time.Sleep(time.Duration(rng.IntN(4000)) * time.Microsecond) // A conversion may be under way.
			}
			durable := d.store.Durable()
			disk := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			clean(t, disk)
			fs, o.FS = disk, disk
			s := open(t, o)
			if last := s.wal.Last(); last < durable {
				t.Fatalf("record %d was durable, %d is the last after the crash", durable, last)
			}
			d.rewind(s)
			d.checkLedgers(4)
			d.checkKeys(0)
			d.checkSKUs(5)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		clean(t, fs)
	}
}

// failing is a store on a disk on which one operation fails, in the hands of a driver.
type failing struct {
	fs     *crashdisk.Disk
	failed chan error
	once   sync.Once
	store  atomic.Pointer[Store]
	ended  chan struct{} // the "process" is dead
}

// onFailure ends the process, as far as a test can: whoever calls it for Pebble never goes on.
func (f *failing) onFailure(err error) {
	f.once.Do(func() { f.failed <- err })
	if strings.HasPrefix(err.Error(), "snapshots:") {
		<-f.ended
		runtime.Goexit()
	}
}

// run uses a store until it fails, or to the end, and returns the failure.
func (f *failing) run(d *driver, o Options) error {
	done := make(chan error, 1)
	go func() {
		s, err := Open(dataDir, o)
		if err != nil {
			done <- fmt.Errorf("a clean error: %w", err)
			return
		}
		d.store = s
		f.store.Store(s)
		for i := 0; i < 400 && d.err == nil; i++ {
			d.act(8)
			if i%60 == 59 && d.err == nil {
				d.err = d.trySave()
			}
			if i%20 == 0 {
				time.Sleep(200 * time.Microsecond)
			}
		}
		if d.err == nil {
			d.err = s.waitDurable(s.wal.Last())
		}
		done <- d.err
	}()
	select {
	case err := <-f.failed:
		return err
	case err := <-done:
		return err
	}
}

// TestAnErrorAtAnyOperation has one operation of the disk fail, whichever it is: in opening,
// appending, saving, committing, converting, cutting or closing. The store says so, or copes; and
// the next start has every record that was durable.
func TestAnErrorAtAnyOperation(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	failures, clean, coped := 0, 0, 0
	for n, runs := int32(0), 0; runs < 80; runs++ {
		if runs < 30 {
			n++ // The opening, one by one.
		} else {
			n = 30 + rng.Int32N(1200)
		}
		switch failAt(t, n, rand.New(rand.NewPCG(seed, uint64(n)))) {
		case "failure":
			failures++
		case "clean error":
			clean++
		default:
			coped++
		}
		if t.Failed() {
			t.Fatalf("operation %d failed", n)
		}
	}
	t.Logf("%d failures, %d clean errors, %d coped with or not reached", failures, clean, coped)
	if failures == 0 || clean == 0 || coped == 0 {
		t.Error("the failures were all of one kind")
	}
}

// TestAFirstStartCutShort has each operation of a first start fail, and then the machine: whatever is on
// disk by then, the next start takes it.
func TestAFirstStartCutShort(t *testing.T) {
	seed := drawSeed(t)
	failures := 0
	for n := range int32(80) {
		f := &failing{fs: crashdisk.New(), failed: make(chan error, 1), ended: make(chan struct{})}
		o := small(errorfs.Wrap(f.fs, errorfs.ErrInjected.If(errorfs.OnIndex(n))))
		o.upkeepEvery, o.OnFailure = time.Hour, f.onFailure
		opened := make(chan *Store, 1)
		go func() {
			s, err := Open(dataDir, o)
			if err != nil {
				f.failed <- err
				return
			}
			opened <- s
		}()
		select {
		case <-f.failed:
			failures++
		case s := <-opened: // It coped, or its error is to come.
			close(s.stop)
		}
		for again := range uint64(12) {
			rng := rand.New(rand.NewPCG(seed, uint64(n)<<8+again))
			s, err := Open(dataDir, small(f.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})))
			if err != nil {
				t.Fatalf("after operation %d failed: %v", n, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		close(f.ended)
	}
	if failures < 30 {
		t.Errorf("%d of 80 starts failed", failures)
	}
}

func failAt(t *testing.T, n int32, rng *rand.Rand) (outcome string) {
	f := &failing{fs: crashdisk.New(), failed: make(chan error, 1), ended: make(chan struct{})}
	defer close(f.ended)
	inject := errorfs.ErrInjected.If(errorfs.OnIndex(n))
	o := small(errorfs.Wrap(f.fs, inject))
	o.upkeepEvery, o.OnFailure = time.Millisecond, f.onFailure
	d := newDriver(t, rand.New(rand.NewPCG(rng.Uint64(), 1)), nil) // It may outlive this round.
	d.mayFail = true
	err := f.run(d, o)
	durable := uint64(0)
	used := f.store.Load()
	switch {
	case err == nil:
		outcome = "coped"
	case used == nil:
		outcome = "clean error"
	default:
		outcome = "failure"
		close(used.stop) // It is dead, and must not keep the machine busy.
	}
	if used != nil {
		durable = used.Durable()
	}
	disk := f.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
	if err == nil {
		closed := make(chan error, 1)
		go func() { closed <- used.Close() }()
		select {
		case err := <-closed:
			if err != nil {
				t.Logf("operation %d, close: %v", n, err)
			}
		case <-f.failed: // As late as that, something in the background met the error.
		}
	}
	o = small(disk)
	s, err := Open(dataDir, o)
	if err != nil {
		t.Errorf("after operation %d failed (%s): %v", n, outcome, err)
		return outcome
	}
	if last := s.wal.Last(); last < durable {
		t.Errorf("after operation %d failed (%s): record %d was durable, %d is the last", n, outcome, durable, last)
	} else if outcome == "coped" {
		d.rewind(s)
		d.checkLedgers(6)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return outcome
}
