package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// appendBody writes the JSON of a command as the HTTP door takes it. What it names is in the path,
// and the key in a header.
func appendBody(b []byte, c *engine.Command) []byte {
	b = append(b, '{')
	return closeObject(appendFields(b, c))
}

// appendMessage writes the JSON of a command that says everything: as the NATS door takes it, and
// with op, as a batch does.
func appendMessage(b []byte, c *engine.Command, op bool) []byte {
	b = append(b, '{')
	if op {
		b = appendString(b, `"op":"`, c.Op.String())
	}
	if c.Key != "" {
		b = appendString(b, `"idempotency_key":"`, c.Key)
	}
	if c.SKU != "" {
		b = appendString(b, `"sku":"`, c.SKU)
	}
	if c.Op.Step() {
		b = appendString(b, `"id":"`, c.Reservation.Home)
	}
	return closeObject(appendFields(b, c))
}

// appendFields writes the fields of a body, each with a comma behind it.
func appendFields(b []byte, c *engine.Command) []byte {
	switch c.Op {
	case engine.OpReceive:
		b = appendString(b, `"location":"`, c.Location)
		b = append(b, `"quantity":`...)
		b = append(strconv.AppendInt(b, c.Quantity, 10), ',')
	case engine.OpReserve:
		b = append(b, `"lines":[`...)
		for i := range c.Lines {
			l := &c.Lines[i]
			b = appendString(append(b, '{'), `"sku":"`, l.SKU)
			b = appendString(b, `"location":"`, l.Location)
			b = append(b, `"quantity":`...)
			b = append(strconv.AppendInt(b, l.Quantity, 10), "},"...)
		}
		b = append(b[:len(b)-1], `],"ttl_ms":`...)
		b = append(strconv.AppendInt(b, c.TTL, 10), ',')
	}
	return b
}

// appendString writes a member whose text needs no escapes, as all that the load is made of.
func appendString(b []byte, name, text string) []byte {
	return append(append(append(b, name...), text...), `",`...)
}

func closeObject(b []byte) []byte {
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}

// codeOverloaded is how the doors say engine.ErrOverloaded.
const codeOverloaded = "OVERLOADED"

// refusal is the error that a problem from a door comes to.
func refusal(problem []byte) error {
	var p struct{ Code, Detail string }
	if err := json.Unmarshal(problem, &p); err != nil {
		return fmt.Errorf("read a refusal %.100q: %w", problem, err)
	}
	if p.Code == codeOverloaded {
		return engine.ErrOverloaded
	}
	return errors.New(p.Code + ": " + p.Detail)
}

var idMember = []byte(`"id":"`)

// remember reads the id of a reservation from the answer that made it, into the command.
func remember(c *engine.Command, answer []byte) error {
	if c.Op != engine.OpReserve {
		return nil
	}
	i := bytes.Index(answer, idMember)
	if i < 0 {
		return fmt.Errorf("no id in %.100q", answer)
	}
	id, _, _ := bytes.Cut(answer[i+len(idMember):], []byte{'"'})
	c.Reservation = engine.ReservationRef{Home: string(id)}
	return nil
}
