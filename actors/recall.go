package actors

import (
	"errors"
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// ErrForgotten means that a record is not kept any more.
var ErrForgotten = errors.New("record is not kept any more")

// replay answers a command whose key was found, from the record it was found in. That is read off
// the actors' path. The table of keys has 64 bits of each, so the record is looked at: a key that
// is not in it was found by mistake, and the command is decided after all.
func (s *System) replay(k *call, index uint64) {
	s.readDurable(index, k, func() {
		r, err := s.memory.Record(k.cell.sku, index)
		if err == nil {
			if act := actOf(r, k.cmd); act >= 0 {
				k.ans = s.replayed(r, act, k.cmd)
				k.Durable(nil)
				return
			}
		} else if !errors.Is(err, ErrForgotten) {
			s.log("read the record of a key", "sku", k.cell.sku, "index", index, "error", err)
			k.refuse(engine.ErrUnavailable)
			return
		}
		k.fresh, k.now = index, 0 // Its turn is another one, at another time.
		k.cell.post(k)
	})
}

// actOf finds the act of a command's key in a record, or -1.
func actOf(r *engine.Record, cmd *engine.Command) int {
	hash := cmd.KeyHash()
	for i := range r.Acts {
		if r.Acts[i].KeyHash == hash {
			return i
		}
	}
	return -1
}

// replayed is the answer of a recorded act to a command with its key.
func (s *System) replayed(r *engine.Record, act int, cmd *engine.Command) engine.Answer {
	s.metrics.replayed.Inc()
	if r.Acts[act].Fingerprint != cmd.Fingerprint() {
		return engine.Answer{Op: cmd.Op, Refusal: engine.Refusal{
			Code: engine.IdempotencyKeyParameterMismatch, Field: "Idempotency-Key",
			Detail: "the key was used for another command before",
		}}
	}
	ans := r.Answer(act)
	ans.Replayed = true
	return ans
}

// obituary answers for a reservation that is over, from the record that ended it.
func (s *System) obituary(k *call, index uint64) {
	s.readDurable(index, k, func() {
		r, err := s.memory.Record(k.cmd.Reservation.Home, index)
		if err != nil && !errors.Is(err, ErrForgotten) {
			s.log("read the end of a reservation", "sku", k.cell.sku, "index", index, "error", err)
			k.refuse(engine.ErrUnavailable)
			return
		}
		k.ans.Refusal = engine.StepRefused(k.cmd.Op, engine.StateNone)
		if r != nil {
			s.tellEnd(k, r)
		}
		k.Durable(nil)
	})
}

func (s *System) tellEnd(k *call, r *engine.Record) {
	for i := range r.Acts {
		act := &r.Acts[i]
		if act.Reservation != k.cmd.Reservation || !act.State.Final() {
			continue
		}
		if k.cmd.Op != engine.OpGetReservation {
			k.ans.Refusal = engine.StepRefused(k.cmd.Op, act.State)
			return
		}
		k.ans = r.Answer(i)
		k.ans.Op = k.cmd.Op
		return
	}
}

// readDurable runs f as read does, once the log is durable through an index; w is told when that
// will never be. No goroutine waits for it, or those that load items would wait for them.
func (s *System) readDurable(index uint64, w Waiter, f func()) {
	s.wal.Await(index, &durableRead{s, w, f})
}

// durableRead is what waits for the record that is to be read.
type durableRead struct {
	sys *System
	w   Waiter
	f   func()
}

// Durable implements Waiter.
func (r *durableRead) Durable(err error) {
	if err != nil {
		r.w.Durable(err)
		return
	}
	r.sys.read(r.f)
}

// read runs f on a goroutine that may wait for the disk. How many there are is bounded by the
// commands in flight, how many read at once by readersMax. After Close nothing is read any more: the
// log, when it closes, may still tell those who wait for it.
func (s *System) read(f func()) {
	s.stopMu.RLock()
	defer s.stopMu.RUnlock()
	if s.stopped() {
		return
	}
	s.reading.Add(1)
	wait := s.pace("read")
	go func() {
		defer s.reading.Done()
		wait()
		s.readers <- struct{}{}
		defer func() { <-s.readers }()
		f()
	}()
}

func notFound(sku string) engine.Refusal {
	return engine.Refusal{
		Code: engine.ItemNotFound, Field: "sku", Detail: fmt.Sprintf("there is no item %q", sku),
		Lines: []engine.RefusedLine{{SKU: sku}},
	}
}
