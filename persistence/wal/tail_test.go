package wal

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestTailFollows(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{SegmentBytes: 16 << 10})
	const n = 3000
	var wg sync.WaitGroup
	for _, from := range []uint64{1, 2, 999, n, n + 1} {
		wg.Go(func() {
			tail := l.Tail(from)
			defer tail.Close()
			for want := from; want <= n+1; want++ {
				index, record, err := tail.Next(t.Context())
				if err != nil || index != want || !bytes.Equal(record, recordOf(want)) {
					t.Errorf("tail from %d: got record %d, want %d, %v", from, index, want, err)
					return
				}
			}
		})
	}
	for range n / 100 {
		appendRecords(t, l, 100)
	}
	appendRecords(t, l, 1)
	wg.Wait()
}

func TestTailDoesNotPassTheWatermark(t *testing.T) {
	gate := make(chan struct{})
	fs := &slowSync{FS: vfs.NewMem(), gate: gate}
	l, err := Open("wal", Options{FS: fs, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	waitDurable(t, l, []byte("a"))
	fs.on.Store(true)
	if _, err := l.Append([]byte("b"), nil); err != nil {
		t.Fatal(err)
	}
	tail := l.Tail(1)
	if _, record, ok, err := tail.TryNext(); !ok || err != nil || string(record) != "a" {
		t.Fatalf("%q %v %v", record, ok, err)
	}
	if _, _, ok, err := tail.TryNext(); ok || err != nil {
		t.Fatalf("a record that is not durable came out: %v %v", ok, err)
	}
	if _, err := l.Read(2); !errors.Is(err, ErrNotDurable) {
		t.Fatalf("read: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := tail.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	fs.on.Store(false)
	close(gate)
	if _, record, err := tail.Next(t.Context()); err != nil || string(record) != "b" {
		t.Fatalf("%q %v", record, err)
	}
	tail.Close()
	if _, _, err := tail.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("got %v", err)
	}
}

func TestCutTellsReaders(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{SegmentBytes: 16 << 10})
	behind := l.Tail(1)
	appendRecords(t, l, 3000)
	if _, _, ok, err := behind.TryNext(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := l.CutBefore(1500); err != nil {
		t.Fatal(err)
	}
	first := l.First()
	if first <= 2 || first > 1500 {
		t.Fatalf("the log begins at %d", first)
	}
	if _, _, _, err := behind.TryNext(); !errors.Is(err, ErrCut) {
		t.Fatalf("tail: %v", err)
	}
	if _, err := l.Read(first - 1); !errors.Is(err, ErrCut) {
		t.Fatalf("read: %v", err)
	}
	if record, err := l.Read(first); err != nil || !bytes.Equal(record, recordOf(first)) {
		t.Fatalf("read of the first record: %v", err)
	}
	if err := l.CutBefore(1 << 60); err != nil {
		t.Fatal(err)
	}
	if got := l.Segments(); len(got) != 1 || got[0].Sealed {
		t.Fatalf("the active segment must stay: %+v", got)
	}
	l.Close()
	again, _, _, err := recovered(fs, Options{SegmentBytes: 16 << 10})
	if err != nil || again.Last() != 3000 {
		t.Fatal(err)
	}
	again.Close()
}

// TestReadersAgainstRecycling has readers race with cuts that recycle the files they read. A reader
// gets the right record or ErrCut, whatever the file is used for next.
func TestReadersAgainstRecycling(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	recycled := &renames{FS: vfs.NewMem()}
	l := openMem(t, recycled, Options{SegmentBytes: 8 << 10})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var reads, cuts atomic.Int64
	check := func(index uint64, record []byte, err error) bool {
		switch {
		case errors.Is(err, ErrCut):
			cuts.Add(1)
			return false
		case err != nil:
			t.Error(err)
		case !bytes.Equal(record, recordOf(index)):
			t.Errorf("record %d is %x", index, record)
		}
		reads.Add(1)
		return true
	}
	work := func(step func(rng *rand.Rand)) {
		seed := rng.Uint64()
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, 3))
			for {
				select {
				case <-stop:
					return
				default:
					step(rng)
				}
			}
		})
	}
	for range 2 {
		work(func(rng *rand.Rand) {
			first, last := l.First(), l.Durable()
			if last < first {
				return
			}
			index := first + rng.Uint64N(min(last-first+1, 50))
			record, err := l.Read(index)
			check(index, record, err)
		})
		work(func(rng *rand.Rand) {
			tail := l.Tail(l.First())
			for range rng.IntN(500) {
				index, record, ok, err := tail.TryNext()
				if !ok && err == nil || !check(index, record, err) {
					return
				}
			}
		})
	}
	for l.Last() < 20000 {
		appendRecords(t, l, 50)
		if last := l.Last(); last > 300 {
			if err := l.CutBefore(last - 300); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(stop)
	wg.Wait()
	if recycled.n.Load() == 0 || reads.Load() == 0 {
		t.Fatalf("%d files recycled, %d reads, %d cut", recycled.n.Load(), reads.Load(), cuts.Load())
	}
}

// TestRecycledSegmentHidesItsPast fills a recycled file halfway: recovery must not see what the
// file held before.
func TestRecycledSegmentHidesItsPast(t *testing.T) {
	forSeeds(t, func(t *testing.T, _ uint64, rng *rand.Rand) {
		fs := &renames{FS: vfs.NewCrashableMem()}
		l := openMem(t, fs, Options{SegmentBytes: 8 << 10})
		for fs.n.Load() < 3 {
			appendRecords(t, l, 1+rng.IntN(60))
			if err := l.CutBefore(l.Last()); err != nil {
				t.Fatal(err)
			}
		}
		last := l.Last()
		image := fs.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{})
		again, _, got, err := recovered(image, Options{SegmentBytes: 8 << 10})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if again.Last() != last || got != 0 && got != last {
			t.Fatalf("recovered up to %d, want %d", again.Last(), last)
		}
	})
}

// TestSparesOfTheLastRunAreTakenOver leaves two spares to a new log. The one of full length, which has an
// earlier life's frames, becomes its first segment; the one that is too short goes.
func TestSparesOfTheLastRunAreTakenOver(t *testing.T) {
	const size = 16 << 10
	before := vfs.NewCrashableMem()
	appendRecords(t, openMem(t, before, Options{SegmentBytes: size}), 50)
	life, err := before.Open("data/wal/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	bytes := make([]byte, size)
	if err := readFull(life, bytes, 0); err != nil {
		t.Fatal(err)
	}
	bytes[size-1] = 0xff // By which the file is known again.

	fs := vfs.NewCrashableMem()
	if err := makeDir(fs, "data/wal"); err != nil {
		t.Fatal(err)
	}
	for number, n := range map[uint64]int{7: size, 9: size - 1} {
		f, err := fs.Create("data/wal/"+spareName(number), diskCategory)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(slices.Clone(bytes[len(bytes)-n:])); err != nil { // Under -race the file system spoils what it was given.
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := openMem(t, fs, Options{SegmentBytes: size})
	if _, err := fs.Stat("data/wal/" + spareName(9)); err == nil {
		t.Error("a spare that is too short is still there")
	}
	segment, err := fs.Open("data/wal/" + segmentName(1))
	if err != nil {
		t.Fatal(err)
	}
	var mark [1]byte
	if _, err := segment.ReadAt(mark[:], size-1); err != nil || mark[0] != 0xff {
		t.Errorf("the first segment is not the spare that was there: its last byte is %x (%v)", mark, err)
	}
	appendRecords(t, l, 20)
	again, _, last, err := recovered(fs.CrashClone(vfs.CrashCloneCfg{}), Options{SegmentBytes: size})
	if err != nil || last != 20 {
		t.Fatalf("recovered up to %d, want 20: %v", last, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestSpareThatIsAnotherFilesNameIsNotTaken: a crash while a file is renamed may leave it both names, that
// of a segment and that of a spare, or those of two spares.
func TestSpareThatIsAnotherFilesNameIsNotTaken(t *testing.T) {
	const size = 8 << 10
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{SegmentBytes: size})
	for len(l.Segments()) < 3 {
		appendRecords(t, l, 10)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := fs.List("data/wal")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, spare, ok := parseName(name); ok && spare {
			if err := fs.Remove("data/wal/" + name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, name := range []string{segmentName(1), segmentName(2), segmentName(1)} {
		if err := fs.Link("data/wal/"+name, "data/wal/"+spareName(uint64(90+i))); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		again, first, last, err := recovered(fs, Options{SegmentBytes: size})
		if err != nil || first != 1 {
			t.Fatalf("recovered from %d to %d of a log with spares that are segments: %v", first, last, err)
		}
		appendRecords(t, again, 50)
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// Segment 1 is cut, and has two names as a spare.
	l = openMem(t, fs, Options{SegmentBytes: size})
	if err := l.CutBefore(l.Segments()[1].First); err != nil {
		t.Fatal(err)
	}
	path := l.takeSpare()
	if err := fs.Link(path, "data/wal/"+spareName(99)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = openMem(t, fs, Options{SegmentBytes: size})
	segments := len(l.Segments())
	for len(l.Segments()) < segments+3 { // Both names, if both were taken, are segments then.
		appendRecords(t, l, 50)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := recovered(fs, Options{SegmentBytes: size}); err != nil {
		t.Fatal(err)
	}
}

// renames counts the segments that become spares.
type renames struct {
	vfs.FS
	n atomic.Int64
}

func (fs *renames) Rename(from, to string) error {
	if _, spare, ok := parseName(fs.PathBase(to)); ok && spare {
		fs.n.Add(1)
	}
	return fs.FS.Rename(from, to)
}
