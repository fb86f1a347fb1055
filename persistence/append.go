package persistence

import (
	"fmt"
	"sync"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// partitionOf is FNV-1a 32, the hash by which NATS partitions subjects, modulo the partitions.
func (s *Store) partitionOf(sku string) int {
	h := uint32(2166136261)
	for i := 0; i < len(sku); i++ {
		h = (h ^ uint32(sku[i])) * 16777619
	}
	return int(h % uint32(len(s.partitions)))
}

// Append adds a record to the log and returns its index; prev has, for each of its SKUs, the
// index of that SKU's record before. w is told when the record is on disk. Append never waits for
// that, and copies what it needs.
func (s *Store) Append(r *engine.Record, prev []uint64, w interface{ Durable(error) }) (uint64, error) {
	p := &s.partitions[s.partitionOf(r.SKUs[0])]
	if len(r.SKUs) > 1 {
		s.lockAll(r)
		defer s.unlockAll(r)
	} else {
		p.mu.Lock()
		defer p.mu.Unlock()
	}
	a := appends.Get().(*appending)
	defer appends.Put(a)
	e := &a.entry
	e.Epoch, e.Prev, e.Record = s.epoch, prev, *r
	e.Positions = s.number(e.Positions[:0], r)
	a.buf = codec.AppendEntry(a.buf[:0], e)
	e.Prev, e.Record = nil, engine.Record{}

	index, err := s.wal.Append(a.buf, w)
	if err != nil {
		for _, position := range e.Positions {
			s.partitions[position.Partition].number-- // The numbers have no gaps.
		}
		return 0, fmt.Errorf("append a record: %w", err)
	}
	if cap(a.buf) > bufferKept {
		a.buf = nil
	}
	if s.lastTime.Load() != int64(r.Time) { // Else its cache line would go from core to core with each record.
		s.lastTime.Store(int64(r.Time)) // Times of turns never go back, so the last is the latest, or a millisecond off.
	}
	s.recall.remember(r, index)
	s.catalog.note(r, index)
	return index, nil
}

// appending is what a record is encoded with. It is not the partition's, whose memory would go from core
// to core with the turns on it.
type appending struct {
	entry codec.Entry
	buf   []byte
}

var appends = sync.Pool{New: func() any { return new(appending) }}

// bufferKept is the size in bytes beyond which a buffer is not kept for the next record.
const bufferKept = 64 << 10

// lockAll locks the partitions of a record in ascending order.
func (s *Store) lockAll(r *engine.Record) {
	s.eachPartition(r, func(p *partition) { p.mu.Lock() })
}

func (s *Store) unlockAll(r *engine.Record) {
	s.eachPartition(r, func(p *partition) { p.mu.Unlock() })
}

// eachPartition calls f with every partition that a record has SKUs of. The SKUs come in order of
// partition.
func (s *Store) eachPartition(r *engine.Record, f func(p *partition)) {
	last := -1
	for _, sku := range r.SKUs {
		switch p := s.partitionOf(sku); {
		case p < last:
			panic("persistence: the items of a record are not in order of partition")
		case p > last:
			last = p
			f(&s.partitions[p])
		}
	}
}

// number gives the record its place in each partition that it has SKUs of. The SKUs come in order
// of partition.
func (s *Store) number(positions []codec.Position, r *engine.Record) []codec.Position {
	last := -1
	for _, sku := range r.SKUs {
		p := s.partitionOf(sku)
		if p == last {
			continue
		}
		last = p
		s.partitions[p].number++
		positions = append(positions, codec.Position{Partition: uint16(p), Number: s.partitions[p].number})
	}
	return positions
}

// Await tells w when the log is durable through index; at once if it is.
func (s *Store) Await(index uint64, w interface{ Durable(error) }) {
	if index == 0 {
		w.Durable(nil)
		return
	}
	s.wal.Await(index, w)
}

// WhenCrowded has the log ask whether very many wait: then it makes larger groups.
func (s *Store) WhenCrowded(crowded func() bool) { s.wal.WhenCrowded(crowded) }

// Accepting says why changes are not taken now, or nil.
func (s *Store) Accepting() error {
	if r := s.refusal.Load(); r != nil {
		return *r
	}
	if s.wal.Behind() {
		return fmt.Errorf("%w: the disk is behind", engine.ErrOverloaded)
	}
	return nil
}
