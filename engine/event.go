package engine

// EventType names a change, in the past tense.
type EventType uint8

// The types. LineUnchanged is no movement: it carries a line of a reservation that a step left
// alone, so that the answer to the step can be read from its record.
const (
	EventNone EventType = iota
	ItemCreated
	ItemUpdated
	StockReceived
	StockAdjusted
	StockSet
	StockMoved
	StockRestocked
	StockReserved
	StockCommitted
	ReservationConfirmed
	ReservationReleasedEvent
	ReservationExtended
	ReservationExpiredEvent
	StockFulfilled
	StockCancelled
	LineUnchanged
)

var eventNames = [...]string{
	EventNone: "", ItemCreated: "stock.item_created", ItemUpdated: "stock.item_updated",
	StockReceived: "stock.received", StockAdjusted: "stock.adjusted", StockSet: "stock.set",
	StockMoved: "stock.moved", StockRestocked: "stock.restocked", StockReserved: "stock.reserved",
	StockCommitted: "stock.committed", ReservationConfirmed: "stock.reservation_confirmed",
	ReservationReleasedEvent: "stock.reservation_released",
	ReservationExtended:      "stock.reservation_extended",
	ReservationExpiredEvent:  "stock.reservation_expired",
	StockFulfilled:           "stock.fulfilled", StockCancelled: "stock.cancelled",
	LineUnchanged: "",
}

func (t EventType) String() string { return eventNames[t] }

// Alerts is a set of the few things that people act on.
type Alerts uint8

// The alerts that a movement can raise.
const (
	OutOfStock Alerts = 1 << iota
	BackInStock
	ReorderPointReached
	SafetyStockReached
	BackorderedAlert
	BackorderFilled
)

var alertNames = [...]string{
	"stock.out_of_stock", "stock.back_in_stock", "stock.reorder_point_reached",
	"stock.safety_stock_reached", "stock.backordered", "stock.backorder_filled",
}

// Names lists the alerts of the set.
func (a Alerts) Names() []string {
	var names []string
	for i, n := range alertNames {
		if a&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return names
}

// ReservationState is where a reservation is in its life.
type ReservationState uint8

// The states of a reservation. Those from Released on are final: the stock forgets it then.
const (
	StateNone ReservationState = iota
	Active
	Confirmed
	PartiallyFulfilled
	Released
	Expired
	Fulfilled
	Cancelled
)

var reservationStateNames = [...]string{
	StateNone: "", Active: "active", Confirmed: "confirmed", PartiallyFulfilled: "partially_fulfilled",
	Released: "released", Expired: "expired", Fulfilled: "fulfilled", Cancelled: "cancelled",
}

func (s ReservationState) String() string { return reservationStateNames[s] }

// Final reports whether the reservation is over.
func (s ReservationState) Final() bool { return s >= Released }

// LineStatus is how far one line of a reservation is: of Quantity asked for, Open are reserved
// or committed (as the reservation's state says) and Fulfilled have left. The rest was given back.
type LineStatus struct{ Quantity, Open, Fulfilled int64 }

// Event is one change of one level. With a Sequence it is a movement: a row of the ledger.
type Event struct {
	Type EventType
	// Stock says whose event it is: an index into Record.SKUs.
	Stock    int
	Sequence uint64
	Level    LevelKey
	Before   Counts
	After    Counts
	// Quantity is the units that this event is about; signed for adjust.
	Quantity int64
	// From and To are the states of a move; State of adjust and set is in To.
	From, To State
	// Line is the state of the reservation's line after the event.
	Line   LineStatus
	Alerts Alerts
	// Settings are the new ones, of ItemCreated and ItemUpdated.
	Settings *Settings
}

// Movement reports whether the event is a row of the ledger.
func (e *Event) Movement() bool { return e.Sequence != 0 }

// Act is one command that was accepted, with the events that it caused. The answer to the
// command is a function of the act alone, so that a retry gets the same one.
type Act struct {
	Op          Op
	KeyHash     [16]byte
	Fingerprint uint64
	// Principal, Actor, Reference and Reason are carried into the movements.
	Principal, Actor, Reference, Reason string
	// Reservation, Owner, State and ExpiresAt are those of the reservation that the act is about.
	Reservation ReservationRef
	Owner       string
	State       ReservationState
	ExpiresAt   Time
	// Holds is how many holds an OpFree frees.
	Holds int64
	// Others are the lines of the reservation on other SKUs; only the home's OpExpire has them,
	// since there each SKU writes its own act.
	Others []Line
	Events []Event
}

// Record is what one turn appends to the log: all of it is there after a crash, or nothing.
type Record struct {
	Time Time
	// SKUs are the items that the record has events of, in the order of the turn's stocks.
	SKUs []string
	Acts []Act
}

// Reset empties the record and keeps its memory.
func (r *Record) Reset(now Time) {
	r.Time = now
	r.SKUs = r.SKUs[:0]
	for i := range r.Acts {
		clear(r.Acts[i].Events)
		r.Acts[i] = Act{Events: r.Acts[i].Events[:0]}
	}
	r.Acts = r.Acts[:0]
}

// Add appends an empty act, reusing memory where it can.
func (r *Record) Add() *Act {
	if n := len(r.Acts); n < cap(r.Acts) {
		r.Acts = r.Acts[:n+1]
		return &r.Acts[n]
	}
	r.Acts = append(r.Acts, Act{})
	return &r.Acts[len(r.Acts)-1]
}
