package httpapi

import (
	"slices"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// slot is where one request waits for its answer. It has the command too, which belongs to the
// engine until then.
type slot struct {
	message gateway.Message
	id      gateway.AppendID
	// grant is that of who reads, where it is a read: some see a part.
	grant *access.Grant

	// What came of it, written while the answer was lent: a problem, or the answer as text.
	problem  *gateway.Problem
	text     []byte
	status   int
	sequence uint64
	replayed bool
	ref      engine.ReservationRef

	// ready is told true for the answer, and false when time is up; there is room for both.
	ready chan bool
	timer *time.Timer
	// put is the method fill, bound once so that handing it over allocates nothing.
	put func(*engine.Answer)
	// spent says that the timer fired, so that ready may be told once more.
	spent bool
}

var slots = sync.Pool{New: func() any {
	w := &slot{ready: make(chan bool, 2)}
	w.timer = time.AfterFunc(time.Hour, func() { w.ready <- false })
	w.timer.Stop()
	w.put = w.fill
	return w
}}

// takeSlot returns a slot for one command of an operation.
func (s *Server) takeSlot(op engine.Op) *slot {
	w := slots.Get().(*slot)
	w.id = s.id
	w.message.Command.Op = op
	return w
}

func (w *slot) fill(a *engine.Answer) {
	c := &w.message.Command
	if a, w.problem = gateway.Seen(w.grant, c.Op, a); w.problem != nil {
		w.problem.Lines = slices.Clone(w.problem.Lines)
	} else {
		gateway.OrderLines(c, a)
		w.status, w.replayed, w.ref, w.sequence = gateway.StatusOf(c.Op, a), a.Replayed, a.Reservation.Ref, a.Sequence
		if a.Item != nil {
			w.sequence = a.Item.Sequence
		}
		w.text = gateway.AppendAnswer(w.text, c.Op, a, w.id)
	}
	w.ready <- true
}

// wait sleeps until the answer is there. When it returns false the slot was given up, and must
// not be used again: the answer may still come. That the client went away does not end the wait,
// since to learn of it costs more than it could save.
func (w *slot) wait(atMost time.Duration) bool {
	w.timer.Reset(atMost)
	if !<-w.ready {
		return false
	}
	w.spent = !w.timer.Stop()
	return true
}

// free gives the slot back after wait returned true, or when its command was not handed over.
func (w *slot) free() {
	if w.spent {
		return
	}
	if cap(w.text) > bufferKeptMax {
		w.text = nil
	}
	w.message.Reset()
	w.problem, w.grant, w.text, w.ref = nil, nil, w.text[:0], engine.ReservationRef{}
	slots.Put(w)
}

// buffer is memory for a body or an answer.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 1024)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	if cap(b.b) <= bufferKeptMax {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
