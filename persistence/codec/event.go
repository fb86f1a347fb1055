package codec

import (
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// How many numbers the engine's enumerations have: what is not below is refused. The numbers are
// written as the engine has them, so they are part of the formats; TestNumbers holds them.
const (
	ops               = byte(engine.OpFree) + 1
	eventTypes        = byte(engine.LineUnchanged) + 1
	states            = byte(engine.Backordered) + 1
	reservationStates = byte(engine.Cancelled) + 1
	alertBits         = byte(engine.BackorderFilled)<<1 - 1
)

// The bits of an event's flags: which fields it has.
const (
	// eventStock says that the event is of another stock than the event before it, or, for an
	// act's first event, than that of the record's first SKU.
	eventStock = 1 << iota
	eventSequence
	eventLine
	eventAlerts
	eventStates
	eventLot
	eventSettings
	eventFlags = 1<<iota - 1
)

func eventFlagsOf(e *engine.Event, stock, last int) (flags byte) {
	if stock != last {
		flags |= eventStock
	}
	if e.Sequence != 0 {
		flags |= eventSequence
	}
	if e.Line != (engine.LineStatus{}) {
		flags |= eventLine
	}
	if e.Alerts != 0 {
		flags |= eventAlerts
	}
	if e.From != 0 || e.To != 0 {
		flags |= eventStates
	}
	if e.Level.Lot != "" || e.Level.Pool != "" {
		flags |= eventLot
	}
	if e.Settings != nil {
		flags |= eventSettings
	}
	return flags
}

// appendEvent writes an event as one of the given stock, after one of the last.
func appendEvent(dst []byte, r *engine.Record, e *engine.Event, stock, last int) []byte {
	if uint(e.Stock) >= uint(len(r.SKUs)) {
		panic(fmt.Sprintf("codec: an event of SKU %d of %d", e.Stock, len(r.SKUs)))
	}
	flags := eventFlagsOf(e, stock, last)
	dst = append(dst, byte(e.Type), flags)
	if flags&eventStock != 0 {
		dst = appendUvarint(dst, uint64(stock))
	}
	if flags&eventSequence != 0 {
		dst = appendUvarint(dst, e.Sequence)
	}
	dst = appendText(dst, e.Level.Location)
	if flags&eventLot != 0 {
		dst = appendText(dst, e.Level.Lot)
		dst = appendText(dst, e.Level.Pool)
	}
	dst = appendChange(dst, &e.Before, &e.After)
	dst = appendVarint(dst, e.Quantity)
	if flags&eventStates != 0 {
		dst = append(dst, byte(e.From), byte(e.To))
	}
	if flags&eventLine != 0 {
		dst = appendLineStatus(dst, &e.Line)
	}
	if flags&eventAlerts != 0 {
		dst = append(dst, byte(e.Alerts))
	}
	if flags&eventSettings != 0 {
		dst = appendSettings(dst, e.Settings)
	}
	return dst
}

// event reads an event into e, which is empty.
func (r *reader) event(rec *engine.Record, e *engine.Event, last int) {
	e.Type = engine.EventType(r.enum(eventTypes, "type of event"))
	flags := r.byte()
	if flags > eventFlags {
		r.fail("unknown flag")
		return
	}
	e.Stock = last
	if flags&eventStock != 0 {
		e.Stock = int(r.number(EntryBytesMax, "SKU"))
	}
	if e.Stock >= len(rec.SKUs) {
		r.fail("an event of no SKU")
		e.Stock = 0
		return
	}
	if flags&eventSequence != 0 {
		e.Sequence = r.uvarint()
	}
	e.Level.Location = r.name()
	if flags&eventLot != 0 {
		e.Level.Lot, e.Level.Pool = r.name(), r.name()
	}
	r.change(&e.Before, &e.After)
	e.Quantity = r.varint()
	if flags&eventStates != 0 {
		e.From = engine.State(r.enum(states, "state"))
		e.To = engine.State(r.enum(states, "state"))
	}
	if flags&eventLine != 0 {
		e.Line = r.lineStatus()
	}
	if flags&eventAlerts != 0 {
		e.Alerts = engine.Alerts(r.enum(alertBits+1, "alert"))
	}
	if flags&eventSettings != 0 {
		e.Settings = new(engine.Settings)
		r.settings(e.Settings)
	}
}
