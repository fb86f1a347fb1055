package gateway

import (
	"net/http"
	"reflect"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// Operation is one thing that the doors offer. The table of them is what HTTP routes, NATS
// endpoints, the OpenAPI document and the metrics are made from.
type Operation struct {
	// Name is the last token of the NATS subject, and the label of metrics.
	Name string
	// Op is the engine's operation, OpNone for what spans many or only reads.
	Op engine.Op
	// Method and Path are those of HTTP. Every operation of the engine has a body of its own.
	Method, Path string
	Summary      string
	// Request and Answer are the types of the bodies; Request is nil where there is none.
	Request, Answer reflect.Type
	// Message is the type of a payload that says everything.
	Message reflect.Type
	// Created says that a success may be 201.
	Created bool
	// Codes are the refusals that only some operations know, for the documents.
	Codes []engine.Code

	body    func([]byte, *engine.Command) *Problem
	message func([]byte, *Message) *Problem
}

// The operations, in the order of the documents.
var (
	PutItem = define[PutItemRequest, itemAddress](Operation{
		Name: "put_item", Op: engine.OpPutItem, Method: http.MethodPut, Path: "/v1/items/{sku}",
		Summary: "Create an item, or replace its settings", Answer: reflect.TypeFor[ItemSettings](), Created: true,
		Codes: []engine.Code{engine.VersionConflict, engine.InvalidQuantityTooLow, engine.InvalidQuantityTooHigh},
	})
	GetItem = ask[skuAddress](Operation{
		Name: "get_item", Op: engine.OpGetItem, Method: http.MethodGet, Path: "/v1/items/{sku}",
		Summary: "Read an item: its levels, their totals and its settings", Answer: reflect.TypeFor[Item](),
		Codes: []engine.Code{engine.ItemNotFound},
	})
	ListItems = read[pageAddress](Operation{
		Name: "list_items", Method: http.MethodGet, Path: "/v1/items",
		Summary: "List items by name", Answer: reflect.TypeFor[ItemPage](),
	})
	Receive = define[ReceiveRequest, itemAddress](Operation{
		Name: "receive", Op: engine.OpReceive, Method: http.MethodPost, Path: "/v1/items/{sku}/receive",
		Summary: "Stock arrives", Answer: reflect.TypeFor[Change](), Codes: changeCodes,
	})
	Adjust = define[AdjustRequest, itemAddress](Operation{
		Name: "adjust", Op: engine.OpAdjust, Method: http.MethodPost, Path: "/v1/items/{sku}/adjust",
		Summary: "Add to a state or take from it", Answer: reflect.TypeFor[Change](),
		Codes: with(levelCodes, engine.InvalidStateName, engine.ChangeFromQuantityStale, engine.InsufficientStock),
	})
	Set = define[SetRequest, itemAddress](Operation{
		Name: "set", Op: engine.OpSet, Method: http.MethodPost, Path: "/v1/items/{sku}/set",
		Summary: "Make a state be a quantity", Answer: reflect.TypeFor[Change](),
		Codes: with(levelCodes, engine.InvalidStateName, engine.ChangeFromQuantityStale, engine.InsufficientStock),
	})
	Move = define[MoveRequest, itemAddress](Operation{
		Name: "move", Op: engine.OpMove, Method: http.MethodPost, Path: "/v1/items/{sku}/move",
		Summary: "Move units from one state to another", Answer: reflect.TypeFor[Change](),
		Codes: with(levelCodes, engine.InvalidStateName, engine.InsufficientStock),
	})
	Restock = define[ReceiveRequest, itemAddress](Operation{
		Name: "restock", Op: engine.OpRestock, Method: http.MethodPost, Path: "/v1/items/{sku}/restock",
		Summary: "A return comes back to available", Answer: reflect.TypeFor[Change](), Codes: changeCodes,
	})
	HistoryOf = read[historyAddress](Operation{
		Name: "history", Method: http.MethodGet, Path: "/v1/items/{sku}/history",
		Summary: "Read the movements of an item, newest first", Answer: reflect.TypeFor[MovementPage](),
		Codes: []engine.Code{engine.ItemNotFound},
	})
	Reserve = define[ReserveRequest, noAddress](Operation{
		Name: "reserve", Op: engine.OpReserve, Method: http.MethodPost, Path: "/v1/reservations",
		Summary: "Hold units for a while: all lines or none", Answer: reflect.TypeFor[Reservation](), Created: true,
		Codes: with(reserveCodes, engine.TTLTooLong),
	})
	GetReservation = ask[stepAddress](Operation{
		Name: "get_reservation", Op: engine.OpGetReservation, Method: http.MethodGet, Path: "/v1/reservations/{id}",
		Summary: "Read a reservation", Answer: reflect.TypeFor[Reservation](),
		Codes: []engine.Code{engine.ReservationNotFound},
	})
	Confirm = define[StepRequest, stepAddress](Operation{
		Name: "confirm", Op: engine.OpConfirm, Method: http.MethodPost, Path: "/v1/reservations/{id}/confirm",
		Summary: "Turn a hold into an order; what the lines leave out is released", Answer: reflect.TypeFor[Reservation](),
		Codes: lineStepCodes,
	})
	Release = define[ReleaseRequest, stepAddress](Operation{
		Name: "release", Op: engine.OpRelease, Method: http.MethodPost, Path: "/v1/reservations/{id}/release",
		Summary: "Give a hold back", Answer: reflect.TypeFor[Reservation](), Codes: stepCodes,
	})
	Extend = define[ExtendRequest, stepAddress](Operation{
		Name: "extend", Op: engine.OpExtend, Method: http.MethodPost, Path: "/v1/reservations/{id}/extend",
		Summary: "Give a hold a new life from now on", Answer: reflect.TypeFor[Reservation](),
		Codes: with(stepCodes, engine.TTLTooLong),
	})
	Fulfill = define[StepRequest, stepAddress](Operation{
		Name: "fulfill", Op: engine.OpFulfill, Method: http.MethodPost, Path: "/v1/reservations/{id}/fulfill",
		Summary: "Committed units leave", Answer: reflect.TypeFor[Reservation](),
		Codes: with(lineStepCodes, engine.InsufficientStock),
	})
	Cancel = define[StepRequest, stepAddress](Operation{
		Name: "cancel", Op: engine.OpCancel, Method: http.MethodPost, Path: "/v1/reservations/{id}/cancel",
		Summary: "Give committed units back", Answer: reflect.TypeFor[Reservation](),
		Codes: lineStepCodes,
	})
	Commit = define[CommitRequest, noAddress](Operation{
		Name: "commit", Op: engine.OpCommit, Method: http.MethodPost, Path: "/v1/commitments",
		Summary: "Commit units at once, without a hold: all lines or none", Answer: reflect.TypeFor[Reservation](), Created: true,
		Codes: reserveCodes,
	})
	Batch = read[noAddress](Operation{
		Name: "batch", Method: http.MethodPost, Path: "/v1/batch",
		Summary: "Many operations in one call, a result for each",
		Request: reflect.TypeFor[BatchRequest](), Answer: reflect.TypeFor[BatchAnswer](),
		Codes: []engine.Code{engine.TooManyLines},
	})
)

var (
	changeCodes = []engine.Code{
		engine.ItemNotFound, engine.VersionConflict, engine.InvalidQuantityTooLow, engine.InvalidQuantityTooHigh,
	}
	levelCodes = with(changeCodes, engine.ItemNotStockedAtLocation)
	stepCodes  = []engine.Code{
		engine.ReservationNotFound, engine.ReservationExpired, engine.ReservationAlreadyReleased, engine.ReservationAlreadyCancelled,
		engine.ReservationAlreadyFulfilled, engine.ReservationAlreadyConfirmed, engine.ReservationNotConfirmed,
	}
	lineStepCodes = with(stepCodes, engine.TooManyLines, engine.InvalidQuantityTooLow,
		engine.InvalidQuantityTooHigh, engine.ExceedsReservedQuantity)
	reserveCodes = []engine.Code{
		engine.TooManyLines, engine.InvalidQuantityTooLow, engine.InvalidQuantityTooHigh, engine.ItemNotFound,
		engine.ItemNotStockedAtLocation, engine.InsufficientStock,
	}
)

func with(codes []engine.Code, more ...engine.Code) []engine.Code { return slices.Concat(codes, more) }

// Operations lists every operation, in the order of the documents.
func Operations() []*Operation {
	return []*Operation{
		PutItem, GetItem, ListItems, Receive, Adjust, Set, Move, Restock, HistoryOf, Reserve, GetReservation,
		Confirm, Release, Extend, Fulfill, Cancel, Commit, Batch,
	}
}

// batchable finds an operation that a batch may have by its name.
var batchable = func() map[string]*Operation {
	m := make(map[string]*Operation)
	for _, o := range Operations() {
		if o.Batchable() {
			m[o.Name] = o
		}
	}
	return m
}()

// Batchable reports whether a batch may have the operation: every one that is one command.
func (o *Operation) Batchable() bool { return o.Op != engine.OpNone }

// Mutates reports whether the operation changes stock itself, and so needs a key.
func (o *Operation) Mutates() bool { return o.Op.Mutates() }

// Item reports whether the operation changes the item that its address names.
func (o *Operation) Item() bool { return o.Op >= engine.OpPutItem && o.Op <= engine.OpRestock }
