package gateway

import (
	"context"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// tardy is a port that answers looks at reservations only when it is told to.
type tardy struct {
	bursts
	end  func()
	late []func()
}

func (p *tardy) Reservation(string) (engine.ReservationRef, bool) {
	return engine.ReservationRef{Home: "A", Nonce: 1}, true
}

func (p *tardy) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	for i, c := range cs {
		a := &engine.Answer{Op: c.Op, Reservation: engine.ReservationView{Ref: c.Reservation}}
		if c.Op == engine.OpGetReservation {
			p.late = append(p.late, func() { answer(i, a) })
		} else {
			answer(i, a)
		}
	}
	p.end()
}

// TestItemsComeWhenTheBatchIsOver: a client that left ends its batch, whose memory is another's by the time
// that the items of a step are known.
func TestItemsComeWhenTheBatchIsOver(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &tardy{end: cancel}
	r := Reader{Port: p}
	_, problem := r.Batch(ctx, &Caller{}, nil, []byte(`{"operations":[`+
		`{"op":"release","id":"x","idempotency_key":"k1"},{"op":"release","id":"x","idempotency_key":"k2"}]}`))
	if problem != nil {
		t.Fatal(problem)
	}
	for _, answer := range p.late {
		answer()
	}
}
