package node

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/persistence"
)

var (
	_ gateway.Port  = (*Node)(nil)
	_ gateway.Books = (*Node)(nil)
	_ gateway.Feed  = (*Node)(nil)
)

func open(t *testing.T, fs vfs.FS) *Node {
	t.Helper()
	n, err := Open(Config{Dir: "data", SnapshotEvery: 20 * time.Millisecond, Store: persistence.Options{
		FS: fs, SegmentBytes: 64 << 10, LogKeep: 1, CacheBytes: 1 << 20, KeyBytes: 1 << 20,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func do(n *Node, c engine.Command) engine.Answer {
	if r := c.Validate(); r.Refused() {
		return engine.Answer{Refusal: r}
	}
	answers := make(chan engine.Answer, 1)
	n.Submit(&c, func(a *engine.Answer) { answers <- a.Clone() })
	return <-answers
}

func must(t *testing.T, n *Node, c engine.Command) engine.Answer {
	t.Helper()
	a := do(n, c)
	if a.Err != nil || a.Refusal.Refused() {
		t.Fatalf("%s: %v %+v", c.Op, a.Err, a.Refusal)
	}
	return a
}

func TestLifeAcrossARestart(t *testing.T) {
	fs := vfs.NewMem()
	n := open(t, fs)
	for i := range 3 {
		sku := fmt.Sprint("S", i)
		must(t, n, engine.Command{Op: engine.OpPutItem, SKU: sku, Key: "put" + sku})
		must(t, n, engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: 100, Key: "recv" + sku})
	}
	order := engine.Command{
		Op: engine.OpReserve, Key: "o1", Lines: []engine.Line{{SKU: "S0", Location: "main", Quantity: 2}, {SKU: "S1", Quantity: 3}, {SKU: "S2", Location: "main", Quantity: 1}},
	}
	a := must(t, n, order)
	ref := a.Reservation.Ref
	if got, ok := n.Reservation(string(n.AppendReservationID(nil, ref))); !ok || got != ref {
		t.Fatal(got, ok)
	}
	if a := must(t, n, order); !a.Replayed || a.Reservation.Ref != ref {
		t.Fatalf("%+v", a)
	}
	if err := n.Shut(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	n = open(t, fs)
	if a := must(t, n, order); !a.Replayed || a.Reservation.Ref != ref {
		t.Fatalf("%+v", a)
	}
	must(t, n, engine.Command{Op: engine.OpConfirm, Key: "c1", Reservation: ref})
	if a := do(n, engine.Command{Op: engine.OpConfirm, Key: "c2", Reservation: ref}); a.Refusal.Code != engine.ReservationAlreadyConfirmed {
		t.Fatalf("%+v", a)
	}
	must(t, n, engine.Command{Op: engine.OpFulfill, Key: "f1", Reservation: ref})
	if a := do(n, engine.Command{Op: engine.OpFulfill, Key: "f2", Reservation: ref}); a.Refusal.Code != engine.ReservationAlreadyFulfilled {
		t.Fatalf("%+v", a)
	}
	if a := must(t, n, engine.Command{Op: engine.OpGetReservation, Reservation: ref}); a.Reservation.State != engine.Fulfilled || len(a.Reservation.Lines) != 3 {
		t.Fatalf("%+v", a)
	}
	h, err := n.History(context.Background(), "S1", 0, 10)
	if err != nil || len(h.Movements) != 5 || h.More || h.Movements[0].Type != engine.StockFulfilled {
		t.Fatalf("%+v %v", h, err)
	}
	if err := n.Shut(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
}

// TestOverdue: when the log grows fast, a snapshot does not wait for its time, but does not follow the one
// before at once either.
func TestOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, err := Open(Config{Dir: "data", SnapshotEvery: time.Hour, Store: persistence.Options{
			FS: vfs.NewMem(), SegmentBytes: 64 << 10, LogKeep: 1, CacheBytes: 1 << 20, KeyBytes: 1 << 20, LogBytesMax: 1 << 20,
		}})
		if err != nil {
			t.Fatal(err)
		}
		must(t, n, engine.Command{Op: engine.OpPutItem, SKU: "S", Key: "put"})
		for round := range 2 {
			for i := 0; !n.Store.Overdue(); i++ {
				must(t, n, engine.Command{Op: engine.OpReceive, SKU: "S", Location: "main", Quantity: 1, Key: fmt.Sprint(round, " ", i)})
			}
			if err := n.Store.Accepting(); err != nil {
				t.Fatalf("it is overdue only when it is too late: %v", err)
			}
			time.Sleep(SnapshotLeast - 7*overdueEvery)
			synctest.Wait()
			if !n.Store.Overdue() {
				t.Errorf("round %d: a snapshot came at once", round)
			}
			time.Sleep(SnapshotLeast)
			synctest.Wait()
			if n.Store.Overdue() {
				t.Errorf("round %d: no snapshot came", round)
			}
		}
		if err := n.Shut(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	})
}
