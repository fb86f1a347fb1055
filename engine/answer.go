package engine

import (
	"errors"
	"slices"
)

// Operating failures: not the command's fault, and nothing is known to have changed by it unless
// the error says so. A retry with the same key is always safe.
var (
	// ErrOverloaded means that a limit of work in flight was reached; nothing was done.
	ErrOverloaded = errors.New("too much work in flight")
	// ErrUnavailable means that changes are not taken now (starting, stopping, disk nearly full,
	// or the log failed).
	ErrUnavailable = errors.New("changes are not taken now")
	// ErrInternal means that a bug was met; the command changed nothing.
	ErrInternal = errors.New("internal error")
)

// Answer is what comes of a command: an error, a refusal, or what was asked for. What nearly every answer
// has, or is asked for, is together at the end: of the thousands that are under way none is in a
// processor's cache.
type Answer struct {
	// Of the operations on one item: the sequence of its last movement by this command, and the
	// level after it. Created is for OpPutItem.
	SKU      string
	Sequence uint64
	Level    LevelView
	Settings *Settings
	// Item is what OpGetItem read.
	Item *ItemView

	Refusal Refusal
	// Err is an operating failure.
	Err error
	Op  Op
	// Replayed says that the key was known: this is the answer of the first time.
	Replayed, Created bool

	// Of reservations.
	Reservation ReservationView
}

// ReservationView is a reservation as clients see it.
type ReservationView struct {
	Ref       ReservationRef
	State     ReservationState
	Owner     string
	ExpiresAt Time
	Lines     []LineView
}

// LineView is one line of a reservation as clients see it. Sequence is that of the item after
// the step that is answered, zero where the step left the line alone.
type LineView struct {
	SKU, Location string
	LineStatus
	Sequence uint64
}

// Clone copies an answer that was only lent.
func (a *Answer) Clone() Answer {
	c := *a
	c.Reservation.Lines = append([]LineView(nil), a.Reservation.Lines...)
	return c
}

// Answer derives what the command of one act is told. It is a function of the record, so that a
// retry years of code later gets the same answer.
func (r *Record) Answer(act int) (ans Answer) {
	r.AnswerTo(&ans, act)
	return ans
}

// AnswerTo is Answer into an empty answer, perhaps one that was renewed.
func (r *Record) AnswerTo(ans *Answer, act int) {
	a := &r.Acts[act]
	ans.Op = a.Op
	if a.Reservation.Nonce != 0 {
		r.viewReservation(&ans.Reservation, a, ans.Reservation.Lines[:0])
		return
	}
	last := &a.Events[len(a.Events)-1]
	ans.SKU, ans.Sequence = r.SKUs[last.Stock], last.Sequence
	if a.Op == OpPutItem {
		ans.Created = a.Events[0].Type == ItemCreated
		ans.Settings = a.Events[0].Settings
		return
	}
	ans.Level = LevelView{Key: last.Level, Counts: last.After}
}

// Renew empties an answer and keeps the memory of its lines. Of one that tells of a reservation, the
// memory of what it does not have is left alone.
func (a *Answer) Renew() {
	lines := a.Reservation.Lines
	clear(lines)
	if a.Reservation.Ref.Nonce != 0 && a.Err == nil && !a.Refusal.Refused() {
		a.Op, a.Replayed, a.Reservation = 0, false, ReservationView{}
	} else {
		*a = Answer{}
	}
	a.Reservation.Lines = lines[:0]
}

func (r *Record) viewReservation(v *ReservationView, a *Act, lines []LineView) {
	v.Ref, v.State, v.Owner, v.ExpiresAt = a.Reservation, a.State, a.Owner, a.ExpiresAt
	lines = slices.Grow(lines, len(a.Events)+len(a.Others))
	for i := range a.Events {
		e := &a.Events[i]
		lines = append(lines, LineView{
			SKU: r.SKUs[e.Stock], Location: e.Level.Location, LineStatus: e.Line, Sequence: e.Sequence,
		})
	}
	for _, l := range a.Others {
		lines = append(lines, LineView{SKU: l.SKU, Location: l.Location, LineStatus: LineStatus{Quantity: l.Quantity}})
	}
	v.Lines = lines
}

// StepRefused says why a step cannot be taken on a reservation in a state, or that it can.
func StepRefused(op Op, state ReservationState) Refusal {
	const field = "id"
	switch state {
	case Expired:
		return refuse(ReservationExpired, field, "the reservation expired; its units were given back")
	case Released:
		return refuse(ReservationAlreadyReleased, field, "the reservation was released before")
	case Cancelled:
		return refuse(ReservationAlreadyCancelled, field, "the order was cancelled before")
	case Fulfilled:
		return refuse(ReservationAlreadyFulfilled, field, "the order was fulfilled before")
	case Confirmed, PartiallyFulfilled:
		if op == OpConfirm || op == OpRelease || op == OpExtend {
			return refuse(ReservationAlreadyConfirmed, field, "the reservation was confirmed before")
		}
	case Active:
		if op == OpFulfill || op == OpCancel {
			return refuse(ReservationNotConfirmed, field, "the reservation is not confirmed yet")
		}
	case StateNone:
		return refuse(ReservationNotFound, field, "there is no such reservation, or it has been over for long")
	}
	return Refusal{}
}
