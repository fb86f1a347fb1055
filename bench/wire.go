package bench

import (
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// appendBody writes the JSON of a command as the doors take it. Over NATS the SKU is a member; over
// HTTP it is in the path.
func appendBody(b []byte, c *engine.Command, sku bool) []byte {
	b = append(b, '{')
	if sku && c.SKU != "" {
		b = append(b, `"sku":"`...)
		b = append(b, c.SKU...)
		b = append(b, `",`...)
	}
	switch c.Op {
	case engine.OpReceive:
		b = append(b, `"location":"`...)
		b = append(b, c.Location...)
		b = append(b, `","quantity":`...)
		b = strconv.AppendInt(b, c.Quantity, 10)
		b = append(b, ',')
	case engine.OpReserve:
		b = append(b, `"lines":[`...)
		for i := range c.Lines {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"sku":"`...)
			b = append(b, c.Lines[i].SKU...)
			b = append(b, `","location":"`...)
			b = append(b, c.Lines[i].Location...)
			b = append(b, `","quantity":`...)
			b = strconv.AppendInt(b, c.Lines[i].Quantity, 10)
			b = append(b, '}')
		}
		b = append(b, `],"ttl_ms":`...)
		b = strconv.AppendInt(b, c.TTL, 10)
		b = append(b, ',')
	}
	if b[len(b)-1] == ',' {
		b = b[:len(b)-1]
	}
	return append(b, '}')
}
