package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/persistence/wal"
)

// turnPort has the turns of a floor behind the reader of a door, for batches of which each operation
// stands alone.
type turnPort struct {
	gateway.Port // It is nil, for nothing else is asked of it.
	driver       *turnDriver
}

// openTurnPort makes so many items.
func openTurnPort(log *wal.Log, items int) (turnPort, error) {
	p := turnPort{driver: newTurnDriver(log, items)}
	return p, bench.Seed(context.Background(), p.driver, bench.Workload{SKUs: items})
}

// AppendReservationID implements gateway.Port with an id as long as a real one.
func (p turnPort) AppendReservationID(b []byte, _ engine.ReservationRef) []byte {
	return append(b, floorID...)
}

// SubmitEach implements gateway.Port.
func (p turnPort) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	at := 0
	for piece := range slices.Chunk(cs, floorPieceCommands) {
		p.driver.takeEach(piece, at, answer)
		at += len(piece)
	}
}

// takeEach takes a turn for each command of a piece, the first of which has a place among others.
func (d *turnDriver) takeEach(piece []*engine.Command, at int, answer func(int, *engine.Answer)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(piece) > 1 && len(d.items) > 1 {
		d.warm(piece)
	}
	for i, c := range piece {
		t := decideds.Get().(*decided)
		t.answer, t.at = answer, at+i
		err := d.decide(c)
		if err == nil {
			t.ans = d.turn.Record.Answer(0)
			err = d.append(t)
		}
		if err != nil {
			t.Durable(err)
		}
	}
}

// decided is an answer that waits for its record.
type decided struct {
	answer func(int, *engine.Answer)
	at     int
	ans    engine.Answer
}

var decideds = sync.Pool{New: func() any { return new(decided) }}

// Durable implements wal.Waiter.
func (t *decided) Durable(err error) {
	if errors.Is(err, wal.ErrOverloaded) {
		err = engine.ErrOverloaded
	}
	t.ans.Err = err
	t.answer(t.at, &t.ans)
	*t = decided{}
	decideds.Put(t)
}
