package node

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence"
	"github.com/skua-stock/skua/persistence/crashdisk"
)

// bubble opens a node whose time is that of a synctest bubble, so that hours pass in no time and
// every millisecond can be stepped on. Items are passivated as soon as they may.
func bubble(t *testing.T, fs vfs.FS) *Node {
	t.Helper()
	n, err := Open(Config{
		Dir: "data", SnapshotEvery: 10 * time.Second, Limits: actors.Limits{IdleAfter: time.Second},
		Store: persistence.Options{FS: fs, SegmentBytes: 64 << 10, LogKeep: 1, CacheBytes: 1 << 20, KeyBytes: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func stocked(t *testing.T, n *Node, sku string, units int64) {
	t.Helper()
	must(t, n, engine.Command{Op: engine.OpPutItem, SKU: sku, Key: "put" + sku})
	must(t, n, engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: units, Key: "receive" + sku})
}

func reserve(t *testing.T, n *Node, key, sku string, units int64, ttl time.Duration) engine.ReservationView {
	t.Helper()
	return must(t, n, engine.Command{
		Op: engine.OpReserve, Key: key, TTL: ttl.Milliseconds(), Lines: []engine.Line{{SKU: sku, Location: "main", Quantity: units}},
	}).Reservation
}

func available(t *testing.T, n *Node, sku string) int64 {
	t.Helper()
	return must(t, n, engine.Command{Op: engine.OpGetItem, SKU: sku}).Item.Total(engine.Available)
}

func TestExpiryToTheMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := bubble(t, vfs.NewMem())
		stocked(t, n, "A", 5)
		r := reserve(t, n, "r", "A", 5, 15*time.Minute)
		time.Sleep(time.Until(time.UnixMilli(int64(r.ExpiresAt)).Add(-time.Millisecond)))
		if got := available(t, n, "A"); got != 0 {
			t.Errorf("%d units are available a millisecond early", got)
		}
		if a := do(n, engine.Command{Op: engine.OpReserve, Key: "early", Lines: []engine.Line{{SKU: "A", Quantity: 1}}}); a.Refusal.Code != engine.InsufficientStock {
			t.Errorf("%+v", a)
		}
		time.Sleep(time.Millisecond)
		r2 := reserve(t, n, "on time", "A", 5, time.Hour)
		if r2.State != engine.Active {
			t.Errorf("%+v", r2)
		}
		if a := do(n, engine.Command{Op: engine.OpConfirm, Key: "late", Reservation: r.Ref}); a.Refusal.Code != engine.ReservationExpired {
			t.Errorf("%+v", a)
		}
		shut(t, n)
	})
}

// The expiry of a hold is written when it falls due, whether or not anybody asks, and whether or
// not the item is in memory.
func TestExpiryIsWrittenOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := bubble(t, vfs.NewMem())
		due := make(map[string]engine.Time)
		for i := range 20 {
			sku := fmt.Sprint("S", i)
			stocked(t, n, sku, 1)
			due[sku] = reserve(t, n, "r"+sku, sku, 1, time.Duration(3600+i)*time.Second).ExpiresAt
		}
		time.Sleep(time.Minute)
		if resident := n.Resident(); resident != 0 {
			t.Errorf("%d items are in memory, nobody uses any", resident)
		}
		time.Sleep(2 * time.Hour)
		for sku, at := range due {
			h, err := n.History(context.Background(), sku, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			if m := h.Movements[0]; m.Type != engine.ReservationExpiredEvent || m.At != at {
				t.Errorf("%s: due at %d, but %s at %d", sku, at, m.Type, m.At)
			}
		}
		shut(t, n)
	})
}

func TestExpiryThroughARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := crashdisk.New()
		n := bubble(t, fs)
		stocked(t, n, "A", 2)
		gone := reserve(t, n, "short", "A", 1, time.Minute)
		kept := reserve(t, n, "long", "A", 1, time.Hour)
		disk := fs.CrashClone(vfs.CrashCloneCfg{})
		shut(t, n)
		time.Sleep(10 * time.Minute)
		n = bubble(t, disk)
		if got := available(t, n, "A"); got != 1 {
			t.Errorf("%d available after the restart, want 1", got)
		}
		if a := must(t, n, engine.Command{Op: engine.OpGetReservation, Reservation: gone.Ref}); a.Reservation.State != engine.Expired {
			t.Errorf("%+v", a.Reservation)
		}
		if a := must(t, n, engine.Command{Op: engine.OpGetReservation, Reservation: kept.Ref}); a.Reservation.State != engine.Active {
			t.Errorf("%+v", a.Reservation)
		}
		must(t, n, engine.Command{Op: engine.OpConfirm, Key: "c", Reservation: kept.Ref})
		shut(t, n)
	})
}

// A wall clock that is set back brings no hold back, and one that was ahead does not stop time.
func TestClockSetBack(t *testing.T) {
	fs := vfs.NewMem()
	var ahead atomic.Int64 // nanoseconds since the epoch
	ahead.Store(time.Now().Add(time.Hour).UnixNano())
	now := func() time.Time { return time.Unix(0, ahead.Load()) }
	n := withClock(t, fs, now)
	stocked(t, n, "A", 1)
	r := reserve(t, n, "r", "A", 1, time.Minute)
	ahead.Add(int64(2 * time.Minute))
	if got := available(t, n, "A"); got != 1 {
		t.Errorf("%d available", got)
	}
	ahead.Add(-int64(90 * time.Minute))
	if a := do(n, engine.Command{Op: engine.OpConfirm, Key: "c", Reservation: r.Ref}); a.Refusal.Code != engine.ReservationExpired {
		t.Errorf("%+v", a)
	}
	shut(t, n)
	n = withClock(t, fs, now)
	if a := do(n, engine.Command{Op: engine.OpConfirm, Key: "c2", Reservation: r.Ref}); a.Refusal.Code != engine.ReservationExpired {
		t.Errorf("%+v", a)
	}
	if again := reserve(t, n, "r2", "A", 1, time.Minute); again.ExpiresAt <= r.ExpiresAt {
		t.Errorf("a hold that is made after another is over falls due at %d, before the other at %d", again.ExpiresAt, r.ExpiresAt)
	}
	shut(t, n)
}

func withClock(t *testing.T, fs vfs.FS, now func() time.Time) *Node {
	t.Helper()
	n, err := Open(Config{Dir: "data", Now: now, Store: persistence.Options{FS: fs, SegmentBytes: 64 << 10, CacheBytes: 1 << 20, KeyBytes: 1 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func shut(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Shut(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}
