package persistence

import (
	"errors"
	"fmt"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// recovery brings the snapshots up to the end of the log.
type recovery struct {
	store   *Store
	through uint64 // the snapshots cover the log so far
	decoder codec.Decoder
	entry   codec.Entry
	items   map[string]*recovered
	last    uint64
	records uint64
}

// recovered is an item that the log has records of beyond its snapshot.
type recovered struct {
	stock *engine.Stock
	last  uint64
	note  *snapshot.Note
	dirty bool
}

// recover opens the log, applies to every item what its snapshot lacks, and writes the snapshots.
func (s *Store) recover() error {
	start := time.Now()
	r := &recovery{store: s, items: make(map[string]*recovered)}
	var err error
	if r.through, err = s.snapshots.Through(); err != nil {
		return err
	}
	if err := s.loadBuckets(); err != nil {
		return err
	}
	if err := s.loadReaders(); err != nil {
		return err
	}
	s.wal, err = wal.Open(s.o.FS.PathJoin(s.dir, logDir), wal.Options{
		FS: s.o.FS, SegmentBytes: s.o.SegmentBytes, PendingBytesMax: pendingBytesHard,
		Recover: r.replay, OnFailure: s.o.OnFailure, OnGroup: s.metrics.group, Logger: s.o.Logger,
	})
	if err != nil {
		return err
	}
	saved, err := s.snapshots.Mark(markSaved)
	if err != nil {
		return err
	}
	if last, needed := s.wal.Last(), max(r.through, saved); needed > last {
		return fmt.Errorf("the snapshots are as of record %d of the log, but it ends at %d: "+
			"log files are missing, or the directories are of different times", needed, last)
	}
	s.saved.Store(saved)
	if first := s.wal.First(); first > r.through+1 {
		return fmt.Errorf("the snapshots cover the log through record %d, but it begins at %d: "+
			"log files are missing", r.through, first)
	}
	if err := r.save(); err != nil {
		return err
	}
	s.o.Logger.Info("recovered", "records", r.records, "items", len(r.items), "through", s.wal.Last(),
		"seconds", time.Since(start).Seconds())
	return nil
}

// refuseWithoutLog notices that the log is gone, or is not there yet, before anything is made in
// its place.
func (s *Store) refuseWithoutLog() error {
	fsys := s.o.FS
	logs := fsys.PathJoin(s.dir, logDir)
	if names, err := fsys.List(logs); err == nil && len(names) > 0 {
		return nil
	}
	state := fsys.PathJoin(s.dir, snapshotDir)
	if there, err := snapshot.Exists(fsys, state); err != nil || !there {
		return err
	}
	db, err := snapshot.Open(state, snapshot.Options{FS: fsys, ReadOnly: true, OnFailure: s.o.OnFailure, Logger: s.o.Logger})
	if err != nil {
		return err
	}
	through, err := db.Through()
	if err = errors.Join(err, db.Close()); err == nil && through > 0 {
		err = fmt.Errorf("the snapshots cover the log through record %d, but there is no log in %s", through, logs)
	}
	return err
}

// loadBuckets learns what the history has, and its keys as far as they are to be remembered.
func (s *Store) loadBuckets() error {
	buckets, err := s.snapshots.Buckets()
	if err != nil {
		return err
	}
	s.buckets.Store(&buckets)
	if len(buckets) == 0 {
		return nil
	}
	newest := buckets[len(buckets)-1]
	s.converted.Store(newest.Last)
	s.lastTime.Store(newest.LastTime)
	for _, b := range buckets {
		if b.LastTime < newest.LastTime-KeyWindowMax.Milliseconds() {
			continue
		}
		err := s.snapshots.Keys(b.Number, func(k snapshot.Key) { s.recall.put(k.Hash, k.Index, engine.Time(b.LastTime)) })
		if err != nil {
			return fmt.Errorf("load keys of history bucket %d: %w", b.Number, err)
		}
	}
	return nil
}

// replay takes one record of the log.
func (r *recovery) replay(index uint64, record []byte) error {
	if r.last == 0 && index > r.through+1 {
		return fmt.Errorf("the snapshots cover the log through record %d, but it begins at %d: log files are missing, "+
			"or the snapshots are", r.through, index)
	}
	e := &r.entry
	if err := r.decoder.Entry(record, e); err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	s := r.store
	if e.Epoch < s.epoch {
		r.last = index
		return nil // Of an owner that had lost the partition when it wrote.
	}
	s.epoch = e.Epoch
	for _, p := range e.Positions {
		if int(p.Partition) >= len(s.partitions) {
			return fmt.Errorf("record %d is of partition %d of %d", index, p.Partition, len(s.partitions))
		}
		part := &s.partitions[p.Partition]
		if part.number != 0 && p.Number != part.number+1 {
			return fmt.Errorf("record %d has number %d in partition %d after %d", index, p.Number, p.Partition, part.number)
		}
		part.number = p.Number
	}
	s.lastTime.Store(max(s.lastTime.Load(), int64(e.Record.Time)))
	if index > s.converted.Load() {
		s.recall.remember(&e.Record, index)
	}
	r.last = index
	if index <= r.through {
		return nil
	}
	r.records++
	return r.apply(index)
}

func (r *recovery) apply(index uint64) (err error) {
	rec := &r.entry.Record
	stocks := make([]*engine.Stock, len(rec.SKUs))
	for i, sku := range rec.SKUs {
		it := r.items[sku]
		if it == nil {
			it = &recovered{}
			if it.stock, it.last, it.note, err = r.store.snapshots.Load(sku); err != nil {
				return err
			}
			r.items[sku] = it
		}
		if index > it.last {
			stocks[i] = it.stock
			it.last, it.dirty = index, true
		}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("record %d does not fit the state before it: %v", index, p)
		}
	}()
	rec.Apply(stocks)
	return nil
}

// save writes what was recovered, so that nothing but the snapshots is needed to go on.
func (r *recovery) save() error {
	s := r.store
	if s.epoch == 0 {
		s.epoch = 1
	}
	for sku, it := range r.items {
		if err := it.stock.Check(); err != nil {
			return fmt.Errorf("a broken invariant after recovery: %w", err)
		}
		if !it.dirty || !it.stock.Exists() {
			continue
		}
		var im engine.Image
		for it.stock.Capture(&im, recoveredHolds) {
		}
		if _, err := s.snapshots.Save(&im, it.last, it.note); err != nil {
			return fmt.Errorf("recover item %q: %w", sku, err)
		}
		it.stock = nil
	}
	if len(r.items) == 0 && r.last <= r.through {
		s.safe.Store(min(r.through, s.converted.Load()))
		return nil
	}
	return s.Commit(s.wal.Last())
}

// recoveredHolds is how many holds recovery copies at a time.
const recoveredHolds = 1 << 16
