package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/wal"
)

// turnSite is the engine on a log with nothing between: one item behind a lock, no actor, no
// memory of keys, no history, no snapshots, and nothing that could be recovered by.
type turnSite struct {
	*logSite
	driver turnDriver
}

func openFloorTurn(ctx context.Context, dir string, w bench.Workload) (site, error) {
	l, err := openLogSite(dir)
	if err != nil {
		return nil, err
	}
	s := &turnSite{l, turnDriver{log: l.log, stocks: []*engine.Stock{engine.NewStock(bench.SKU(0))}}}
	if err := bench.Seed(ctx, &s.driver, w); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *turnSite) target(string, int) (*bench.Target, func(), error) {
	return &bench.Target{Driver: &s.driver, Dir: s.dir}, func() {}, nil
}

// turnDriver takes a turn for each command.
type turnDriver struct {
	log *wal.Log

	mu     sync.Mutex
	stocks []*engine.Stock
	turn   engine.Turn
	entry  codec.Entry
	prev   [1]uint64
	buf    []byte
	nonce  uint64
}

// Start implements bench.Driver.
func (d *turnDriver) Start(c *engine.Command, done func(error)) {
	w := appendeds.Get().(*appended)
	w.done = done
	if err := d.take(c, w); err != nil {
		w.Durable(err)
	}
}

func (d *turnDriver) take(c *engine.Command, w *appended) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nonce++
	if c.Op == engine.OpReserve {
		c.Reservation = engine.ReservationRef{Nonce: d.nonce}
	}
	d.turn.Begin(engine.Time(time.Now().UnixMilli()), d.stocks)
	if r := d.turn.Decide(c); r.Refused() {
		return errors.New(r.Code.String())
	}
	d.turn.Record.Apply(d.stocks)
	d.entry.Positions = append(d.entry.Positions[:0], codec.Position{Number: d.nonce})
	d.entry.Prev, d.entry.Record = d.prev[:], d.turn.Record
	d.buf = codec.AppendEntry(d.buf[:0], &d.entry)
	index, err := d.log.Append(d.buf, w)
	d.prev[0] = index
	return err
}
