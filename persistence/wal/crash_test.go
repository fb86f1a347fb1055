package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// history is what the outside world knows of a log through several lives of it: what was written
// at each index, what was acknowledged, and what nobody needs any more.
type history struct {
	lives  []byte // life in which the record of an index was written; lives[0] is index 1
	acked  atomic.Uint64
	cut    atomic.Uint64
	failed atomic.Int64
}

// lifeRecord is the record that a life writes at an index, so that a record of an earlier life that
// comes back after it was cut off is seen.
func lifeRecord(life byte, index uint64) []byte {
	b := append(binary.BigEndian.AppendUint64(nil, index), life)
	return append(b, bytes.Repeat([]byte{byte(index) ^ life}, int(index*7919%301))...)
}

// raise sets v to at least x.
func raise(v *atomic.Uint64, x uint64) {
	for {
		old := v.Load()
		if old >= x || v.CompareAndSwap(old, x) {
			return
		}
	}
}

// ackTo is a Waiter that notes what the outside world now knows to be safe.
type ackTo struct {
	h     *history
	index uint64
	wg    *sync.WaitGroup
}

func (a ackTo) Durable(err error) {
	if err == nil {
		raise(&a.h.acked, a.index)
	} else {
		a.h.failed.Add(1)
	}
	a.wg.Done()
}

// live appends, awaits, reads, rolls and cuts, all at once, until stop is closed or the log dies.
func (h *history) live(t *testing.T, l *Log, life byte, rng *rand.Rand, stop chan struct{}) {
	var told, workers sync.WaitGroup
	var mu sync.Mutex // An index and what is written there must be noted together.
	appendOne := func() bool {
		mu.Lock()
		defer mu.Unlock()
		index := l.Last() + 1
		told.Add(1)
		got, err := l.Append(lifeRecord(life, index), ackTo{h, index, &told})
		if err != nil {
			told.Done()
			return errors.Is(err, ErrOverloaded)
		}
		if got != index {
			t.Errorf("index %d, want %d", got, index)
		}
		h.lives = append(h.lives[:index-1], life)
		return true
	}
	work := func(seed uint64, step func(*rand.Rand) bool) {
		workers.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 1))
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !step(rng) {
					return
				}
			}
		})
	}
	for range 3 {
		work(rng.Uint64(), func(rng *rand.Rand) bool {
			for range rng.IntN(50) + 1 {
				if !appendOne() {
					return false
				}
			}
			if last := l.Last(); last > 0 {
				told.Add(1)
				index := last - rng.Uint64N(min(last, 100))
				l.Await(index, ackTo{h, index, &told})
			}
			if last := l.Last(); rng.IntN(3) == 0 && last > 0 {
				w := newTold()
				l.Await(last, w)
				<-w.ch
			}
			return true
		})
	}
	work(rng.Uint64(), func(rng *rand.Rand) bool {
		time.Sleep(time.Duration(rng.IntN(800)) * time.Microsecond)
		if rng.IntN(2) == 0 {
			return l.Roll() == nil
		}
		if durable := l.Durable(); durable > 400 {
			at := durable - 400
			raise(&h.cut, at) // Raised first: after a crash the cut may or may not have happened.
			return l.CutBefore(at) == nil
		}
		return true
	})
	workers.Wait()
	l.Close()
	told.Wait()
}

// reopen recovers a log after a crash and holds it against what the world knows.
func (h *history) reopen(fs vfs.FS, o Options, acked, written uint64) (*Log, error) {
	first, last := uint64(0), uint64(0)
	o.FS = fs
	o.Recover = func(index uint64, record []byte) error {
		if first == 0 {
			first = index
		} else if index != last+1 {
			return fmt.Errorf("record %d follows %d", index, last)
		}
		last = index
		if index > written {
			return fmt.Errorf("record %d was never written", index)
		}
		if want := lifeRecord(h.lives[index-1], index); !bytes.Equal(record, want) {
			return fmt.Errorf("record %d is %x, want %x", index, record, want)
		}
		return nil
	}
	l, err := Open("data/wal", o)
	if err != nil {
		return nil, err
	}
	switch {
	case l.Last() < acked:
		return l, fmt.Errorf("record %d was acknowledged, but only %d were recovered", acked, l.Last())
	case l.First() > 1 && l.First() > h.cut.Load():
		return l, fmt.Errorf("the log begins at %d, but was cut at %d", l.First(), h.cut.Load())
	case l.Durable() != l.Last(), last != 0 && l.Last() != last:
		return l, fmt.Errorf("last %d, durable %d, recovered %d", l.Last(), l.Durable(), last)
	}
	return l, nil
}

// crasher takes an image of the disk, as a crash at the n-th operation would leave it.
type crasher struct {
	mem     *vfs.MemFS
	h       *history
	at      int64
	percent int
	rng     *rand.Rand
	log     atomic.Pointer[Log]

	ops            atomic.Int64
	image          *vfs.MemFS
	acked, written uint64
	done           chan struct{}
}

func (c *crasher) String() string { return "crasher" }

// MaybeError is called before every operation.
func (c *crasher) MaybeError(errorfs.Op) error {
	if c.ops.Add(1) != c.at {
		return nil
	}
	c.acked = c.h.acked.Load() // Before the crash: what is acknowledged during it does not count.
	c.image = c.mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: c.percent, RNG: c.rng})
	if l := c.log.Load(); l != nil {
		c.written = l.Last()
	}
	close(c.done)
	return nil
}

// TestCrashAtAnyPoint crashes a busy log again and again, at a random operation of the disk, in the
// middle of Open too. What was acknowledged must be there, nothing that was not written may be, and
// every record must be the one that was written.
func TestCrashAtAnyPoint(t *testing.T) {
	lost := 0
	forSeeds(t, func(t *testing.T, _ uint64, rng *rand.Rand) {
		h := &history{}
		o := Options{SegmentBytes: 8192 << rng.IntN(4), sealAfter: time.Duration(1+rng.IntN(5)) * time.Millisecond}
		mem := vfs.NewCrashableMem()
		written := uint64(0)
		for life := byte(1); life <= 6; life++ {
			c := &crasher{
				mem: mem, h: h, rng: rand.New(rand.NewPCG(rng.Uint64(), 2)), at: 1 + rng.Int64N(400), percent: rng.IntN(101) * rng.IntN(2),
				done: make(chan struct{}),
			}
			acked := h.acked.Load()
			l, err := h.reopen(errorfs.Wrap(mem, c), o, acked, written)
			if err != nil {
				t.Fatalf("life %d: %v", life, err)
			}
			recoveredLast := l.Last()
			c.log.Store(l)
			h.live(t, l, life, rng, c.done)
			if l.failure() != nil {
				t.Fatalf("life %d: %v", life, l.failure())
			}
			// The world goes on from the image; what was acknowledged after it never happened.
			if mem = c.image; mem == nil {
				t.Fatal("the log did nothing")
			}
			written = max(c.written, recoveredLast)
			if c.acked < written {
				lost++
			}
			h.acked.Store(c.acked)
		}
	})
	if lost == 0 && *seedFlag == 0 {
		t.Error("no crash ever had anything to lose: the test proves nothing")
	}
}

// TestDirectorySurvivesACrash is the one that an fsync of the directory's parent is for.
func TestDirectorySurvivesACrash(t *testing.T) {
	mem := vfs.NewCrashableMem()
	l, _, _, err := recovered(mem, Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	waitDurable(t, l, recordOf(1))
	_, _, last, err := recovered(mem.CrashClone(vfs.CrashCloneCfg{}), Options{ReadOnly: true})
	if err != nil || last != 1 {
		t.Fatalf("recovered %d, %v", last, err)
	}
}
