package persistence

import (
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"
)

// TestStoreAgainstAModel uses a store as the actors do, over many small segments that are converted
// and cut meanwhile, closes and opens it at random moments, and holds everything that it can be
// asked against a list of what was done.
func TestStoreAgainstAModel(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	seed := drawSeed(t)
	for round := range 3 {
		synctest.Test(t, func(t *testing.T) { modelRound(t, seed+uint64(round)) })
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
}

func modelRound(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	fs := vfs.NewMem()
	d := newDriver(t, rng, open(t, small(fs)))
	items := 1 + rng.IntN(40)
	for range 25 {
		for range rng.IntN(120) {
			d.act(items)
		}
		switch rng.IntN(6) {
		case 0:
			d.save()
		case 1:
			d.durable()
			d.reload(true)
		case 2:
			d.save()
			time.Sleep(2 * time.Second) // Sealed segments are converted, and cut.
		case 3:
			d.durable()
			d.checkLedgers(1 + rng.IntN(9))
		case 4:
			d.checkKeys(0)
			d.checkSKUs(1 + rng.IntN(50))
		case 5:
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			clean(t, fs)
			d.store = open(t, small(fs))
			d.reload(false)
			d.checkKeys(0)
		}
	}
	d.durable()
	d.checkLedgers(3)
	d.checkKeys(0)
	for range 2 { // Converted first, and let go with the commit after that.
		d.save()
		time.Sleep(2 * time.Second)
	}
	if oldest, _ := d.store.Bounds(); oldest == 1 && d.store.wal.Last() > 1000 {
		t.Error("the log was never cut")
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if report := clean(t, fs); report.Items > len(d.items) || report.Items == 0 {
		t.Errorf("%+v", report)
	}
}

// Every page size gives the same list, across records of several items, log and history.
func TestLedgerPages(t *testing.T) {
	seed := drawSeed(t)
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		d := newDriver(t, rand.New(rand.NewPCG(seed, 1)), open(t, small(fs)))
		for range 600 {
			d.act(3)
		}
		d.save()
		time.Sleep(2 * time.Second)
		for range 50 {
			d.act(3)
		}
		d.durable()
		if d.store.converted.Load() == 0 {
			t.Fatal("nothing was converted")
		}
		longest := 0
		for _, it := range d.items {
			longest = max(longest, len(it.movements))
		}
		for limit := 1; limit <= longest+2; limit += 1 + limit/7 {
			d.checkLedgers(limit)
			d.store.pages = pages{} // The next ones have to walk.
		}
		for limit := longest; limit > 0; limit -= 1 + limit/3 {
			d.checkLedgers(limit)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Old history goes, by size, and answers say where it begins; keys are remembered through that for
// as long as they must be.
func TestRetention(t *testing.T) {
	seed := drawSeed(t)
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewMem()
		o := small(fs)
		o.HistoryBytes, o.KeyWindowMin = 20<<10, time.Minute
		d := newDriver(t, rng, open(t, o))
		whole := 0
		for range 12 {
			for range 150 {
				d.act(10)
			}
			d.save()
			time.Sleep(2 * time.Second)
			d.checkKeys(d.now - 60_000)
			whole = 0
			for _, it := range d.items {
				whole += len(it.movements)
			}
			d.checkLedgers(5)
			if rng.IntN(3) == 0 {
				if err := d.store.Close(); err != nil {
					t.Fatal(err)
				}
				clean(t, fs)
				d.store = open(t, o)
				d.reload(false)
			}
		}
		if kept := d.checkLedgers(7); kept == whole || kept == 0 {
			t.Errorf("%d of %d movements are kept", kept, whole)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		clean(t, fs)
	})
}

// What the converter works with goes when there was nothing to convert for a while, and is made again.
func TestTheConverterGivesItsMemoryBack(t *testing.T) {
	seed := drawSeed(t)
	synctest.Test(t, func(t *testing.T) {
		o := small(vfs.NewMem())
		var looking sync.Mutex // at the converter, which begins no round meanwhile
		o.Pace = func(string) func() {
			return func() {
				looking.Lock()
				defer looking.Unlock()
			}
		}
		d := newDriver(t, rand.New(rand.NewPCG(seed, 1)), open(t, o))
		empty := func() bool {
			looking.Lock()
			defer looking.Unlock()
			return reflect.ValueOf(&d.store.converter).Elem().IsZero()
		}
		for range 3 {
			before := d.store.converted.Load()
			for range 600 {
				d.act(3)
			}
			d.save()
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if d.store.converted.Load() == before || empty() {
				t.Fatal("nothing was converted, or its memory is gone at once")
			}
			time.Sleep(converterKept * d.store.o.upkeepEvery)
			synctest.Wait()
			if !empty() {
				t.Error("the converter is idle and keeps its memory")
			}
		}
		d.checkLedgers(10)
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
