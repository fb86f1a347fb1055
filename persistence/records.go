package persistence

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// ErrGone means that a record is kept no more, neither in the log nor in the history.
var ErrGone = errors.New("record is kept no more")

// Recall finds the record that a key of a home SKU led to.
func (s *Store) Recall(trace uint64) (index uint64, ok bool) {
	return s.recall.get(trace)
}

// Trace is what a key of a home SKU is filed under.
func (s *Store) Trace(home string, key [16]byte) uint64 { return keyHash(home, key) }

// Warm reads what Recall will need of many traces, so that the memory is on its way. The result means
// nothing.
func (s *Store) Warm(traces []uint64) uint64 { return s.recall.warm(traces) }

// Ended finds the record that ended a reservation.
func (s *Store) Ended(ref engine.ReservationRef) (index uint64, ok bool) {
	return s.recall.get(endHash(ref))
}

// Record reads the record at an index, whole if sku is the home of one of its acts, once it is
// durable. The error is ErrGone when it is kept no more.
func (s *Store) Record(sku string, index uint64) (*engine.Record, error) {
	if err := s.waitDurable(index); err != nil {
		return nil, err
	}
	e, err := s.entry(sku, index)
	if err != nil {
		return nil, err
	}
	return &e.Record, nil
}

// entry reads a durable entry, from the history if it is there and from the log otherwise.
func (s *Store) entry(sku string, index uint64) (*codec.Entry, error) {
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	e := &codec.Entry{}
	if b, ok := s.bucketOf(index); ok {
		found := false
		err := s.snapshots.Entries(b.Number, sku, index, func(at uint64, entry []byte) (bool, error) {
			found = at == index
			if !found {
				return false, nil
			}
			return false, d.Entry(entry, e)
		})
		if err != nil {
			return nil, fmt.Errorf("read record %d of %q: %w", index, sku, err)
		}
		if found {
			return e, nil
		}
	}
	if index < s.wal.First() {
		return nil, fmt.Errorf("record %d of %q: %w", index, sku, ErrGone)
	}
	b, err := s.wal.Read(index)
	if errors.Is(err, wal.ErrCut) {
		return nil, fmt.Errorf("record %d of %q: %w", index, sku, ErrGone)
	}
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", index, err)
	}
	if err := d.Entry(b, e); err != nil {
		return nil, fmt.Errorf("decode record %d: %w", index, err)
	}
	return e, nil
}

// decoders are kept, since each has a large table of names.
var decoders = sync.Pool{New: func() any { return new(codec.Decoder) }}

// bucketOf finds the bucket of history that has a record.
func (s *Store) bucketOf(index uint64) (b snapshot.Bucket, ok bool) {
	all := *s.buckets.Load()
	i := sort.Search(len(all), func(i int) bool { return all[i].Last >= index })
	if i == len(all) || all[i].First > index {
		return b, false
	}
	return all[i], true
}

// Bounds returns the oldest and the newest durable record of the log.
func (s *Store) Bounds() (oldest, newest uint64) { return s.wal.First(), s.wal.Durable() }

// Follower reads the durable log in order.
type Follower struct {
	tail    *wal.Tail
	decoder codec.Decoder
	entry   codec.Entry
}

// Follow reads records from an index on.
func (s *Store) Follow(from uint64) *Follower { return &Follower{tail: s.wal.Tail(from)} }

// Next waits for the next record, which is valid until the next call. The error is ErrGone when
// it is kept no more, or the context's.
func (f *Follower) Next(ctx context.Context) (index uint64, r *engine.Record, err error) {
	index, b, err := f.tail.Next(ctx)
	if errors.Is(err, wal.ErrCut) {
		return 0, nil, ErrGone
	}
	if err != nil {
		return 0, nil, fmt.Errorf("follow the log: %w", err)
	}
	if err := f.decoder.Entry(b, &f.entry); err != nil {
		return 0, nil, fmt.Errorf("decode record %d: %w", index, err)
	}
	return index, &f.entry.Record, nil
}

// Close ends the following.
func (f *Follower) Close() error { return f.tail.Close() }
