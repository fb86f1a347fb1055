package peer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skua-stock/skua/engine"
)

const (
	reserveBatch  = `SELECT reserve_batch($1, $2, $3, $4, $5, $6)`
	reserveOrders = `SELECT reserve_orders($1, $2, $3, $4, $5, $6)`
	doBatch       = `SELECT do_batch($1, $2, $3, $4, $5, $6, $7)`
	readBatch     = `SELECT s.on_hand, s.reserved FROM unnest($1::text[]) AS w (sku) JOIN stock s USING (sku)`
)

// batches does up to so many commands in one statement: what one process that all requests go
// through can do. One that does not fit, whose key was used, or that finds its reservation in another
// state, fails all of them; they are done one by one then.
func batches(most int) postgresWay {
	return postgresWay{
		says: fmt.Sprintf("Up to %d requests that came meanwhile, in one statement:\n%s\n-- Orders:\n%s\n-- With steps:\n%s\n-- Items:\n%s",
			most, reserveBatch, reserveOrders, doBatch, readBatch),
		batch: most,
		worker: func(c *pgx.Conn, lines int) worker {
			return (&batcher{postgresConn: postgresConn{conn: c, lines: lines}}).do
		},
	}
}

// batcher does many commands at once over one connection.
type batcher struct {
	postgresConn
	all []engine.Line
	// reserves, steps and reads are the commands of a batch by what they do.
	reserves, steps, reads []*call
	// Of each reservation: one line, or the text of several.
	keys, itsSKUs   []string
	itsQuantities   []int64
	itsQuantityText []string
	ttls            []int64
	// Of each step.
	ids          []int64
	was, becomes []string
	// The SKUs that are read.
	itemSKUs []string
}

func (b *batcher) do(calls []call) {
	b.gather(calls)
	var err error
	for range deadlocksMost {
		if err = b.together(); code(err) != codeDeadlock {
			break
		}
	}
	switch code(err) {
	case codeUnique, codeSoldOut, codeState:
		single(&b.postgresConn, (*postgresConn).statement)(calls)
	default:
		for i := range calls {
			calls[i].err = err
		}
	}
}

// together does a batch in one transaction: what changes something in one statement, what reads in
// another.
func (b *batcher) together() error {
	var batch pgx.Batch
	switch {
	case len(b.steps) > 0:
		batch.Queue(doBatch, b.keys, b.itsSKUs, b.itsQuantities, b.ttls, b.ids, b.was, b.becomes).Query(b.stepped)
	case len(b.reserves) == 0:
	case b.lines > 1:
		batch.Queue(reserveOrders, b.skus, b.quantities, b.keys, b.itsSKUs, b.itsQuantityText, b.ttls).Query(b.reserved)
	default:
		batch.Queue(reserveBatch, b.skus, b.quantities, b.keys, b.itsSKUs, b.itsQuantities, b.ttls).Query(b.reserved)
	}
	if len(b.reads) > 0 {
		batch.Queue(readBatch, b.itemSKUs).Query(b.read)
	}
	return b.conn.SendBatch(always, &batch).Close()
}

// stepped reads what do_batch returns: the units that were given back, and the reservations.
func (b *batcher) stepped(rows pgx.Rows) error {
	var given int64
	if !rows.Next() {
		return errors.Join(rows.Err(), errors.New("a batch has no answer"))
	}
	if err := rows.Scan(&given); err != nil {
		return err
	}
	b.steps[0].taken = -given // The books do not care whose they are.
	return b.reserved(rows)
}

// reserved reads the numbers of the reservations, which come in the order in which they were asked for.
func (b *batcher) reserved(rows pgx.Rows) error {
	n := 0
	var id uint64
	_, err := pgx.ForEachRow(rows, []any{&id}, func() error {
		if n < len(b.reserves) {
			c := b.reserves[n]
			c.cmd.Reservation.Nonce, c.taken = id, units(c.cmd.Lines)
		}
		n++
		return nil
	})
	if err == nil && n != len(b.reserves) {
		return fmt.Errorf("%d reservations came of %d requests", n, len(b.reserves))
	}
	return err
}

func (b *batcher) read(rows pgx.Rows) error {
	n := 0
	var onHand, reserved int64
	_, err := pgx.ForEachRow(rows, []any{&onHand, &reserved}, func() error { n++; return nil })
	if err == nil && n != len(b.reads) {
		return fmt.Errorf("%d items came of %d requests", n, len(b.reads))
	}
	return err
}

// gather fills in the arrays.
func (b *batcher) gather(calls []call) {
	b.reserves, b.steps, b.reads = b.reserves[:0], b.steps[:0], b.reads[:0]
	b.all, b.keys, b.itsSKUs, b.ttls = b.all[:0], b.keys[:0], b.itsSKUs[:0], b.ttls[:0]
	b.itsQuantities, b.itsQuantityText = b.itsQuantities[:0], b.itsQuantityText[:0]
	b.ids, b.was, b.becomes, b.itemSKUs = b.ids[:0], b.was[:0], b.becomes[:0], b.itemSKUs[:0]
	for i := range calls {
		switch cmd := calls[i].cmd; cmd.Op {
		case engine.OpReserve:
			b.reserves = append(b.reserves, &calls[i])
			b.gatherReserve(cmd)
		case engine.OpGetItem:
			b.reads = append(b.reads, &calls[i])
			b.itemSKUs = append(b.itemSKUs, cmd.SKU)
		default:
			b.steps = append(b.steps, &calls[i])
			was, becomes := stepStates(cmd.Op)
			b.ids, b.was, b.becomes = append(b.ids, int64(cmd.Reservation.Nonce)), append(b.was, was), append(b.becomes, becomes)
		}
	}
	b.spread(&engine.Command{Lines: b.all})
}

func (b *batcher) gatherReserve(cmd *engine.Command) {
	b.all = append(b.all, cmd.Lines...)
	b.keys, b.ttls = append(b.keys, cmd.Key), append(b.ttls, cmd.TTL)
	if b.lines > 1 {
		b.spread(cmd)
		b.itsSKUs = append(b.itsSKUs, arrayText(b.skus))
		b.itsQuantityText = append(b.itsQuantityText, arrayOfNumbers(b.quantities))
		return
	}
	b.itsSKUs = append(b.itsSKUs, cmd.Lines[0].SKU)
	b.itsQuantities = append(b.itsQuantities, cmd.Lines[0].Quantity)
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
