package peer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/engine"
)

const racerSays = `Two buckets, history 1, in files: the free units by SKU, and the reservations by idempotency key.
To reserve: create the reservation, which fails when its key was used; then for each SKU get the free
units and update them if they are still at that revision, over again after a lost race. An order that
cannot be had gives back what it took, and purges its reservation. These are separate messages: a
crash between them leaves a reservation without its units, which a real system has to repair. The id is
the key. A step gets the reservation, and updates it if it is still at that revision; to release it then
gives the units back. What is left to expire is not looked for: it would be found by reading all
reservations in the order of the stream. To read an item is to get its free units.
`

// What a reservation says first. What is over has no lines.
const (
	racerActive    = "active"
	racerConfirmed = "confirmed"
	racerFulfilled = "fulfilled"
	racerReleased  = "released"
)

// racer reserves by compare-and-set, one call at a time.
type racer struct {
	stock, reservations jetstream.KeyValue
	order               []engine.Line
	record              []byte
}

func newRacer(ctx context.Context, c *nats.Conn) (worker, error) {
	js, err := jetstream.New(c)
	if err != nil {
		return nil, err
	}
	r := &racer{}
	if r.stock, err = js.KeyValue(ctx, stockBucket); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	if r.reservations, err = js.KeyValue(ctx, reservationBucket); err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	return func(calls []call) {
		for i := range calls {
			calls[i].taken, calls[i].err = r.call(calls[i].cmd)
		}
	}, nil
}

func (r *racer) call(cmd *engine.Command) (taken int64, err error) {
	switch cmd.Op {
	case engine.OpReserve:
		return r.reserve(cmd)
	case engine.OpGetItem:
		_, _, err := r.free(cmd.SKU)
		return 0, err
	}
	return r.step(cmd)
}

func (r *racer) reserve(cmd *engine.Command) (taken int64, err error) {
	r.order = merged(r.order[:0], cmd.Lines)
	_, err = r.reservations.Create(always, cmd.Key, r.says(cmd.TTL))
	if errors.Is(err, jetstream.ErrKeyExists) {
		cmd.Reservation.Home = cmd.Key
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("create the reservation: %w", err)
	}
	for i := range r.order {
		if err = r.change(r.order[i].SKU, -r.order[i].Quantity); err != nil {
			return 0, errors.Join(err, r.undo(cmd.Key, r.order[:i]))
		}
	}
	cmd.Reservation.Home = cmd.Key
	return units(cmd.Lines), nil
}

// says is what a reservation says: its state and when it ends, then the units and the SKU of each line.
func (r *racer) says(ttl int64) []byte {
	b := append(r.record[:0], racerActive+" "...)
	b = append(strconv.AppendInt(b, time.Now().UnixMilli()+ttl, 10), '\n')
	for _, l := range r.order {
		b = append(strconv.AppendInt(b, l.Quantity, 10), ' ')
		b = append(append(b, l.SKU...), '\n')
	}
	r.record = b
	return b
}

// change adds to the free units of a SKU, if that leaves any.
func (r *racer) change(sku string, by int64) error {
	for range racesMost {
		free, revision, err := r.free(sku)
		if err != nil {
			return err
		}
		if free += by; free < 0 {
			return errSoldOut
		}
		_, err = r.stock.Update(always, sku, strconv.AppendInt(nil, free, 10), revision)
		if err == nil {
			return nil
		}
		if !errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
			return fmt.Errorf("update the stock of %s: %w", sku, err)
		}
	}
	return fmt.Errorf("update the stock of %s: %d races lost", sku, racesMost)
}

// free reads the free units of a SKU.
func (r *racer) free(sku string) (units int64, revision uint64, err error) {
	e, err := r.stock.Get(always, sku)
	if err != nil {
		return 0, 0, fmt.Errorf("read the stock of %s: %w", sku, err)
	}
	if units, err = strconv.ParseInt(string(e.Value()), 10, 64); err != nil {
		return 0, 0, fmt.Errorf("read the stock of %s: %w", sku, err)
	}
	return units, e.Revision(), nil
}

// undo gives back the lines and forgets the reservation.
func (r *racer) undo(key string, lines []engine.Line) error {
	var errs []error
	for _, l := range lines {
		errs = append(errs, r.change(l.SKU, l.Quantity))
	}
	return errors.Join(append(errs, r.reservations.Purge(always, key))...)
}
