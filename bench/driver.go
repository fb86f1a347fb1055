package bench

import "github.com/skua-stock/skua/engine"

// Driver carries commands to an engine. done is called once for each, on any goroutine; err says
// why a command was not accepted, and is [engine.ErrOverloaded] where the engine had too much to do.
// The command belongs to the driver until then, and may be reused afterwards.
//
// A workload with steps (see [Workload.Steps]) needs to find its reservations again: before done,
// the driver writes into Reservation of an accepted OpReserve whatever it wants to be told with the
// later OpConfirm, OpRelease and OpFulfill of it. For an engine in this process that is the
// reference itself; a driver that has an id as text puts it into Home.
//
// The operations are OpPutItem, OpReceive (both while items are made), OpReserve, OpConfirm,
// OpRelease, OpFulfill and OpGetItem.
type Driver interface {
	Start(c *engine.Command, done func(err error))
}

// Flusher is a driver that may keep commands back to send many at once. The loops call Flush when
// they have nothing to start for now. It never waits for an answer.
type Flusher interface{ Flush() }

// Laned is a driver that gives each worker a lane of its own, used by that worker's goroutine
// alone: a connection, or a batch under way. A lane may be a [Flusher].
type Laned interface {
	// Lane is called before the run, with i from 0 to n-1.
	Lane(i, n int) Driver
}
