package engine

// Code says why a command was refused. The codes are in descending order of precedence: when
// several apply, the first is answered. Tests rely on it.
type Code uint8

// The refusals. NotRefused is the zero value.
const (
	NotRefused Code = iota

	// Refused for what the command itself says, whatever the stock.
	IdempotencyKeyRequired
	InvalidRequest
	TooManyLines
	InvalidStateName
	InvalidReason
	InvalidReferenceDocument
	InvalidQuantityTooLow
	InvalidQuantityTooHigh
	TTLTooLong

	// Refused for what was done before.
	IdempotencyKeyParameterMismatch

	// Refused for what the stock is.
	ItemNotFound
	VersionConflict
	ReservationNotFound
	ReservationExpired
	ReservationAlreadyReleased
	ReservationAlreadyCancelled
	ReservationAlreadyFulfilled
	ReservationAlreadyConfirmed
	ReservationNotConfirmed
	ItemNotStockedAtLocation
	ChangeFromQuantityStale
	ExceedsReservedQuantity
	InsufficientStock
	// LinkedLineFailed is for an operation of an atomic batch whose sibling was refused.
	LinkedLineFailed
)

var codeNames = [...]string{
	NotRefused:                      "",
	IdempotencyKeyRequired:          "IDEMPOTENCY_KEY_REQUIRED",
	InvalidRequest:                  "INVALID_REQUEST",
	TooManyLines:                    "TOO_MANY_LINES",
	InvalidStateName:                "INVALID_STATE_NAME",
	InvalidReason:                   "INVALID_REASON",
	InvalidReferenceDocument:        "INVALID_REFERENCE_DOCUMENT",
	InvalidQuantityTooLow:           "INVALID_QUANTITY_TOO_LOW",
	InvalidQuantityTooHigh:          "INVALID_QUANTITY_TOO_HIGH",
	TTLTooLong:                      "TTL_TOO_LONG",
	IdempotencyKeyParameterMismatch: "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
	ItemNotFound:                    "ITEM_NOT_FOUND",
	VersionConflict:                 "VERSION_CONFLICT",
	ReservationNotFound:             "RESERVATION_NOT_FOUND",
	ReservationExpired:              "RESERVATION_EXPIRED",
	ReservationAlreadyReleased:      "RESERVATION_ALREADY_RELEASED",
	ReservationAlreadyCancelled:     "RESERVATION_ALREADY_CANCELLED",
	ReservationAlreadyFulfilled:     "RESERVATION_ALREADY_FULFILLED",
	ReservationAlreadyConfirmed:     "RESERVATION_ALREADY_CONFIRMED",
	ReservationNotConfirmed:         "RESERVATION_NOT_CONFIRMED",
	ItemNotStockedAtLocation:        "ITEM_NOT_STOCKED_AT_LOCATION",
	ChangeFromQuantityStale:         "CHANGE_FROM_QUANTITY_STALE",
	ExceedsReservedQuantity:         "EXCEEDS_RESERVED_QUANTITY",
	InsufficientStock:               "INSUFFICIENT_STOCK",
	LinkedLineFailed:                "LINKED_LINE_FAILED",
}

func (c Code) String() string { return codeNames[c] }

// Codes lists every code in order of precedence, for tables and documents.
func Codes() []Code {
	all := make([]Code, 0, len(codeNames)-1)
	for c := IdempotencyKeyRequired; int(c) < len(codeNames); c++ {
		all = append(all, c)
	}
	return all
}

// Refusal is a command turned down: a value, not an error. It changed nothing.
type Refusal struct {
	// Field names what of the command is at fault, as clients spell it ("lines[2].quantity").
	Field string
	// Detail is a sentence for a person.
	Detail string
	// Lines are the failing lines of InsufficientStock, ItemNotFound, ItemNotStockedAtLocation
	// and ExceedsReservedQuantity.
	Lines []RefusedLine
	// Current is what a stale compare-and-set met, or the sequence a failed If-Match met.
	Current int64
	Code    Code
}

// Refused reports whether r turns anything down.
func (r *Refusal) Refused() bool { return r.Code != NotRefused }

// RefusedLine is one line that failed.
type RefusedLine struct {
	SKU, Location        string
	Requested, Available int64
	// NextExpiryAt is when the next hold on the item falls due, or zero. It is given where a hold
	// that expires could help: to reserve and commit. Holds of the same batch do not count.
	NextExpiryAt Time
}

func refuse(code Code, field, detail string) Refusal {
	return Refusal{Code: code, Field: field, Detail: detail}
}
