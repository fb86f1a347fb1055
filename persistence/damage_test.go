package persistence

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/persistence/wal"
)

// asking stands in for a test while a store is asked: an error of the store is an answer, and a
// content that is not what was stored is not.
type asking struct {
	testing.TB
	err   error
	wrong string
}

func (a *asking) Helper() {}

func (a *asking) Fatal(args ...any) {
	if err, ok := args[0].(error); ok {
		a.err = err
	} else {
		a.wrong = fmt.Sprint(args...)
	}
	runtime.Goexit()
}

func (a *asking) Fatalf(format string, args ...any) {
	a.wrong = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (a *asking) Errorf(format string, args ...any) { a.wrong = fmt.Sprintf(format, args...) }

// ask opens the directory and asks for everything: it returns the error that it ended with, or what
// was wrong.
func ask(d *driver, o Options) (opened bool, wrong string, err error) {
	a := &asking{TB: d.t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s, err := Open(dataDir, o)
		if err != nil {
			a.err = err
			return
		}
		opened = true
		defer func() { _ = s.Close() }()
		if last := s.wal.Last(); last != uint64(len(d.log)) {
			a.Fatalf("the log ends at %d, %d was durable", last, len(d.log))
		}
		if m, was := *s.Manifest, *d.store.Manifest; m != was {
			a.Fatalf("the manifest is %+v, was %+v", m, was)
		}
		d := &driver{t: a, rng: rand.New(rand.NewPCG(1, 1)), now: d.now, log: d.log}
		d.rewind(s)
		d.checkLedgers(5)
		d.checkKeys(0)
		d.checkSKUs(5)
	}()
	<-done
	return opened, a.wrong, a.err
}

// TestAnyFlippedBit damages every file of a data directory, one bit at a time: the start refuses, or
// whoever reads what is damaged is told, in words that name the file; or nothing is wrong. Never is
// anything else told than what was stored.
func TestAnyFlippedBit(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	outcomes := make(map[string]int)
	for _, keep := range []int64{1, 40 << 10} {
		fsys := vfs.NewMem()
		o := small(fsys)
		o.LogKeep = keep
		flipEach(t, rng, lived(t, rng, o), o, outcomes)
	}
	for _, outcome := range slices.Sorted(maps.Keys(outcomes)) {
		t.Logf("%-24s %d", outcome, outcomes[outcome])
	}
	for _, must := range []string{"log refused", "table refused", "MANIFEST.json refused", "MANIFEST refused"} {
		if outcomes[must] == 0 {
			t.Errorf("%s: never", must)
		}
	}
}

// lived makes a directory that was saved often and whose log was cut, if it is not all kept.
func lived(t *testing.T, rng *rand.Rand, o Options) *driver {
	t.Helper()
	o.upkeepEvery = time.Millisecond
	d := newDriver(t, rng, open(t, o))
	for n := 0; n < 500 || o.LogKeep == 1 && d.store.wal.First() == 1; n++ {
		d.act(6)
		if n%50 == 49 {
			d.durable()
			d.save()
			time.Sleep(3 * time.Millisecond) // Conversion and cut come behind.
		}
	}
	d.save()
	d.durable()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// framesEnd is where the frames of each segment end that somebody vouches for: the seal at the very
// end has nobody behind it.
func framesEnd(t *testing.T, fsys vfs.FS) map[string]int {
	t.Helper()
	log, err := wal.Open(fsys.PathJoin(dataDir, logDir), wal.Options{FS: fsys, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	ends := make(map[string]int)
	if err := log.Copy(0, func(name string, s wal.Segment, _ io.Reader) error {
		ends[name] = int(s.Bytes)
		if !s.Sealed {
			ends[name] -= sealBytes
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return ends
}

// sealBytes is the size of a seal.
const sealBytes = 40

// names reports whether an error says which file is damaged. Pebble takes damage in its MANIFEST for
// the end of it: what follows from that is noticed, and says where it may come from.
func names(err error, file string) bool {
	if kind := kind(file); kind == "MANIFEST" || kind == "OPTIONS" {
		return strings.Contains(err.Error(), kind)
	}
	return strings.Contains(err.Error(), path.Base(file))
}

// flipEach flips bits in each file of a directory that was closed.
func flipEach(t *testing.T, rng *rand.Rand, d *driver, o Options, outcomes map[string]int) {
	t.Helper()
	fsys := o.FS
	flips := 6
	if testing.Short() {
		flips = 1
	}
	whole := dump(t, fsys, dataDir)
	ends := framesEnd(t, fsys)
	for _, file := range slices.Sorted(maps.Keys(whole)) {
		size := len(whole[file])
		if size == 0 || strings.HasSuffix(file, "/") {
			continue
		}
		for range flips {
			at := rng.IntN(size)
			if kind(file) == "log" { // Most of its header's page is never read.
				at = 3500 + rng.IntN(min(size-3500, 8<<10))
			}
			restore(t, fsys, dataDir, whole)
			flip(t, fsys, file, at)
			switch opened, wrong, err := ask(d, o); {
			case wrong != "":
				t.Errorf("%s damaged at %d: %s", file, at, wrong)
			case err == nil && at >= 4096 && at < ends[path.Base(file)]:
				t.Errorf("%s damaged at %d went unnoticed", file, at)
			case err == nil:
				outcomes[kind(file)+" harmless"]++
			case !names(err, file):
				t.Errorf("%s damaged at %d is not named: %v", file, at, err)
			case opened:
				outcomes[kind(file)+" told"]++
			default:
				outcomes[kind(file)+" refused"]++
			}
		}
	}
	restore(t, fsys, dataDir, whole)
	if _, wrong, err := ask(d, o); err != nil || wrong != "" {
		t.Errorf("without damage: %v %s", err, wrong)
	}
}

func kind(file string) string {
	switch {
	case strings.HasPrefix(path.Base(file), "spare"):
		return "spare"
	case strings.HasSuffix(file, ".wal"):
		return "log"
	case strings.HasSuffix(file, ".sst"):
		return "table"
	}
	name, _, _ := strings.Cut(path.Base(file), "-")
	return name
}
