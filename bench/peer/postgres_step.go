package peer

import (
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/skua-stock/skua/engine"
)

// The steps in one statement, each with the units that it takes from what is free. One counts once,
// whatever its key: when it comes again, the reservation is in another state.
const (
	confirmOne = `UPDATE reservation SET state = 'c' WHERE id = $1 AND state = 'a' AND expires_at > now() RETURNING 0::bigint`
	releaseOne = `WITH gone AS (
  UPDATE reservation SET state = 'r' WHERE id = $1 AND state = 'a' AND expires_at > now() RETURNING sku, quantity
)
UPDATE stock s SET reserved = s.reserved - g.quantity FROM gone g WHERE s.sku = g.sku RETURNING -g.quantity`
	fulfillOne = `WITH gone AS (
  UPDATE reservation SET state = 'f' WHERE id = $1 AND state = 'c' RETURNING sku, quantity
)
UPDATE stock s SET reserved = s.reserved - g.quantity, on_hand = s.on_hand - g.quantity
FROM gone g WHERE s.sku = g.sku RETURNING 0::bigint`
	readOne = `SELECT on_hand, reserved FROM stock WHERE sku = $1`
)

var stepOne = map[engine.Op]string{
	engine.OpConfirm: confirmOne, engine.OpRelease: releaseOne, engine.OpFulfill: fulfillOne,
}

// step takes a step with one statement.
func (c *postgresConn) step(cmd *engine.Command) (taken int64, err error) {
	err = c.conn.QueryRow(always, stepOne[cmd.Op], cmd.Reservation.Nonce).Scan(&taken)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, errState
	}
	return taken, err
}

// read reads an item.
func (c *postgresConn) read(sku string) error {
	var onHand, reserved int64
	return c.conn.QueryRow(always, readOne, sku).Scan(&onHand, &reserved)
}

// The states of a reservation that a step finds and leaves.
const (
	stateActive    = "a"
	stateConfirmed = "c"
	stateFulfilled = "f"
	stateReleased  = "r"
)

// stepStates are the states that a step finds and leaves.
func stepStates(op engine.Op) (was, becomes string) {
	switch op {
	case engine.OpConfirm:
		return stateActive, stateConfirmed
	case engine.OpRelease:
		return stateActive, stateReleased
	}
	return stateConfirmed, stateFulfilled
}

const (
	lockReservation = `SELECT sku, quantity, state::text, expires_at > now() FROM reservation WHERE id = $1 FOR UPDATE`
	giveOne         = `UPDATE stock SET reserved = reserved - $2, on_hand = on_hand - $3 WHERE sku = $1`
	setState        = `UPDATE reservation SET state = $2::text::"char" WHERE id = $1`
)

// stepWithin takes a step as frameworks do: it looks first.
func (c *postgresConn) stepWithin(tx pgx.Tx, cmd *engine.Command) (taken int64, err error) {
	was, becomes := stepStates(cmd.Op)
	var sku, state string
	var quantity int64
	var live bool
	err = tx.QueryRow(always, lockReservation, cmd.Reservation.Nonce).Scan(&sku, &quantity, &state, &live)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, errState
	case err != nil:
		return 0, err
	case state != was || state == stateActive && !live:
		return 0, errState
	}
	if cmd.Op != engine.OpConfirm {
		var shipped int64
		if cmd.Op == engine.OpFulfill {
			shipped = quantity
		}
		c.skus, c.quantities = append(c.skus[:0], sku), append(c.quantities[:0], 0)
		if err := c.lock(tx); err != nil {
			return 0, err
		}
		if _, err := tx.Exec(always, giveOne, sku, quantity, shipped); err != nil {
			return 0, err
		}
		taken = shipped - quantity
	}
	_, err = tx.Exec(always, setState, cmd.Reservation.Nonce, becomes)
	return taken, err
}
