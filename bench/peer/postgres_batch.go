package peer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skua-stock/skua/engine"
)

const (
	reserveBatch  = `SELECT reserve_batch($1, $2, $3, $4, $5, $6)`
	reserveOrders = `SELECT reserve_orders($1, $2, $3, $4, $5, $6)`
)

// batches does up to so many commands in one statement: what one process that all requests go
// through can do. One that does not fit, or whose key was used, fails all of them; they are done one
// by one then.
func batches(most int) postgresWay {
	return postgresWay{
		says: fmt.Sprintf("Up to %d requests that came meanwhile, in one statement:\n%s\n-- Orders:\n%s",
			most, reserveBatch, reserveOrders),
		batch: most,
		worker: func(c *pgx.Conn, lines int) worker {
			return (&batcher{postgresConn: postgresConn{conn: c, lines: lines}}).do
		},
	}
}

// batcher reserves many at once over one connection.
type batcher struct {
	postgresConn
	all []engine.Line
	// Of each command: one line, or the text of several.
	keys, itsSKUs   []string
	itsQuantities   []int64
	itsQuantityText []string
	ttls            []int64
}

func (b *batcher) do(calls []call) {
	var err error
	for range deadlocksMost {
		if err = b.together(calls); code(err) != codeDeadlock {
			break
		}
	}
	switch code(err) {
	case codeUnique, codeSoldOut:
		single(&b.postgresConn, (*postgresConn).statement)(calls)
	default:
		for i := range calls {
			calls[i].taken, calls[i].err = units(calls[i].cmd.Lines), err
		}
	}
}

func (b *batcher) together(calls []call) error {
	b.gather(calls)
	sql, quantities := reserveBatch, any(b.itsQuantities)
	if b.lines > 1 {
		sql, quantities = reserveOrders, b.itsQuantityText
	}
	rows, err := b.conn.Query(always, sql, b.skus, b.quantities, b.keys, b.itsSKUs, quantities, b.ttls)
	if err != nil {
		return err
	}
	n := 0
	var id int64
	_, err = pgx.ForEachRow(rows, []any{&id}, func() error { n++; return nil })
	if err == nil && n != len(calls) {
		return fmt.Errorf("%d reservations came of %d requests", n, len(calls))
	}
	return err
}

// gather fills in the arrays.
func (b *batcher) gather(calls []call) {
	b.all, b.keys, b.itsSKUs, b.ttls = b.all[:0], b.keys[:0], b.itsSKUs[:0], b.ttls[:0]
	b.itsQuantities, b.itsQuantityText = b.itsQuantities[:0], b.itsQuantityText[:0]
	for i := range calls {
		cmd := calls[i].cmd
		b.all = append(b.all, cmd.Lines...)
		b.keys, b.ttls = append(b.keys, cmd.Key), append(b.ttls, cmd.TTL)
		if b.lines > 1 {
			b.spread(cmd)
			b.itsSKUs = append(b.itsSKUs, arrayText(b.skus))
			b.itsQuantityText = append(b.itsQuantityText, arrayOfNumbers(b.quantities))
			continue
		}
		b.itsSKUs = append(b.itsSKUs, cmd.Lines[0].SKU)
		b.itsQuantities = append(b.itsQuantities, cmd.Lines[0].Quantity)
	}
	b.spread(&engine.Command{Lines: b.all})
}

// escape is what a quoted element of an array needs.
var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayText is an array of texts as PostgreSQL writes it.
func arrayText(elements []string) string {
	var s strings.Builder
	for i, e := range elements {
		if i > 0 {
			s.WriteByte(',')
		}
		s.WriteByte('"')
		_, _ = escape.WriteString(&s, e) // A Builder does not fail.
		s.WriteByte('"')
	}
	return "{" + s.String() + "}"
}

func arrayOfNumbers(elements []int64) string {
	b := []byte{'{'}
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, e, 10)
	}
	return string(append(b, '}'))
}
