//go:build unix

package events

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"testing"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// flow is a durable log of reservations of one unit of many SKUs, one to a record, that costs
// nothing to read: what is measured is the outbox.
type flow struct {
	newest uint64
	skus   []string
}

// flowSKUs is how many SKUs there are, each a subject of the stream.
const flowSKUs = 100_000

func newFlow(newest int) *flow {
	f := &flow{newest: uint64(newest), skus: make([]string, flowSKUs)}
	for i := range f.skus {
		f.skus[i] = fmt.Sprintf("SKU-%06d", i)
	}
	return f
}

func (f *flow) Bounds() (oldest, newest uint64) { return 1, f.newest }

func (f *flow) Follow(from uint64) gateway.Follower {
	w := &flowFollower{f: f, next: from}
	m := exampleMovement()
	w.record = engine.Record{Time: m.At, SKUs: []string{""}, Acts: []engine.Act{{
		Op: engine.OpReserve, Reason: m.Reason, Reservation: m.Reservation, Owner: m.Owner, ExpiresAt: m.ExpiresAt,
		Events: []engine.Event{{
			Type: m.Type, Level: m.Level, Before: m.Before, After: m.After, Quantity: 1,
		}},
	}}}
	return w
}

type flowFollower struct {
	f      *flow
	next   uint64
	record engine.Record
}

func (w *flowFollower) Next(ctx context.Context) (uint64, *engine.Record, error) {
	if w.next > w.f.newest {
		<-ctx.Done()
		return 0, nil, ctx.Err()
	}
	i := w.next
	w.next++
	w.record.Time += engine.Time(i % 16 / 15) // Sixteen a millisecond.
	w.record.SKUs[0] = w.f.skus[i*7919%flowSKUs]
	w.record.Acts[0].Events[0].Sequence = i / flowSKUs
	return i, &w.record, nil
}

func (w *flowFollower) Close() error { return nil }

// cpu is the CPU time that the process has used, in microseconds.
func cpu(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}

// BenchmarkOutbox publishes records of one movement through an embedded server within the process.
// What counts is cpu-µs/event: of the outbox and the server with its store together.
func BenchmarkOutbox(b *testing.B) {
	h := newHarness(b)
	h.startServer()
	h.config.Feed = newFlow(b.N)
	runtime.GC()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	h.startOutbox()
	eventually(b, "everything to be published", func() bool { return h.outbox.Published() == uint64(b.N) })
	b.StopTimer()
	b.ReportMetric((cpu(b)-before)/float64(b.N), "cpu-µs/event")
}
