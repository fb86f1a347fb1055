package gateway

import (
	"strings"

	"github.com/skua-stock/skua/engine"
)

// The bodies of the operations, field for field as clients spell them. The OpenAPI document is
// made from these types and their tags: required, min and max bound a field, enum lists its
// words, doc says what it is.

// Carried is what every change may carry into its movements.
type Carried struct {
	Reason    Text `json:"reason" enum:"reasons" doc:"Why; one of the known reasons. Each operation but adjust has a default."`
	Reference Text `json:"reference_document_uri" maxlen:"512" doc:"The document behind the change, a URI such as order:7."`
	Actor     Text `json:"actor" maxlen:"255" doc:"Who did it, for the movement. A server with tokens takes the name of the token instead."`
}

// PutItemRequest is the body of put_item. Settings are replaced as a whole.
type PutItemRequest struct {
	BackorderLimit Integer            `json:"backorder_limit" min:"0" doc:"Units that may be promised beyond what is there, over all locations. 0 by default: never."`
	ReorderPoint   Integer            `json:"reorder_point" min:"0" doc:"Raises the alert stock.reorder_point_reached when the available units fall to it. 0 by default: never."`
	SafetyStock    map[string]Integer `json:"safety_stock" min:"0" doc:"Units withheld from sale, by location."`
	LocationOrder  []Text             `json:"location_order" doc:"The order in which a line without a location is tried; locations not named follow by name."`
	Carried
}

// ReceiveRequest is the body of receive and restock.
type ReceiveRequest struct {
	Location Text    `json:"location" required:"true" maxlen:"128" doc:"Where; it comes into being when stock first arrives."`
	Quantity Integer `json:"quantity" required:"true" min:"1" doc:"Units."`
	Carried
}

// AdjustRequest is the body of adjust.
type AdjustRequest struct {
	Location   Text    `json:"location" required:"true" maxlen:"128" doc:"Where."`
	Delta      Integer `json:"delta" required:"true" doc:"Units to add, or to take when negative; not zero."`
	State      Text    `json:"state" enum:"settable" doc:"What it acts on, on_hand by default."`
	ChangeFrom Integer `json:"change_from_quantity" min:"0" nullable:"true" doc:"What the state must be before, else CHANGE_FROM_QUANTITY_STALE. Null or left out: whatever it is."`
	Carried
}

// SetRequest is the body of set.
type SetRequest struct {
	Location   Text    `json:"location" required:"true" maxlen:"128" doc:"Where."`
	Quantity   Integer `json:"quantity" required:"true" min:"0" doc:"Units that there shall be."`
	State      Text    `json:"state" enum:"settable" doc:"What it acts on, on_hand by default."`
	ChangeFrom Integer `json:"change_from_quantity" min:"0" nullable:"true" doc:"What the state must be before, else CHANGE_FROM_QUANTITY_STALE. Null or left out: whatever it is."`
	Carried
}

// MoveRequest is the body of move.
type MoveRequest struct {
	Location Text    `json:"location" required:"true" maxlen:"128" doc:"Where."`
	Quantity Integer `json:"quantity" required:"true" min:"1" doc:"Units."`
	From     Text    `json:"from" required:"true" enum:"movable_from" doc:"The state that they leave."`
	To       Text    `json:"to" required:"true" enum:"movable" doc:"The state that they enter."`
	Carried
}

// LineRequest is one line of a reservation to be.
type LineRequest struct {
	SKU      Text    `json:"sku" required:"true" maxlen:"128" doc:"The item."`
	Quantity Integer `json:"quantity" required:"true" min:"1" doc:"Units."`
	Location Text    `json:"location" maxlen:"128" doc:"Where; left out, the first location that can serve the whole line."`
}

// ReserveRequest is the body of reserve.
type ReserveRequest struct {
	Lines []LineRequest `json:"lines" required:"true" minitems:"1" maxitems:"1000" doc:"What to reserve: all of it or nothing."`
	TTL   Integer       `json:"ttl_ms" min:"1" max:"2678400000" doc:"The life of the hold in milliseconds; 900000 by default."`
	Owner Text          `json:"owner" maxlen:"255" doc:"Whose it is, for you: a cart, a customer."`
	Carried
}

// CommitRequest is the body of commit.
type CommitRequest struct {
	Lines []LineRequest `json:"lines" required:"true" minitems:"1" maxitems:"1000" doc:"What to commit: all of it or nothing."`
	Owner Text          `json:"owner" maxlen:"255" doc:"Whose it is, for you: an order, a customer."`
	Carried
}

// StepLineRequest is one line of a step on a reservation.
type StepLineRequest struct {
	SKU      Text    `json:"sku" required:"true" maxlen:"128" doc:"The item of a line of the reservation."`
	Quantity Integer `json:"quantity" required:"true" min:"0" doc:"Units."`
	Location Text    `json:"location" maxlen:"128" doc:"May be left out where the reservation has one line of the item."`
}

// StepRequest is the body of confirm, fulfill and cancel.
type StepRequest struct {
	Lines []StepLineRequest `json:"lines" minitems:"1" maxitems:"1000" doc:"The units that the step is about; left out, all that are open."`
	Carried
}

// ReleaseRequest is the body of release.
type ReleaseRequest struct {
	Carried
}

// ExtendRequest is the body of extend.
type ExtendRequest struct {
	TTL Integer `json:"ttl_ms" min:"1" max:"2678400000" doc:"The life from now on, in milliseconds; 900000 by default."`
	Carried
}

// unknownState is no state at all: the engine refuses it with the words of the operation.
const unknownState engine.State = 255

func state(t Text) engine.State {
	if !t.Set {
		return engine.StateUnset
	}
	if s, ok := engine.ParseState(t.S); ok {
		return s
	}
	return unknownState
}

func (r *Carried) fill(c *engine.Command, _ *missing) *Problem {
	c.Reason, c.Reference, c.Actor = r.Reason.S, r.Reference.S, r.Actor.S
	if r.Reason.Set && r.Reason.S == "" {
		return newProblem(KindOf(engine.InvalidReason), "reason",
			"reason must not be empty; leave it out, or use one of %s", strings.Join(engine.Reasons, ", "))
	}
	return nil
}

func (r *PutItemRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Settings.BackorderLimit, c.Settings.ReorderPoint = r.BackorderLimit.N, r.ReorderPoint.N
	for loc, q := range r.SafetyStock {
		if !q.Set {
			return Invalid("safety_stock."+loc, "safety_stock.%s must be a whole number, is null", loc)
		}
		if c.Settings.SafetyStock == nil {
			c.Settings.SafetyStock = make(map[string]int64, len(r.SafetyStock))
		}
		c.Settings.SafetyStock[loc] = q.N
	}
	for _, loc := range r.LocationOrder {
		c.Settings.LocationOrder = append(c.Settings.LocationOrder, loc.S)
	}
	return r.Carried.fill(c, m)
}

func (r *ReceiveRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Location, c.Quantity = r.Location.S, r.Quantity.N
	m.unless(r.Location.Set, "location")
	m.unless(r.Quantity.Set, "quantity")
	return r.Carried.fill(c, m)
}

func (r *AdjustRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Location, c.Quantity, c.State = r.Location.S, r.Delta.N, state(r.State)
	c.ChangeFrom, c.HasChangeFrom = r.ChangeFrom.N, r.ChangeFrom.Set
	m.unless(r.Location.Set, "location")
	m.unless(r.Delta.Set, "delta")
	return r.Carried.fill(c, m)
}

func (r *SetRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Location, c.Quantity, c.State = r.Location.S, r.Quantity.N, state(r.State)
	c.ChangeFrom, c.HasChangeFrom = r.ChangeFrom.N, r.ChangeFrom.Set
	m.unless(r.Location.Set, "location")
	m.unless(r.Quantity.Set, "quantity")
	return r.Carried.fill(c, m)
}

func (r *MoveRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Location, c.Quantity = r.Location.S, r.Quantity.N
	c.From, c.To = state(r.From), state(r.To)
	m.unless(r.Location.Set, "location")
	m.unless(r.Quantity.Set, "quantity")
	m.unless(r.From.Set, "from")
	m.unless(r.To.Set, "to")
	return r.Carried.fill(c, m)
}

func (r *ReserveRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Owner = r.Owner.S
	if p := fillLines(c, r.Lines, m); p != nil {
		return p
	}
	if p := fillTTL(c, r.TTL); p != nil {
		return p
	}
	return r.Carried.fill(c, m)
}

func (r *CommitRequest) fill(c *engine.Command, m *missing) *Problem {
	c.Owner = r.Owner.S
	if p := fillLines(c, r.Lines, m); p != nil {
		return p
	}
	return r.Carried.fill(c, m)
}

func (r *StepRequest) fill(c *engine.Command, m *missing) *Problem {
	if r.Lines != nil {
		if len(r.Lines) == 0 {
			return Invalid("lines", "lines must have at least one line; leave it out to mean all that is open")
		}
		if p := fillLines(c, r.Lines, m); p != nil {
			return p
		}
	}
	return r.Carried.fill(c, m)
}

func (r *ExtendRequest) fill(c *engine.Command, m *missing) *Problem {
	if p := fillTTL(c, r.TTL); p != nil {
		return p
	}
	return r.Carried.fill(c, m)
}

func fillTTL(c *engine.Command, ttl Integer) *Problem {
	if ttl.Set && ttl.N == 0 {
		return Invalid("ttl_ms", "ttl_ms must be at least %d; leave it out for the default of %d",
			engine.HoldTTLMin.Milliseconds(), engine.HoldTTLDefault.Milliseconds())
	}
	c.TTL = ttl.N
	return nil
}

func fillLines[L LineRequest | StepLineRequest](c *engine.Command, lines []L, m *missing) *Problem {
	m.unless(lines != nil, "lines")
	if len(lines) > engine.LinesMax {
		return newProblem(KindOf(engine.TooManyLines), "lines", "at most %d lines, there are %d", engine.LinesMax, len(lines))
	}
	c.Lines = make([]engine.Line, len(lines))
	for i := range lines {
		l := LineRequest(lines[i])
		c.Lines[i] = engine.Line{SKU: l.SKU.S, Location: l.Location.S, Quantity: l.Quantity.N}
		m.unlessAt(l.SKU.Set, i, "sku")
		m.unlessAt(l.Quantity.Set, i, "quantity")
		if l.Location.Set && l.Location.S == "" {
			return Invalid(lineField(i, "location"), "location must not be empty; leave it out to let the engine choose")
		}
	}
	return nil
}
