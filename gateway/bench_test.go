package gateway

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
)

// bursts is a port that does nothing: it gathers the answers until there are some, or all that a
// batch has in flight, and gives them out at once, as the log does with its group commits.
type bursts struct {
	waiting []handed
	most    int
}

type handed struct {
	c      *engine.Command
	answer func(*engine.Answer)
}

func (p *bursts) Submit(c *engine.Command, answer func(*engine.Answer)) {
	if p.waiting = append(p.waiting, handed{c, answer}); len(p.waiting) < p.most {
		return
	}
	var lines [1]engine.LineView
	a := engine.Answer{Op: c.Op, Reservation: engine.ReservationView{State: engine.Active, ExpiresAt: 1_767_225_600_000, Lines: lines[:]}}
	for _, h := range p.waiting {
		l := &h.c.Lines[0]
		lines[0] = engine.LineView{SKU: l.SKU, Location: l.Location, LineStatus: engine.LineStatus{Quantity: 1, Open: 1}, Sequence: 9}
		a.Reservation.Ref = engine.ReservationRef{Home: l.SKU, Nonce: 1 << 63}
		h.answer(&a)
	}
	p.waiting = p.waiting[:0]
}

func (p *bursts) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	for i, c := range cs {
		p.Submit(c, func(a *engine.Answer) { answer(i, a) })
	}
}

func (p *bursts) SubmitAll([]*engine.Command, func([]engine.Answer))      {}
func (p *bursts) Reservation(string) (ref engine.ReservationRef, ok bool) { return ref, false }
func (p *bursts) AppendReservationID(b []byte, ref engine.ReservationRef) []byte {
	return testID(b, ref)
}

// BenchmarkBatch is a batch of reservations from its bytes to those of its answer, without an
// engine. Divide by the operations.
func BenchmarkBatch(b *testing.B) {
	const operations = 100
	raw := []byte(`{"operations":[`)
	for i := range operations {
		raw = fmt.Appendf(raw, `{"op":"reserve","idempotency_key":"run-1-%d","lines":[{"sku":"SKU-%d","location":"main","quantity":1}],"ttl_ms":900000},`,
			i+1000000, i+1000000)
	}
	raw = append(raw[:len(raw)-1], "]}"...)
	r := Reader{Port: &bursts{most: operations}, Metrics: NewMetrics(prometheus.NewRegistry()).Door("bench")}
	var out []byte
	who := new(Caller)
	b.ReportAllocs()
	for b.Loop() {
		var p *Problem
		if out, p = r.Batch(context.Background(), who, out[:0], raw); p != nil {
			b.Fatal(p)
		}
	}
	if n := bytes.Count(out, []byte(`"status":201`)); n != operations {
		b.Fatalf("%d of %d operations are done: %s", n, operations, out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*operations), "ns/operation")
}
