package gateway

import (
	"net/http"

	"github.com/skua-stock/skua/engine"
)

// refusals has a row for every code of the engine.
var refusals = [...]ProblemKind{
	engine.IdempotencyKeyRequired: {
		Code: "IDEMPOTENCY_KEY_REQUIRED", Status: http.StatusBadRequest, Title: "Every change needs an idempotency key",
		Cause:  "A change came without the header Idempotency-Key (on NATS: the header, or the member idempotency_key).",
		Remedy: "Make a key per intended change, such as a UUID, keep it with the intent, and send the same key with every retry of it.",
	},
	engine.InvalidRequest: {
		Code: "INVALID_REQUEST", Status: http.StatusBadRequest, Title: "The request breaks a rule of its form",
		Cause: "The body is not the JSON that the operation takes, or a field, parameter or header breaks its rule. " +
			"`field` says which, `detail` says the rule. Nothing was changed.",
		Remedy: "Correct the request. A retry of the same request is refused again.",
	},
	engine.TooManyLines: {
		Code: "TOO_MANY_LINES", Status: http.StatusBadRequest, Title: "Too many lines",
		Cause:  "A reservation, a step or an atomic batch has more lines than the limit that the detail names.",
		Remedy: "Split it. What is split is not all-or-nothing any more.",
	},
	engine.InvalidStateName: {
		Code: "INVALID_STATE_NAME", Status: http.StatusBadRequest, Title: "Not a state that this operation takes",
		Cause: "`state`, `from` or `to` is no state, or one that follows from others: reserved and committed follow the " +
			"reservations, safety_stock is a setting of the item.",
		Remedy: "Use one of the states that the detail lists.",
	},
	engine.InvalidReason: {
		Code: "INVALID_REASON", Status: http.StatusBadRequest, Title: "Not a known reason",
		Cause:  "`reason` is not one of the known reasons, or an adjustment came without one.",
		Remedy: "Use one of the reasons that the detail lists; `other` always fits.",
	},
	engine.InvalidReferenceDocument: {
		Code: "INVALID_REFERENCE_DOCUMENT", Status: http.StatusBadRequest, Title: "Not a URI",
		Cause:  "`reference_document_uri` is not a URI, or too long.",
		Remedy: "Send a URI with a scheme, such as `https://shop.example/orders/7` or `order:7`.",
	},
	engine.InvalidQuantityTooLow: {
		Code: "INVALID_QUANTITY_TOO_LOW", Status: http.StatusBadRequest, Title: "The quantity is too low",
		Cause:  "A quantity is below the least that the operation takes, for instance negative or zero.",
		Remedy: "Quantities are positive whole units; only the `delta` of adjust has a sign.",
	},
	engine.InvalidQuantityTooHigh: {
		Code: "INVALID_QUANTITY_TOO_HIGH", Status: http.StatusBadRequest, Title: "The quantity is too high",
		Cause:  "A quantity, or a sum that it would make, is over 2^62-1 units.",
		Remedy: "Check the unit of the quantity.",
	},
	engine.TTLTooLong: {
		Code: "TTL_TOO_LONG", Status: http.StatusBadRequest, Title: "The hold would live too long",
		Cause:  "`ttl_ms` is over the longest life of a hold, 31 days.",
		Remedy: "Ask for less and extend it in time, or commit the order at once.",
	},
	engine.IdempotencyKeyParameterMismatch: {
		Code: "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", Status: http.StatusUnprocessableEntity, Title: "The key was used for another command",
		Cause:  "The idempotency key is known, with another operation or other parameters.",
		Remedy: "Use a new key for a new command. A retry must be the same command in every field.",
	},
	engine.ItemNotFound: {
		Code: "ITEM_NOT_FOUND", Status: http.StatusNotFound, Title: "There is no such item",
		Cause:  "The SKU, or that of a line, was never created.",
		Remedy: "Create the item with PUT /v1/items/{sku} before its stock moves.",
	},
	engine.VersionConflict: {
		Code: "VERSION_CONFLICT", Status: http.StatusPreconditionFailed, Title: "The item has changed since",
		Cause:  "If-Match (or If-None-Match: * on PUT) does not hold. `current` is the sequence of the item, 0 when it does not exist.",
		Remedy: "Read the item again, decide again, and send the new ETag.",
	},
	engine.ReservationNotFound: {
		Code: "RESERVATION_NOT_FOUND", Status: http.StatusNotFound, Title: "There is no such reservation",
		Cause:  "The id was never given out, or the reservation has been over for long.",
		Remedy: "Check the id. Past reservations are in the history of their items.",
	},
	engine.ReservationExpired: {
		Code: "RESERVATION_EXPIRED", Status: http.StatusGone, Title: "The reservation expired",
		Cause:  "The hold came to its `expires_at`, and its units were given back.",
		Remedy: "Reserve again; extend holds in time.",
	},
	engine.ReservationAlreadyReleased: {
		Code: "RESERVATION_ALREADY_RELEASED", Status: http.StatusConflict, Title: "The reservation was released before",
		Cause:  "The step came with another key than the one that released it.",
		Remedy: "If this is a retry, use the key of the first try. Otherwise reserve again.",
	},
	engine.ReservationAlreadyCancelled: {
		Code: "RESERVATION_ALREADY_CANCELLED", Status: http.StatusConflict, Title: "The order was cancelled before",
		Cause:  "All that was left of the order was cancelled before.",
		Remedy: "If this is a retry, use the key of the first try. Otherwise reserve again.",
	},
	engine.ReservationAlreadyFulfilled: {
		Code: "RESERVATION_ALREADY_FULFILLED", Status: http.StatusConflict, Title: "The order was fulfilled before",
		Cause:  "Every unit of the order has left.",
		Remedy: "If this is a retry, use the key of the first try. What comes back is a restock.",
	},
	engine.ReservationAlreadyConfirmed: {
		Code: "RESERVATION_ALREADY_CONFIRMED", Status: http.StatusConflict, Title: "The reservation was confirmed before",
		Cause:  "A confirmed reservation cannot be confirmed, released or extended.",
		Remedy: "If this is a retry, use the key of the first try. To give up an order, cancel it.",
	},
	engine.ReservationNotConfirmed: {
		Code: "RESERVATION_NOT_CONFIRMED", Status: http.StatusConflict, Title: "The reservation is not confirmed yet",
		Cause:  "Fulfill and cancel are for confirmed reservations.",
		Remedy: "Confirm it first; to give up a hold, release it.",
	},
	engine.ItemNotStockedAtLocation: {
		Code: "ITEM_NOT_STOCKED_AT_LOCATION", Status: http.StatusNotFound, Title: "No stock of the item has ever arrived there",
		Cause:  "The item has no level at the location.",
		Remedy: "Check the location. A level comes into being when stock first arrives: receive, restock, set, or adjust upward.",
	},
	engine.ChangeFromQuantityStale: {
		Code: "CHANGE_FROM_QUANTITY_STALE", Status: http.StatusConflict, Title: "The quantity has changed since",
		Cause:  "`change_from_quantity` is not the quantity that is there. `current` is.",
		Remedy: "Look at the level again and decide again, or leave change_from_quantity out to overwrite.",
	},
	engine.ExceedsReservedQuantity: {
		Code: "EXCEEDS_RESERVED_QUANTITY", Status: http.StatusConflict, Title: "More than the reservation has open",
		Cause:  "A line of the step asks for more units than the reservation has open there; `lines` has how many it has.",
		Remedy: "Read the reservation, and ask for what is open.",
	},
	engine.InsufficientStock: {
		Code: "INSUFFICIENT_STOCK", Status: http.StatusConflict, Title: "There is not enough stock",
		Cause: "Not all units are there. `lines` names every line that failed, with `requested`, `available` and, when holds on the " +
			"item are open, `next_expiry_at`. Nothing was taken.",
		Remedy: "Ask for less, or elsewhere, or again after next_expiry_at.",
	},
	engine.LinkedLineFailed: {
		Code: "LINKED_LINE_FAILED", Status: http.StatusConflict, Title: "Another operation of the atomic batch was refused",
		Cause:  "The batch has the error policy reject_everything, and another of its operations was refused, so none was done.",
		Remedy: "See the result of the operation that has another code.",
	},
}
