package bench

import (
	"context"
	"errors"
)

// Peer is another system that can be asked the same as Skua: what a user would pick instead.
type Peer struct {
	// Name says what and how, as "PostgreSQL, one statement".
	Name string
	// Windows are how many operations are kept in flight, a measurement each.
	Windows []int
	// Lossy says that what it acknowledged may be lost with the machine, so that it is not compared;
	// Best that it is the fastest way of its system, which is enough for a quick look.
	Lossy, Best bool
	// Open starts the system with its data under dir, ready for [Prepare] with the workload. It
	// fails with [ErrAbsent] where the system is not installed.
	Open func(ctx context.Context, dir string, w Workload) (*Target, error)
}

// ErrAbsent says that a peer is not installed on this machine.
var ErrAbsent = errors.New("not installed")

// Target is a system that is up, with a driver that reaches it.
type Target struct {
	Driver Driver
	// PIDs are the root processes that serve. The CPU time and memory of the server are those of
	// these and of all that they started. It is empty when the system runs in this process.
	PIDs []int
	// Dir is where the data is: what is written to its disk counts as bytes an operation.
	Dir string
	// Settings are what it was set to and its schema or script, as text for the report.
	Settings string
	// Seed makes the items of the workload, each with the stock of [Stock] units. Nil has [Prepare]
	// do it through the driver: OpPutItem and OpReceive for each item.
	Seed func(ctx context.Context, w Workload) error
	// Settle, when set, waits until no work is left behind from what came before.
	Settle func(ctx context.Context) error
	// Lag, when set, tells how many events are not published yet, Published how many were so far.
	Lag, Published func() (int64, error)
	// Mallocs, when set, tells how many allocations the server has done so far.
	Mallocs func() (int64, error)
	// Saved, when set, tells through where what changed was written to snapshots: it grows with each.
	Saved func() (int64, error)
	// Told, when set, gathers what was acknowledged. Verify, when set, compares it with what the
	// system has written down; nothing may be in flight then. A system that does not agree with its
	// load was not measured.
	Told   *Ledger
	Verify func() error
	// Close stops the system. Nothing may be in flight.
	Close func() error
}
