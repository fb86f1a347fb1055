package persistence

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/engine"
)

// Before the disk is full new changes are refused. Reads and expiry go on, and with room again
// changes are taken.
func TestDiskNearlyFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		o := small(fs)
		o.DiskReserve = 1 << 20
		space := func(left uint64) {
			fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: left, TotalBytes: 1 << 30, UsedBytes: 1<<30 - left})
			time.Sleep(time.Second)
		}
		d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
		for range 200 {
			d.act(4)
		}
		for range 3 {
			space(1<<20 + 1)
			if err := d.store.Accepting(); err != nil {
				t.Errorf("refused with a byte more than the reserve: %v", err)
			}
			space(1<<20 - 1)
			if err := d.store.Accepting(); !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("%v", err)
			}
			d.durable()
			d.reload(true)
			d.checkLedgers(10)
			d.checkKeys(0)
			d.now += engine.Time(time.Hour.Milliseconds())
			for sku := range d.items {
				d.expire(sku)
			}
			d.save()
		}
		space(1 << 29)
		if err := d.store.Accepting(); err != nil {
			t.Errorf("still refused with room: %v", err)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		clean(t, fs)
	})
}

// Readers of the log keep it. When one lags so far that the log is too large, changes are refused
// until it has caught up.
func TestAReaderLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		o := small(fs)
		o.LogBytesMax = 200 << 10
		d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
		var read atomic.Uint64
		d.store.KeepLog("reader", read.Load)
		d.store.KeepLog("another", func() uint64 { return 1 << 60 })
		if d.store.Overdue() {
			t.Error("a snapshot is overdue of nothing")
		}
		for i := 0; d.store.Accepting() == nil; i++ {
			if i > 100 {
				t.Fatalf("the log has %d bytes, and nothing is refused", d.store.LogBytes())
			}
			for range 100 {
				d.act(4)
			}
			d.save()
			time.Sleep(time.Second)
		}
		if oldest, _ := d.store.Bounds(); oldest != 1 {
			t.Errorf("the log begins at %d, the reader has read nothing", oldest)
		}
		if !d.store.Overdue() {
			t.Error("changes are refused, and no snapshot is overdue")
		}
		read.Store(d.store.Durable())
		time.Sleep(time.Second)
		if oldest, _ := d.store.Bounds(); oldest != 1 {
			t.Errorf("the log begins at %d, but that its reader has gone on is not noted", oldest)
		}
		d.save()
		d.save()
		time.Sleep(2 * time.Second)
		if err := d.store.Accepting(); err != nil {
			t.Errorf("still refused although the reader has caught up: %v", err)
		}
		if d.store.Overdue() {
			t.Error("nothing is kept for a snapshot, and one is overdue")
		}
		if oldest, _ := d.store.Bounds(); oldest == 1 {
			t.Error("the log was not cut")
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// The log is kept for a reader of the last run from where that was noted, until it comes back and
// goes on, or has not come for a while.
func TestTheLogWaitsForItsReaders(t *testing.T) {
	for _, comes := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			fs := vfs.NewMem()
			d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, small(fs)))
			read := uint64(0)
			d.store.KeepLog("reader", func() uint64 { return read })
			for range 300 {
				d.act(4)
			}
			d.durable()
			read = 5
			d.save()
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			d.rewind(open(t, small(fs)))
			more := func() {
				for range 300 {
					d.act(4)
				}
				for range 3 {
					d.save()
					time.Sleep(2 * time.Second)
				}
			}
			more()
			at, err := d.store.ReaderAt("reader")
			if err != nil || at != 5 {
				t.Errorf("the reader was at 5, noted is %d, %v", at, err)
			}
			if oldest, _ := d.store.Bounds(); oldest > 6 {
				t.Errorf("the log begins at %d, the reader goes on at 6", oldest)
			}
			if comes {
				d.store.KeepLog("reader", d.store.Durable)
			} else {
				time.Sleep(readerGrace)
			}
			more()
			if oldest, _ := d.store.Bounds(); oldest <= 6 {
				t.Errorf("the log still begins at %d", oldest)
			}
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// When no key may be forgotten yet, and there is no room for another, changes are refused.
func TestTableOfKeysIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		o := small(fs)
		o.KeyBytes, o.KeyWindowMin = 1, time.Hour
		d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
		d.now = engine.Time(time.Now().UnixMilli())
		start := d.now
		d.do(&engine.Command{Op: engine.OpPutItem, SKU: "A", Key: "put"})
		for i := 0; d.store.Accepting() == nil; i++ {
			if i > 100 {
				t.Fatalf("%d keys are held, and nothing is refused", d.store.recall.size())
			}
			for n := range 100 {
				d.do(&engine.Command{Op: engine.OpReceive, SKU: "A", Location: "main", Quantity: 1, Key: fmt.Sprint(i, "-", n)})
			}
			time.Sleep(time.Second)
			d.now = engine.Time(time.Now().UnixMilli())
		}
		d.durable()
		d.checkKeys(start)
		time.Sleep(time.Hour)
		if err := d.store.Accepting(); err != nil {
			t.Errorf("still refused, although keys may be forgotten: %v", err)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A record that is refused leaves the numbers as they were: the next one follows the last.
func TestARefusedRecordLeavesNoGap(t *testing.T) {
	fs := vfs.NewMem()
	d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, small(fs)))
	for range 50 {
		d.act(4)
	}
	huge := engine.Record{Time: d.now, SKUs: d.order([]string{"item-000", "item-001", "item-002", "item-003"})}
	act := huge.Add()
	act.Op, act.Reference = engine.OpReceive, string(make([]byte, 9<<20))
	act.Events = []engine.Event{{Type: engine.StockReceived, Sequence: 1}}
	last := d.store.wal.Last()
	if _, err := d.store.Append(&huge, nil, nil); err == nil || d.store.wal.Last() != last {
		t.Fatalf("%v", err)
	}
	for range 50 {
		d.act(4)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	clean(t, fs)
	d.rewind(open(t, small(fs)))
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
}
