package gateway

import (
	"context"
	"errors"

	"github.com/skua-stock/skua/engine"
)

// Port is how a door reaches the engine. The actors stand behind it.
type Port interface {
	// Submit hands a command to its actors. answer is called exactly once, on any goroutine,
	// perhaps before Submit returns; it must not block. The command belongs to the engine until
	// then, and is used again for another one afterwards; its texts share one piece of memory, so
	// that who keeps one of them for long copies it. The answer is lent for the call likewise: who
	// wants it longer copies it, or writes it down at once, as the doors do.
	Submit(c *engine.Command, answer func(*engine.Answer))
	// SubmitEach is Submit for many commands, each by itself; answer gets the place of the one that
	// it is for. Commands on one item alone are done in order. Many together cost less than one by
	// one, since their memory is fetched side by side. A command is free again as soon as it is
	// answered, and the slice when SubmitEach returns.
	SubmitEach(cs []*engine.Command, answer func(i int, a *engine.Answer))
	// SubmitAll does all commands in one turn, or none: when one is refused, its answer has the
	// refusal and the others' have LinkedLineFailed. There is an answer for each, in order.
	SubmitAll(cs []*engine.Command, answer func([]engine.Answer))
	// Reservation reads an id; ok is false for one that was never given out.
	Reservation(id string) (ref engine.ReservationRef, ok bool)
	// AppendReservationID writes an id. It consists of characters that stand for themselves in a
	// JSON string and in a URL.
	AppendReservationID(b []byte, ref engine.ReservationRef) []byte
}

// AppendID writes the id of a reservation; see [Port].
type AppendID func(b []byte, ref engine.ReservationRef) []byte

// Books is what a door reads besides single items: the list of items and the ledger. Everything
// that it returns is durable.
type Books interface {
	// SKUs lists up to limit items with names after a name, in order.
	SKUs(ctx context.Context, after string, limit int) ([]string, error)
	// History lists up to limit movements of an item with sequences below before (0: the newest),
	// newest first.
	History(ctx context.Context, sku string, before uint64, limit int) (History, error)
}

// History is a page of an item's ledger.
type History struct {
	Movements []engine.Movement
	// More says that older movements are kept. Begins is the sequence at which the kept history
	// of the item begins, when this page reaches it and older movements are gone; else 0.
	More   bool
	Begins uint64
}

// Feed is the durable log as a stream of change events needs it.
type Feed interface {
	// Bounds returns the place of the oldest record that can be followed, and that of the newest
	// durable one (0 when there is none).
	Bounds() (oldest, newest uint64)
	// Follow reads records from a place on.
	Follow(from uint64) Follower
}

// Follower reads the durable log in order.
type Follower interface {
	// Next waits for the next record, which is valid until the next call. The error is ErrGone
	// when the place is not kept any more, or the context's.
	Next(ctx context.Context) (index uint64, r *engine.Record, err error)
	Close() error
}

// ErrGone means that a place in the log, or a page of a ledger, is not kept any more.
var ErrGone = errors.New("not kept any more")
