package gateway

import (
	"reflect"

	"github.com/skua-stock/skua/engine"
)

// Message is a request that says everything in its payload, as over NATS and in a batch: the
// fields of the body, and beside them what HTTP has in path, query and headers.
type Message struct {
	Command engine.Command
	// Op names the operation, in a batch only.
	Op Text
	// Key is the idempotency key.
	Key Text
	// IfMatch is the sequence that the item must be at.
	IfMatch Integer
	// SKU and ID are whom it is about.
	SKU, ID Text
	// Limit and Cursor are those of a page.
	Limit  Integer
	Cursor Text

	// lines is memory for the lines of the command.
	lines []engine.Line
}

// The members that an operation has beside those of its body.
type (
	keyMember struct {
		Key Text `json:"idempotency_key" maxlen:"255" doc:"The idempotency key, where there is no header for it."`
	}
	opMember struct {
		Op Text `json:"op" required:"true" enum:"operations" doc:"The operation."`
	}
	itemAddress struct {
		SKU     Text    `json:"sku" required:"true" maxlen:"128" doc:"The item."`
		IfMatch Integer `json:"if_match" min:"0" doc:"The sequence that the item must be at, where there is no header for it."`
	}
	skuAddress struct {
		SKU Text `json:"sku" required:"true" maxlen:"128" doc:"The item."`
	}
	stepAddress struct {
		ID Text `json:"id" required:"true" doc:"The reservation."`
	}
	historyAddress struct {
		skuAddress
		pageAddress
	}
	pageAddress struct {
		Limit  Integer `json:"limit" min:"1" max:"1000" doc:"How many at most; 50 by default."`
		Cursor Text    `json:"cursor" doc:"Where to go on: next_cursor of the page before."`
	}
	noAddress struct{}
)

func (a *itemAddress) fill(m *Message, miss *missing) {
	m.SKU, m.IfMatch = a.SKU, a.IfMatch
	miss.unless(a.SKU.Set, "sku")
}

func (a *skuAddress) fill(m *Message, miss *missing) {
	m.SKU = a.SKU
	miss.unless(a.SKU.Set, "sku")
}

func (a *stepAddress) fill(m *Message, miss *missing) {
	m.ID = a.ID
	miss.unless(a.ID.Set, "id")
}

func (a *historyAddress) fill(m *Message, miss *missing) {
	a.skuAddress.fill(m, miss)
	a.pageAddress.fill(m, miss)
}

func (a *pageAddress) fill(m *Message, _ *missing) { m.Limit, m.Cursor = a.Limit, a.Cursor }

func (a *noAddress) fill(*Message, *missing) {}

// body is a request type, and address one of the types above.
type body[B any] interface {
	*B
	fill(c *engine.Command, m *missing) *Problem
}

type address[A any] interface {
	*A
	fill(m *Message, miss *missing)
}

// envelope is a message as it is decoded.
type envelope[A, B any] struct {
	opMember
	keyMember
	Address A `json:",embed"`
	Body    B `json:",embed"`
}

// question is a message of an operation that only reads, as it is decoded.
type question[A any] struct {
	opMember
	Address A `json:",embed"`
}

// define gives an operation of the engine its decoders.
func define[B, A any, PB body[B], PA address[A]](o Operation) *Operation {
	o.Request, o.Message = reflect.TypeFor[B](), reflect.TypeFor[envelope[A, B]]()
	o.body = func(raw []byte, c *engine.Command) *Problem {
		var b B
		if p := decode(raw, &b); p != nil {
			return p
		}
		var miss missing
		return miss.or(PB(&b).fill(c, &miss))
	}
	o.message = func(raw []byte, m *Message) *Problem {
		var e envelope[A, B]
		if p := decode(raw, &e); p != nil {
			return p
		}
		m.Op, m.Key = e.Op, e.Key
		var miss missing
		PA(&e.Address).fill(m, &miss)
		return miss.or(PB(&e.Body).fill(&m.Command, &miss))
	}
	return &o
}

// read gives an operation without a body of fields its decoder.
func read[A any, PA address[A]](o Operation) *Operation {
	if o.Message = o.Request; o.Message == nil {
		o.Message = reflect.TypeFor[A]()
	}
	o.body = func(raw []byte, _ *engine.Command) *Problem { return decode(raw, new(struct{})) }
	o.message = func(raw []byte, m *Message) *Problem {
		var a A
		if p := decode(raw, &a); p != nil {
			return p
		}
		var miss missing
		PA(&a).fill(m, &miss)
		return miss.or(nil)
	}
	return &o
}

// ask gives an operation of the engine that only reads its decoders.
func ask[A any, PA address[A]](o Operation) *Operation {
	asked := read[A, PA](o)
	asked.Message = reflect.TypeFor[question[A]]()
	asked.message = func(raw []byte, m *Message) *Problem {
		var q question[A]
		if p := decode(raw, &q); p != nil {
			return p
		}
		m.Op = q.Op
		var miss missing
		PA(&q.Address).fill(m, &miss)
		return miss.or(nil)
	}
	return asked
}

// DecodeBody reads the body of an operation over HTTP into the command of a message, which has to be
// empty.
func (o *Operation) DecodeBody(raw []byte, m *Message) *Problem {
	m.Command.Op = o.Op
	if o.plainly(raw, m, plainShapes[o.Op].body()) {
		return nil
	}
	return o.body(raw, &m.Command)
}

// DecodeMessage reads a payload that says everything into a message, which has to be empty. Its
// command lacks the key, since that may come in a header.
func (o *Operation) DecodeMessage(raw []byte, m *Message) *Problem {
	m.Command.Op = o.Op
	if !o.plainly(raw, m, plainShapes[o.Op]) {
		if p := o.message(raw, m); p != nil {
			return p
		}
	}
	return m.address()
}

// address moves what is said beside the body into the command.
func (m *Message) address() *Problem {
	m.Command.SKU = m.SKU.S
	if m.IfMatch.N < 0 {
		return Invalid("if_match", "if_match must be at least 0")
	}
	m.Command.IfMatch, m.Command.HasIfMatch = uint64(m.IfMatch.N), m.IfMatch.Set
	return nil
}

// plainly reads a request if it is plain.
func (o *Operation) plainly(raw []byte, m *Message, shape plainShape) bool {
	if shape.allowed == 0 {
		return false
	}
	p := takePlain(raw)
	defer p.free()
	if !p.object() || !p.ended() || !p.fits(shape) {
		return false
	}
	p.fill(m)
	return true
}

// Reset empties a message, to be used again.
func (m *Message) Reset() {
	lines := m.lines
	if cap(lines) > linesKeptMax {
		lines = nil
	}
	clear(lines)
	*m = Message{lines: lines[:0]}
}

// Check is the last step before a command is handed over: may the caller give it, is it valid by
// itself, and does it name a reservation that can be. The command is the caller's from then on. A
// step for which [Caller.MustLook] is not decided by that alone.
func Check(port Port, who *Caller, c *engine.Command, id string) *Problem {
	if p := who.Admit(c); p != nil {
		return p
	}
	if r := c.Validate(); r.Refused() {
		return Refused(&r)
	}
	if !c.Op.Step() && c.Op != engine.OpGetReservation {
		return nil
	}
	ref, ok := port.Reservation(id)
	if !ok {
		r := engine.StepRefused(c.Op, engine.StateNone)
		return Refused(&r)
	}
	c.Reservation = ref
	return nil
}
