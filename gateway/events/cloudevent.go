package events

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// encoder writes movements as CloudEvents 1.0 in the JSON format.
type encoder struct {
	source        []byte // as a JSON string
	reservationID gateway.AppendID
	// stamp is the time at as a JSON string: many movements have the same.
	stamp []byte
	at    engine.Time
}

func newEncoder(node string, reservationID gateway.AppendID) encoder {
	return encoder{source: quote(nil, "/skua/"+url.PathEscape(node)), reservationID: reservationID}
}

// event appends the event of a movement. Its data is the movement with the id of the event and the
// times when it occurred and was recorded, which are the same until there are movements that are
// told to us afterwards.
func (c *encoder) event(b []byte, p place, m *engine.Movement) []byte {
	return c.envelope(b, p, "", m.Type.String(), m)
}

// alert appends an alert of a movement: the same, by the alert's own id and type.
func (c *encoder) alert(b []byte, p place, name string, m *engine.Movement) []byte {
	return c.envelope(b, p, shortAlert(name), name, m)
}

func (c *encoder) envelope(b []byte, p place, alert, typ string, m *engine.Movement) []byte {
	b = append(b, `{"specversion":"1.0","id":"`...)
	b = appendAlertID(b, p, alert)
	b = append(b, `","source":`...)
	b = append(b, c.source...)
	b = append(b, `,"type":"`...)
	b = append(b, typ...)
	b = append(b, `","subject":`...)
	b = quote(b, m.SKU)
	b = append(b, `,"time":`...)
	b = append(b, c.time(m.At)...)
	b = append(b, `,"datacontenttype":"application/json","sequence":"`...)
	b = appendPadded(b, m.Sequence)
	b = append(b, `","data":`...)
	b = gateway.AppendMovement(b, m, c.reservationID)
	b = append(b[:len(b)-1], `,"event_id":"`...)
	b = p.appendID(b)
	b = append(b, `","occurred_at":`...)
	b = append(b, c.stamp...)
	b = append(b, `,"recorded_at":`...)
	b = append(b, c.stamp...)
	return append(b, "}}"...)
}

// time is a time as a JSON string, until the next call.
func (c *encoder) time(at engine.Time) []byte {
	if c.stamp == nil || c.at != at {
		c.at = at
		c.stamp = append(c.stamp[:0], '"')
		c.stamp = time.UnixMilli(int64(at)).UTC().AppendFormat(c.stamp, gateway.TimeLayout)
		c.stamp = append(c.stamp, '"')
	}
	return c.stamp
}

// appendAlertID appends the id of an event, or of an alert of it.
func appendAlertID(b []byte, p place, alert string) []byte {
	b = p.appendID(b)
	if alert != "" {
		b = append(append(b, '-'), alert...)
	}
	return b
}

// shortAlert is the name of an alert without what all have in front.
func shortAlert(name string) string { return strings.TrimPrefix(name, "stock.") }

// sequenceDigits is how many digits the greatest sequence has. CloudEvents wants sequences that
// sort as text.
const sequenceDigits = 20

func appendPadded(b []byte, n uint64) []byte {
	var digits [sequenceDigits]byte
	s := strconv.AppendUint(digits[:0], n, 10)
	for range sequenceDigits - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}

func quote(b []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = literal(s[i])
	}
	if plain { // As most names are.
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s) // The error says that s is not UTF-8; names are.
	return b
}
