package gateway

// The answers of the operations, as clients see them. Doors write them with the functions of
// encode.go, which the tests hold against these types; the OpenAPI document is made from them.

// States are the quantities of one level, or their totals, in whole units.
type States struct {
	OnHand         int64 `json:"on_hand" doc:"Physically there."`
	Available      int64 `json:"available" doc:"Can be sold from stock now."`
	Reserved       int64 `json:"reserved" doc:"Held for a while."`
	Committed      int64 `json:"committed" doc:"Promised to confirmed orders, not shipped yet."`
	SafetyStock    int64 `json:"safety_stock" doc:"Withheld by the item's setting, at most what is free."`
	Damaged        int64 `json:"damaged" doc:"Set aside as damaged."`
	QualityControl int64 `json:"quality_control" doc:"Set aside for inspection."`
	Other          int64 `json:"other" doc:"Set aside for another reason."`
	Backordered    int64 `json:"backordered" doc:"Promised beyond what is there."`
}

// Level is an item at a location.
type Level struct {
	Location string `json:"location"`
	States
}

// Settings are what an operator decides about an item.
type Settings struct {
	BackorderLimit int64            `json:"backorder_limit"`
	ReorderPoint   int64            `json:"reorder_point"`
	SafetyStock    map[string]int64 `json:"safety_stock"`
	LocationOrder  []string         `json:"location_order"`
}

// Item answers get_item.
type Item struct {
	SKU      string   `json:"sku"`
	Sequence uint64   `json:"sequence" doc:"The number of its last movement; also its ETag."`
	Totals   States   `json:"totals" doc:"The sums over all levels."`
	Levels   []Level  `json:"levels"`
	Settings Settings `json:"settings"`
}

// ItemPage answers list_items.
type ItemPage struct {
	Items      []Item  `json:"items"`
	NextCursor *string `json:"next_cursor" doc:"Where to go on; null at the end."`
}

// ItemSettings answers put_item.
type ItemSettings struct {
	SKU      string   `json:"sku"`
	Sequence uint64   `json:"sequence" doc:"The number of the movement; also the item's ETag."`
	Settings Settings `json:"settings"`
}

// Change answers receive, adjust, set, move and restock.
type Change struct {
	SKU      string `json:"sku"`
	Sequence uint64 `json:"sequence" doc:"The number of the movement; also the item's ETag."`
	Location string `json:"location"`
	Level    States `json:"level" doc:"The level after the movement."`
}

// Reservation answers reserve, commit, the steps and get_reservation.
type Reservation struct {
	ID        string            `json:"id" doc:"Opaque; it is all that the steps need."`
	State     string            `json:"state" enum:"reservation_states"`
	Owner     string            `json:"owner,omitempty"`
	ExpiresAt string            `json:"expires_at,omitempty" format:"date-time" doc:"When the hold ends; only while active."`
	Lines     []ReservationLine `json:"lines"`
}

// ReservationLine is a line of a reservation; lines for one item and location are one.
type ReservationLine struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Quantity  int64  `json:"quantity" doc:"Units asked for."`
	Reserved  int64  `json:"reserved" doc:"Units held, while active."`
	Committed int64  `json:"committed" doc:"Units committed, once confirmed."`
	Fulfilled int64  `json:"fulfilled" doc:"Units that have left."`
	Sequence  uint64 `json:"sequence,omitempty" doc:"The item's sequence after the step; absent where the step left the line alone."`
}

// Movement is a row of the ledger of an item: one change of one level, whatever caused it. It is
// also the data of a change event.
type Movement struct {
	SKU           string    `json:"sku"`
	Sequence      uint64    `json:"sequence" doc:"Its number: one by one per item, without gaps."`
	Type          string    `json:"type" enum:"event_types"`
	At            string    `json:"at" format:"date-time"`
	Location      string    `json:"location" doc:"Empty for a movement that changes no level, as the creation of the item."`
	Quantity      int64     `json:"quantity" doc:"Units that it is about; signed for adjust."`
	From          string    `json:"from,omitempty" doc:"The state that units left, of a move."`
	To            string    `json:"to,omitempty" doc:"The state that units entered, of a move; what adjust and set act on."`
	Before        States    `json:"before" doc:"The level before."`
	After         States    `json:"after" doc:"The level after."`
	Cause         string    `json:"cause" doc:"The operation that did it; expire and free are the engine's own."`
	Reason        string    `json:"reason,omitempty"`
	Actor         string    `json:"actor,omitempty"`
	Reference     string    `json:"reference_document_uri,omitempty"`
	ReservationID string    `json:"reservation_id,omitempty"`
	Owner         string    `json:"owner,omitempty" doc:"That of the reservation."`
	ExpiresAt     string    `json:"expires_at,omitempty" format:"date-time" doc:"When the hold falls due, or fell due."`
	Holds         int64     `json:"holds,omitempty" doc:"How many holds were freed together, when very many fell due at once."`
	Alerts        []string  `json:"alerts,omitempty" doc:"The alerts that it raised."`
	Settings      *Settings `json:"settings,omitempty" doc:"The item's settings from here on, when it changed them."`
}

// MovementPage answers history.
type MovementPage struct {
	Movements  []Movement `json:"movements"`
	NextCursor *string    `json:"next_cursor" doc:"Where to go on; null at the end."`
	// Begins is there when the page reaches where the kept history begins.
	Begins uint64 `json:"history_begins,omitempty" doc:"The oldest sequence kept, when the page reaches it and older ones are gone."`
}

// ProblemBody is application/problem+json (RFC 9457).
type ProblemBody struct {
	Type      string        `json:"type" format:"uri-reference"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail"`
	Code      string        `json:"code" enum:"codes" doc:"The stable name of the problem."`
	RequestID string        `json:"request_id,omitempty" doc:"Names the request in the server's log."`
	Field     string        `json:"field,omitempty" doc:"What of the request is at fault."`
	Lines     []ProblemLine `json:"lines,omitempty" doc:"Every line that failed."`
	Current   *int64        `json:"current,omitempty" doc:"What a failed compare-and-set met."`
}

// ProblemLine is a line that failed.
type ProblemLine struct {
	SKU          string `json:"sku"`
	Location     string `json:"location,omitempty" doc:"Absent when the line left it to the engine."`
	Requested    *int64 `json:"requested,omitempty" doc:"Units asked for; absent where the refusal is not about units."`
	Available    *int64 `json:"available,omitempty" doc:"What could be had; without a location, from the best one. Comes with requested."`
	NextExpiryAt string `json:"next_expiry_at,omitempty" format:"date-time" doc:"When the next hold on the item falls due."`
}
