package engine

import "errors"

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

// Answer is what comes of a command: an error, a refusal, or what was asked for.
type Answer struct {
	Op Op
	// Err is an operating failure.
	Err     error
	Refusal Refusal
	// Replayed says that the key was known: this is the answer of the first time.
	Replayed bool

	// Of the operations on one item: the sequence of its last movement by this command, and the
	// level after it. Created is for OpPutItem.
	SKU      string
	Sequence uint64
	Level    LevelView
	Created  bool
	Settings *Settings
	// Item is what OpGetItem read.
	Item *ItemView

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

// Answer derives what the command of one act is told. It is a function of the record, so that a
// retry years of code later gets the same answer.
func (r *Record) Answer(act int) Answer { return r.AnswerIn(act, nil) }

// AnswerIn is Answer with the lines of a reservation in the memory of lines, if that is enough.
func (r *Record) AnswerIn(act int, lines []LineView) Answer {
	a := &r.Acts[act]
	ans := Answer{Op: a.Op}
	if a.Reservation.Nonce != 0 {
		ans.Reservation = r.reservationView(a, lines)
		return ans
	}
	last := &a.Events[len(a.Events)-1]
	ans.SKU, ans.Sequence = r.SKUs[last.Stock], last.Sequence
	if a.Op == OpPutItem {
		ans.Created = a.Events[0].Type == ItemCreated
		ans.Settings = a.Events[0].Settings
		return ans
	}
	ans.Level = LevelView{Key: last.Level, Counts: last.After}
	return ans
}

func (r *Record) reservationView(a *Act, lines []LineView) ReservationView {
	v := ReservationView{Ref: a.Reservation, State: a.State, Owner: a.Owner, ExpiresAt: a.ExpiresAt}
	if n := len(a.Events) + len(a.Others); n <= cap(lines) {
		v.Lines = lines[:0]
	} else {
		v.Lines = make([]LineView, 0, n)
	}
	for i := range a.Events {
		e := &a.Events[i]
		v.Lines = append(v.Lines, LineView{
			SKU: r.SKUs[e.Stock], Location: e.Level.Location, LineStatus: e.Line, Sequence: e.Sequence,
		})
	}
	for _, l := range a.Others {
		v.Lines = append(v.Lines, LineView{SKU: l.SKU, Location: l.Location, LineStatus: LineStatus{Quantity: l.Quantity}})
	}
	return v
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
