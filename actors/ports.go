package actors

import (
	"github.com/skua-stock/skua/engine"
)

// Waiter is told once when what it waits for is on disk, or that nobody will ever know.
type Waiter = interface{ Durable(err error) }

// Log is what the actors need of the write-ahead log. Indexes are dense and grow.
type Log interface {
	// Append adds a record; prev has, for each of its SKUs, the index of that SKU's record before.
	// It never waits for the disk. The record may be reused when it returns.
	Append(r *engine.Record, prev []uint64, w Waiter) (index uint64, err error)
	// Await tells w when the log is durable through index; at once if it is.
	Await(index uint64, w Waiter)
	// Durable returns the index through which the log is on disk.
	Durable() uint64
	// Accepting says why changes are not taken now, or nil.
	Accepting() error
}

// Memory is what the actors need to answer a retry as the first time. Append feeds it.
type Memory interface {
	// Trace is what the key of a home SKU is filed under; it is never zero.
	Trace(home string, key [16]byte) uint64
	// Recall finds the record that a key led to.
	Recall(trace uint64) (index uint64, ok bool)
	// Warm reads what Recall will need of many, so that the memory is on its way. The result means
	// nothing.
	Warm(traces []uint64) uint64
	// Ended finds the record that ended a reservation.
	Ended(ref engine.ReservationRef) (index uint64, ok bool)
	// Record reads the record at an index, whole if sku is the home of its acts. It waits until
	// the record is durable. ErrForgotten means that it is not kept any more.
	Record(sku string, index uint64) (*engine.Record, error)
}

// Snapshots is what the actors need of the snapshots.
type Snapshots interface {
	// Load returns the stock of a SKU as of the record at through, or as of its last snapshot when
	// through is zero, and the index of its last record. A SKU that is no item has an empty stock.
	// saved is the snapshot's own note on the SKU, to be given back to Save; nil for most.
	Load(sku string, through uint64) (s *engine.Stock, last uint64, saved any, err error)
	// Save writes an image. The log is durable through last, which is the image's last record.
	Save(im *engine.Image, last uint64, saved any) (any, error)
	// Commit makes what was saved survive a crash: recovery starts after through from then on.
	Commit(through uint64) error
	// Expiring calls yield with the SKUs whose snapshots have a hold due by a time, the earliest
	// first, until it returns false.
	Expiring(by engine.Time, yield func(sku string, at engine.Time) bool) error
}
