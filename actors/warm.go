package actors

import (
	"sync"

	"github.com/skua-stock/skua/engine"
)

// warming reads a little of everything that the commands of a piece will need, all their SKUs side
// by side, before the first turn.
//
// With many SKUs nearly everything that a turn touches is not in the processor's cache, and a turn
// that waits for one line of memory after another takes several times as long as its work. Reads
// that do not depend on each other overlap: the processor waits for all of them at once. So one
// step is taken of every command before the next step of any (Chen, Ailamaki, Gibbons and Mowry,
// "Improving hash join performance through prefetching", 2004, call it group prefetching).
type warming struct {
	targets []target
	traces  []uint64
	stocks  []*engine.Stock // those of claimed cells, with their commands' nonces
	nonces  []uint64
	sum     uint64 // of no meaning; it keeps the reads from being left out
}

// target is a SKU that a command of the piece goes to.
type target struct {
	hash  uint32
	nonce uint64
	slot  *slot // of the directory, where the search for the cell begins
	cell  *cell
	// claimed says that the target's own claim holds the cell, ours that one of the piece does.
	claimed, ours bool
}

var warmings = sync.Pool{New: func() any { return new(warming) }}

// warm reads what a piece will need. A cell's own memory is read under a claim, as by a turn.
func (s *System) warm(piece []*call) {
	m := warmings.Get().(*warming)
	defer warmings.Put(m)
	t, traces, stocks, nonces := m.targets[:0], m.traces[:0], m.stocks[:0], m.nonces[:0]
	for _, k := range piece {
		if k.trace != 0 {
			traces = append(traces, k.trace)
		}
		if len(k.cmd.Lines) < 2 {
			t = append(t, target{hash: k.hash, nonce: k.cmd.Reservation.Nonce})
			continue
		}
		for i := range k.cmd.Lines {
			t = append(t, target{hash: hash(k.cmd.Lines[i].SKU), nonce: k.cmd.Reservation.Nonce})
		}
	}
	w := s.memory.Warm(traces)
	for i := range t {
		t[i].slot = s.directory.begins(t[i].hash)
	}
	for i := range t {
		if t[i].slot != nil {
			w += uint64(t[i].slot.hash.Load())
		}
	}
	for i := range t {
		t[i].cell = s.directory.glance(t[i].hash)
	}
	for i := range t {
		if c := t[i].cell; c != nil {
			w += uint64(c.entered.Load())
		}
	}
	for i := range t {
		if c := t[i].cell; c != nil {
			same := i > 0 && t[i-1].cell == c && t[i-1].ours // Commands on one SKU come together.
			t[i].claimed = !same && c.claim()
			t[i].ours = same || t[i].claimed
		}
	}
	for i := range t { // Apart from the claims, since the processor reads nothing ahead of a lock.
		if c := t[i].cell; t[i].ours {
			w += uint64(len(c.sku)) + c.last
			if c.context.Actor() == nil || c.context.Message() != nil { // Read for their memory alone.
				w++
			}
			if c.stock != nil { // A SKU that could not be read has none until it is forgotten.
				stocks, nonces = append(stocks, c.stock), append(nonces, t[i].nonce)
			}
		}
	}
	w += engine.Warm(stocks, nonces)
	for i := range t {
		if t[i].claimed {
			t[i].cell.run(turnsInline)
		}
	}
	clear(t)
	clear(stocks)
	*m = warming{targets: t, traces: traces, stocks: stocks, nonces: nonces, sum: m.sum + w}
}
