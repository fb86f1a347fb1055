package peer

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skua-stock/skua/engine"
)

// The codes of PostgreSQL's errors that are answers.
const (
	codeUnique   = "23505"
	codeDeadlock = "40P01"
	codeSoldOut  = "SOLD0" // Our own, see postgres.sql.
	codeState    = "STEP0"
)

// always is the context of requests: one that can end costs a goroutine each, and the server is
// stopped when the run is over.
var always = context.Background()

const (
	reserveOne = `WITH taken AS (
  UPDATE stock SET reserved = reserved + $2 WHERE sku = $1 AND on_hand - reserved >= $2 RETURNING sku
)
INSERT INTO reservation (key, sku, quantity, expires_at)
SELECT $3, sku, $2, now() + $4::bigint * interval '1 ms' FROM taken RETURNING id`
	reserveOrder = `SELECT reserve_order($1, $2, $3, $4)`
)

// oneStatement does all in one statement: the best for requests that come alone.
var oneStatement = postgresWay{
	says: "One line:\n" + reserveOne + "\n-- An order:\n" + reserveOrder + "\n-- Steps:\n" +
		confirmOne + ";\n" + releaseOne + ";\n" + fulfillOne + "\n-- An item:\n" + readOne,
	batch: 1,
	worker: func(c *pgx.Conn, lines int) worker {
		return single(&postgresConn{conn: c, lines: lines}, (*postgresConn).statement)
	},
}

// forUpdate looks first and takes then, in a transaction, as commerce frameworks do.
var forUpdate = postgresWay{
	says: "In a transaction: SELECT ... FOR UPDATE, a comparison in the client, UPDATE for each line, INSERT.\n" +
		lockOne + ";\n" + lockMany + ";\n" + takeOne + ";\n" + insertOne + ";\n" + insertOrder +
		"\n-- Steps:\n" + lockReservation + ";\n" + lockOne + ";\n" + giveOne + ";\n" + setState + "\n-- An item:\n" + readOne,
	batch: 1,
	worker: func(c *pgx.Conn, lines int) worker {
		return single(&postgresConn{conn: c, lines: lines}, (*postgresConn).transaction)
	},
}

// postgresConn reserves over one connection.
type postgresConn struct {
	conn  *pgx.Conn
	lines int
	// order and the rest are used again and again.
	order      []engine.Line
	skus       []string
	quantities []int64
}

// way is a way to do a command over a connection, which returns the units that it took. Its errors are
// PostgreSQL's.
type way func(*postgresConn, *engine.Command) (taken int64, err error)

// single is a worker that does one call at a time.
func single(c *postgresConn, do way) worker {
	return func(calls []call) {
		for i := range calls {
			calls[i].taken, calls[i].err = c.settle(calls[i].cmd, do)
		}
	}
}

// settle does a command, and makes answers of the errors that are.
func (c *postgresConn) settle(cmd *engine.Command, do way) (taken int64, err error) {
	for range deadlocksMost {
		if taken, err = do(c, cmd); code(err) != codeDeadlock {
			break
		}
	}
	switch {
	case err == nil:
		return taken, nil
	case code(err) == codeUnique: // The key was used: the answer is the reservation of then.
		return 0, c.made(cmd)
	case code(err) == codeSoldOut:
		return 0, errSoldOut
	}
	return 0, err
}

func code(err error) string {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// made looks up the reservation of a command's key.
func (c *postgresConn) made(cmd *engine.Command) error {
	table := "reservation"
	if c.lines > 1 {
		table = "customer_order"
	}
	return c.conn.QueryRow(always, "SELECT id FROM "+table+" WHERE key = $1", cmd.Key).Scan(&cmd.Reservation.Nonce)
}

// statement does a command with one statement.
func (c *postgresConn) statement(cmd *engine.Command) (taken int64, err error) {
	switch cmd.Op {
	case engine.OpReserve:
		return units(cmd.Lines), c.reserve(cmd)
	case engine.OpGetItem:
		return 0, c.read(cmd.SKU)
	}
	return c.step(cmd)
}

// reserve reserves with one statement. The number of a reservation is what it is found by later.
func (c *postgresConn) reserve(cmd *engine.Command) (err error) {
	id := &cmd.Reservation.Nonce
	if c.lines > 1 {
		c.spread(cmd)
		return c.conn.QueryRow(always, reserveOrder, cmd.Key, c.skus, c.quantities, cmd.TTL).Scan(id)
	}
	l := &cmd.Lines[0]
	err = c.conn.QueryRow(always, reserveOne, l.SKU, l.Quantity, cmd.Key, cmd.TTL).Scan(id)
	if errors.Is(err, pgx.ErrNoRows) {
		return errSoldOut
	}
	return err
}

// spread merges the lines of a command into skus and quantities.
func (c *postgresConn) spread(cmd *engine.Command) {
	c.order = merged(c.order[:0], cmd.Lines)
	c.skus, c.quantities = c.skus[:0], c.quantities[:0]
	for _, l := range c.order {
		c.skus, c.quantities = append(c.skus, l.SKU), append(c.quantities, l.Quantity)
	}
}

const (
	lockOne   = `SELECT sku, on_hand, reserved FROM stock WHERE sku = $1 FOR UPDATE`
	lockMany  = `SELECT sku, on_hand, reserved FROM stock WHERE sku = ANY($1) ORDER BY sku FOR UPDATE`
	takeOne   = `UPDATE stock SET reserved = reserved + $2 WHERE sku = $1`
	insertOne = `INSERT INTO reservation (key, sku, quantity, expires_at)
VALUES ($1, $2, $3, now() + $4::bigint * interval '1 ms') RETURNING id`
	insertOrder = `INSERT INTO customer_order (key, skus, quantities, expires_at)
VALUES ($1, $2, $3, now() + $4::bigint * interval '1 ms') RETURNING id`
)

// transaction does a command as frameworks do.
func (c *postgresConn) transaction(cmd *engine.Command) (taken int64, err error) {
	if cmd.Op == engine.OpGetItem {
		return 0, c.read(cmd.SKU)
	}
	tx, err := c.conn.Begin(always)
	if err != nil {
		return 0, err
	}
	if taken, err = c.within(tx, cmd); err != nil {
		if undone := tx.Rollback(always); undone != nil {
			return 0, errors.Join(err, undone)
		}
		return 0, err
	}
	return taken, tx.Commit(always)
}

func (c *postgresConn) within(tx pgx.Tx, cmd *engine.Command) (taken int64, err error) {
	if cmd.Op == engine.OpReserve {
		return units(cmd.Lines), c.reserveWithin(tx, cmd)
	}
	return c.stepWithin(tx, cmd)
}

func (c *postgresConn) reserveWithin(tx pgx.Tx, cmd *engine.Command) error {
	c.spread(cmd)
	if err := c.lock(tx); err != nil {
		return err
	}
	for _, l := range c.order {
		if _, err := tx.Exec(always, takeOne, l.SKU, l.Quantity); err != nil {
			return err
		}
	}
	id := &cmd.Reservation.Nonce
	if c.lines > 1 {
		return tx.QueryRow(always, insertOrder, cmd.Key, c.skus, c.quantities, cmd.TTL).Scan(id)
	}
	return tx.QueryRow(always, insertOne, cmd.Key, c.skus[0], c.quantities[0], cmd.TTL).Scan(id)
}

// lock locks the rows of the order and sees that there is enough.
func (c *postgresConn) lock(tx pgx.Tx) error {
	sql, arg := lockOne, any(c.skus[0])
	if len(c.skus) > 1 {
		sql, arg = lockMany, c.skus
	}
	rows, err := tx.Query(always, sql, arg)
	if err != nil {
		return err
	}
	n, enough := 0, true
	var sku string
	var onHand, reserved int64
	_, err = pgx.ForEachRow(rows, []any{&sku, &onHand, &reserved}, func() error {
		enough = enough && sku == c.skus[n] && onHand-reserved >= c.quantities[n]
		n++
		return nil
	})
	if err == nil && (!enough || n < len(c.skus)) {
		return errSoldOut
	}
	return err
}
