package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
)

// The answers are written by hand: a reply costs no reflection and, into a reused buffer, no
// allocation. The tests hold every function here against the types of answer.go.

// TimeLayout is how times are spelled: RFC 3339, UTC, with milliseconds.
const TimeLayout = "2006-01-02T15:04:05.000Z07:00"

func appendTime(b []byte, t engine.Time) []byte {
	b = append(b, '"')
	// The library has a short way for this layout, which has no fraction; it ends in Z.
	b = time.UnixMilli(int64(t)).UTC().AppendFormat(b, time.RFC3339)
	ms := (t%1000 + 1000) % 1000
	return append(b[:len(b)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z', '"')
}

// appendText writes a string. Bytes that are no UTF-8 become the replacement character, since a
// problem may repeat what a client sent.
func appendText(b []byte, s string) []byte {
	if isPlain(s) {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendInt(b []byte, name string, n int64) []byte {
	b = append(b, name...)
	return strconv.AppendInt(b, n, 10)
}

func appendUint(b []byte, name string, n uint64) []byte {
	b = append(b, name...)
	return strconv.AppendUint(b, n, 10)
}

func appendMember(b []byte, name, text string) []byte {
	b = append(b, name...)
	return appendText(b, text)
}

// appendStates writes the states without the braces around them.
func appendStates(b []byte, c *engine.Counts) []byte {
	b = appendInt(b, `"on_hand":`, c.OnHand)
	b = appendInt(b, `,"available":`, c.Available())
	b = appendInt(b, `,"reserved":`, c.Reserved)
	b = appendInt(b, `,"committed":`, c.Committed)
	b = appendInt(b, `,"safety_stock":`, c.SafetyStock())
	b = appendInt(b, `,"damaged":`, c.Damaged)
	b = appendInt(b, `,"quality_control":`, c.QualityControl)
	b = appendInt(b, `,"other":`, c.Other)
	return appendInt(b, `,"backordered":`, c.Backordered())
}

var stateOrder = [...]engine.State{
	engine.OnHand, engine.Available, engine.Reserved, engine.Committed, engine.SafetyStock, engine.Damaged,
	engine.QualityControl, engine.Other, engine.Backordered,
}

// AppendItem writes an [Item].
func AppendItem(b []byte, v *engine.ItemView) []byte {
	b = appendMember(b, `{"sku":`, v.SKU)
	b = appendUint(b, `,"sequence":`, v.Sequence)
	b = append(b, `,"totals":{`...)
	for i, s := range stateOrder {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, s.String()...)
		b = append(b, `":`...)
		b = strconv.AppendInt(b, v.Total(s), 10)
	}
	b = append(b, `},"levels":[`...)
	for i := range v.Levels {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendMember(b, `{"location":`, v.Levels[i].Key.Location)
		b = append(b, ',')
		b = appendStates(b, &v.Levels[i].Counts)
		b = append(b, '}')
	}
	b = append(b, `],"settings":`...)
	b = appendSettings(b, &v.Settings)
	return append(b, '}')
}

func appendSettings(b []byte, s *engine.Settings) []byte {
	b = appendInt(b, `{"backorder_limit":`, s.BackorderLimit)
	b = appendInt(b, `,"reorder_point":`, s.ReorderPoint)
	b = append(b, `,"safety_stock":{`...)
	if len(s.SafetyStock) > 0 { // Sorting nothing takes memory.
		for i, loc := range slices.Sorted(maps.Keys(s.SafetyStock)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, loc)
			b = append(b, ':')
			b = strconv.AppendInt(b, s.SafetyStock[loc], 10)
		}
	}
	b = append(b, `},"location_order":[`...)
	for i, loc := range s.LocationOrder {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, loc)
	}
	return append(b, "]}"...)
}

// AppendAnswer writes the answer to an operation that was neither refused nor failed.
func AppendAnswer(b []byte, op engine.Op, a *engine.Answer, id AppendID) []byte {
	switch op {
	case engine.OpGetItem:
		return AppendItem(b, a.Item)
	case engine.OpPutItem:
		b = appendMember(b, `{"sku":`, a.SKU)
		b = appendUint(b, `,"sequence":`, a.Sequence)
		b = append(b, `,"settings":`...)
		b = appendSettings(b, a.Settings)
		return append(b, '}')
	case engine.OpReceive, engine.OpRestock, engine.OpAdjust, engine.OpSet, engine.OpMove:
		return appendChange(b, a)
	}
	return AppendReservation(b, &a.Reservation, id)
}

func appendChange(b []byte, a *engine.Answer) []byte {
	b = appendMember(b, `{"sku":`, a.SKU)
	b = appendUint(b, `,"sequence":`, a.Sequence)
	b = appendMember(b, `,"location":`, a.Level.Key.Location)
	b = append(b, `,"level":{`...)
	b = appendStates(b, &a.Level.Counts)
	return append(b, "}}"...)
}

// AppendReservation writes a [Reservation].
func AppendReservation(b []byte, v *engine.ReservationView, id AppendID) []byte {
	b = append(b, `{"id":"`...)
	b = id(b, v.Ref)
	b = append(b, `","state":"`...)
	b = append(b, v.State.String()...)
	b = append(b, '"')
	if v.Owner != "" {
		b = appendMember(b, `,"owner":`, v.Owner)
	}
	if v.State == engine.Active {
		b = append(b, `,"expires_at":`...)
		b = appendTime(b, v.ExpiresAt)
	}
	b = append(b, `,"lines":[`...)
	for i := range v.Lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendLine(b, &v.Lines[i], v.State == engine.Active)
	}
	return append(b, "]}"...)
}

func appendLine(b []byte, l *engine.LineView, active bool) []byte {
	reserved, committed := int64(0), l.Open
	if active {
		reserved, committed = l.Open, 0
	}
	b = appendMember(b, `{"sku":`, l.SKU)
	b = appendMember(b, `,"location":`, l.Location)
	b = appendInt(b, `,"quantity":`, l.Quantity)
	b = appendInt(b, `,"reserved":`, reserved)
	b = appendInt(b, `,"committed":`, committed)
	b = appendInt(b, `,"fulfilled":`, l.Fulfilled)
	if l.Sequence != 0 {
		b = appendUint(b, `,"sequence":`, l.Sequence)
	}
	return append(b, '}')
}

// StatusOf is the HTTP status of a success.
func StatusOf(op engine.Op, a *engine.Answer) int {
	if op == engine.OpReserve || op == engine.OpCommit || op == engine.OpPutItem && a.Created {
		return http.StatusCreated
	}
	return http.StatusOK
}

// AppendMovement writes a [Movement].
func AppendMovement(b []byte, m *engine.Movement, id AppendID) []byte {
	b = appendMember(b, `{"sku":`, m.SKU)
	b = appendUint(b, `,"sequence":`, m.Sequence)
	b = appendMember(b, `,"type":`, m.Type.String())
	b = append(b, `,"at":`...)
	b = appendTime(b, m.At)
	b = appendMember(b, `,"location":`, m.Level.Location)
	b = appendInt(b, `,"quantity":`, m.Quantity)
	b = appendUnlessEmpty(b, `,"from":`, m.From.String())
	b = appendUnlessEmpty(b, `,"to":`, m.To.String())
	b = append(b, `,"before":{`...)
	b = appendStates(b, &m.Before)
	b = append(b, `},"after":{`...)
	b = appendStates(b, &m.After)
	b = appendMember(b, `},"cause":`, m.Cause.String())
	b = appendUnlessEmpty(b, `,"reason":`, m.Reason)
	b = appendUnlessEmpty(b, `,"actor":`, m.Actor)
	b = appendUnlessEmpty(b, `,"reference_document_uri":`, m.Reference)
	if m.Reservation.Nonce != 0 {
		b = append(b, `,"reservation_id":"`...)
		b = id(b, m.Reservation)
		b = append(b, '"')
	}
	b = appendUnlessEmpty(b, `,"owner":`, m.Owner)
	if m.ExpiresAt != 0 {
		b = append(b, `,"expires_at":`...)
		b = appendTime(b, m.ExpiresAt)
	}
	if m.Holds != 0 {
		b = appendInt(b, `,"holds":`, m.Holds)
	}
	for i, name := range m.Alerts.Names() {
		if i == 0 {
			b = append(b, `,"alerts":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(b, name)
	}
	if m.Alerts != 0 {
		b = append(b, ']')
	}
	if m.Settings != nil {
		b = append(b, `,"settings":`...)
		b = appendSettings(b, m.Settings)
	}
	return append(b, '}')
}

func appendUnlessEmpty(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendMember(b, name, text)
}

// AppendProblem writes a [ProblemBody].
func AppendProblem(b []byte, p *Problem, requestID string) []byte {
	b = appendMember(b, `{"type":`, p.Kind.Type())
	b = appendMember(b, `,"title":`, p.Kind.Title)
	b = appendInt(b, `,"status":`, int64(p.Kind.Status))
	b = appendMember(b, `,"detail":`, p.Detail)
	b = appendMember(b, `,"code":`, p.Kind.Code)
	b = appendUnlessEmpty(b, `,"request_id":`, requestID)
	b = appendUnlessEmpty(b, `,"field":`, p.Field)
	for i := range p.Lines {
		if i == 0 {
			b = append(b, `,"lines":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendProblemLine(b, &p.Lines[i])
	}
	if len(p.Lines) > 0 {
		b = append(b, ']')
	}
	if p.HasCurrent {
		b = appendInt(b, `,"current":`, p.Current)
	}
	return append(b, '}')
}

func appendProblemLine(b []byte, l *engine.RefusedLine) []byte {
	b = appendMember(b, `{"sku":`, l.SKU)
	b = appendUnlessEmpty(b, `,"location":`, l.Location)
	if l.Requested != 0 {
		b = appendInt(b, `,"requested":`, l.Requested)
		b = appendInt(b, `,"available":`, l.Available)
	}
	if l.NextExpiryAt != 0 {
		b = append(b, `,"next_expiry_at":`...)
		b = appendTime(b, l.NextExpiryAt)
	}
	return append(b, '}')
}
