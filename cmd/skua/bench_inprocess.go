package main

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// inProcess is the actors' port as a driver.
type inProcess struct {
	port gateway.Port
	tell bool
}

// submission is a command that the actors have. It is used again, so that handing one over
// allocates nothing.
type submission struct {
	cmd    *engine.Command
	tell   bool
	done   func(error)
	answer func(*engine.Answer)
}

var submissions sync.Pool

func (d inProcess) Start(c *engine.Command, done func(error)) {
	s, _ := submissions.Get().(*submission)
	if s == nil {
		s = new(submission)
		s.answer = s.end
	}
	s.cmd, s.tell, s.done = c, d.tell, done
	d.port.Submit(c, s.answer)
}

func (s *submission) end(a *engine.Answer) {
	err, done := outcome(s.cmd, a, s.tell), s.done
	s.cmd, s.done = nil, nil
	submissions.Put(s)
	done(err)
}

// outcome is the error that an answer comes to. tell says that a reservation has to be found again.
func outcome(c *engine.Command, a *engine.Answer, tell bool) error {
	switch {
	case a.Err != nil:
		return a.Err
	case a.Refusal.Refused():
		return errors.New(a.Refusal.Code.String())
	case tell && c.Op == engine.OpReserve:
		c.Reservation = a.Reservation.Ref
	}
	return nil
}

// together is the actors' port with up to size commands handed over at once.
type together struct {
	inProcess
	size int
}

// Lane implements bench.Laned.
func (d together) Lane(int, int) bench.Driver { return &handful{together: d} }

// Start implements bench.Driver for commands that come alone.
func (d together) Start(c *engine.Command, done func(error)) { d.inProcess.Start(c, done) }

// handful gathers the commands of one worker.
type handful struct {
	together
	next *submissionBatch
}

// submissionBatch is commands that the actors have. It is used again when all are answered.
type submissionBatch struct {
	cmds   []*engine.Command
	done   []func(error)
	tell   bool
	open   atomic.Int64
	answer func(int, *engine.Answer)
}

var submissionBatches sync.Pool

func (h *handful) Start(c *engine.Command, done func(error)) {
	b := h.next
	if b == nil {
		if b, _ = submissionBatches.Get().(*submissionBatch); b == nil {
			b = new(submissionBatch)
			b.answer = b.end
		}
		b.cmds, b.done, b.tell = b.cmds[:0], b.done[:0], h.tell
		h.next = b
	}
	b.cmds, b.done = append(b.cmds, c), append(b.done, done)
	if len(b.cmds) == h.size {
		h.Flush()
	}
}

// Flush implements bench.Flusher: what is there goes, since nothing would come of waiting.
func (h *handful) Flush() {
	if b := h.next; b != nil {
		h.next = nil
		b.open.Store(int64(len(b.cmds)) + 1) // The one more is this call, which reads the slice.
		h.port.SubmitEach(b.cmds, b.answer)
		b.leave()
	}
}

func (b *submissionBatch) end(i int, a *engine.Answer) {
	c, done := b.cmds[i], b.done[i]
	b.cmds[i], b.done[i] = nil, nil
	done(outcome(c, a, b.tell))
	b.leave()
}

func (b *submissionBatch) leave() {
	if b.open.Add(-1) == 0 {
		submissionBatches.Put(b)
	}
}
