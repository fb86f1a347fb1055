package gateway

import (
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway/access"
)

// scopes says which scope an operation needs; one of several is enough, and admin always is. An
// operation that is not here is for admin alone. The operations within a batch are decided by
// themselves, so that a batch needs one with which any of them can be done.
var scopes = map[*Operation]access.Scopes{
	GetItem: access.Read, ListItems: access.Read, HistoryOf: access.Read, GetReservation: access.Read,

	Reserve: access.Sell, Commit: access.Sell, Confirm: access.Sell, Release: access.Sell,
	Extend: access.Sell, Fulfill: access.Sell, Cancel: access.Sell,

	PutItem: access.Stock, Receive: access.Stock, Adjust: access.Stock, Set: access.Stock,
	Move: access.Stock, Restock: access.Stock,

	Batch: access.Read | changes,
}

// changes are the scopes with which something can be changed.
const changes = access.Sell | access.Stock

// What is no operation and needs a scope too: the stream of events, and the metrics.
const (
	EventsScope  = access.Read
	MetricsScope = access.Read
)

// Scopes are what the operation needs, any one of them.
func (o *Operation) Scopes() access.Scopes { return scopes[o] }

// byOp has the scopes by the engine's operation, which is how a command finds them.
var byOp = func() (all [engine.OpFree + 1]access.Scopes) {
	for _, o := range Operations() {
		if o.Op != engine.OpNone {
			all[o.Op] = scopes[o]
		}
	}
	return all
}()
