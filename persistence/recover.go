package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// recover opens the log, applies to every item what its snapshot lacks, and writes the snapshots.
func (s *Store) recover() error {
	start := time.Now()
	r := newRecovery(s)
	defer r.stop() //nolint:errcheck // Where it matters it is asked for below.
	var err error
	if r.through, err = s.snapshots.Through(); err != nil {
		return err
	}
	if err := s.loadBuckets(&r.keys); err != nil {
		return err
	}
	if err := s.loadReaders(); err != nil {
		return err
	}
	s.wal, err = wal.Open(s.o.FS.PathJoin(s.dir, logDir), wal.Options{
		FS: s.o.FS, SegmentBytes: s.o.SegmentBytes, PendingBytesMax: pendingBytesHard, PendingBytesSoft: PendingBytesSoft,
		Recover: r.replay, Recovered: r.finish, OnFailure: s.o.OnFailure, OnGroup: s.metrics.group, Logger: s.o.Logger,
		Random: s.o.Random, Pace: s.o.Pace,
	})
	if err = errors.Join(r.stop(), err); err != nil {
		var damage *wal.CorruptionError
		if errors.As(err, &damage) {
			return fmt.Errorf("%w (nothing was changed; 'skua check' says more, and a backup brings back what was)", err)
		}
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
		return s.lacks("the snapshots cover the log through", r.through, first)
	}
	if err := s.refuseGap(); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	s.o.Logger.Info("recovered", "records", r.records, "items", r.loaded, "through", s.wal.Last(),
		"seconds", time.Since(start).Seconds())
	return nil
}

// markConverted is the last record that was in the history, as of the last Commit.
const markConverted = "converted"

// lacks says that records are nowhere any more.
func (s *Store) lacks(what string, through, first uint64) error {
	return fmt.Errorf("%s record %d, but it begins at %d: log files are missing, or %s is not whole, "+
		"which is so when a MANIFEST in it is damaged: restore from a backup", what, through, first, s.fsPath(snapshotDir))
}

// refuseGap notices that records are neither in the history any more nor in the log still: then keys
// would be forgotten that must be known.
func (s *Store) refuseGap() error {
	converted, err := s.snapshots.Mark(markConverted)
	if err != nil {
		return err
	}
	// The mark is of the last Commit; the newest bucket may be later, and may be gone by retention.
	converted = max(converted, s.converted.Load())
	if first := s.wal.First(); converted > 0 && first > converted+1 {
		return s.lacks("the history has the log through", converted, first)
	}
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
	o := s.snapshotOptions()
	o.ReadOnly = true
	db, err := snapshot.Open(state, o)
	if err != nil {
		return err
	}
	through, err := db.Through()
	if err = errors.Join(err, db.Close()); err == nil && through > 0 {
		err = fmt.Errorf("the snapshots cover the log through record %d, but there is no log in %s", through, logs)
	}
	return err
}

// makeSnapshots makes the empty snapshots of a new data directory. They are made aside, and get their name
// once they are on disk: a start that is cut short, or that meets an error, would leave half of them, which
// the next could not tell from damage.
func (s *Store) makeSnapshots() error {
	fsys := s.o.FS
	state := fsys.PathJoin(s.dir, snapshotDir)
	aside := state + partialSuffix
	if err := fsys.RemoveAll(aside); err != nil {
		return fmt.Errorf("remove what a start left: %w", err)
	}
	if _, err := fsys.Stat(state); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := snapshot.Open(aside, s.snapshotOptions())
	if err != nil {
		return err
	}
	if err := errors.Join(db.Close(), syncDir(fsys, aside)); err != nil {
		return err
	}
	if err := fsys.Rename(aside, state); err != nil {
		return fmt.Errorf("name the snapshots: %w", err)
	}
	if err := syncDir(fsys, s.dir); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}

func (s *Store) snapshotOptions() snapshot.Options {
	return snapshot.Options{FS: s.o.FS, CacheBytes: s.o.CacheBytes, OnFailure: s.o.OnFailure, Logger: s.o.Logger}
}

// loadBuckets learns what the history has, and its keys as far as they are to be remembered.
func (s *Store) loadBuckets(keys *gatheredKeys) error {
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
		err := s.snapshots.Keys(b.Number, func(k snapshot.Key) { keys.put(k.Hash, k.Index, engine.Time(b.LastTime)) })
		if err != nil {
			return fmt.Errorf("load keys of history bucket %d: %w", b.Number, err)
		}
	}
	return nil
}

// save writes what was recovered, so that nothing but the snapshots is needed to go on. Other
// goroutines check the items and copy them meanwhile.
func (r *recovery) save() error {
	s := r.store
	s.epoch = max(s.epoch, s.Manifest.Epoch, 1)
	if r.loaded == 0 && r.last <= r.through {
		s.safe.Store(min(r.through, s.converted.Load()))
		return nil
	}
	stop := make(chan struct{})
	var capturing sync.WaitGroup
	var captured [recoveryCheckers]chan []image
	for i := range captured {
		captured[i] = make(chan []image, 2)
		capturing.Go(func() { r.capture(i, captured[i], stop) })
	}
	err := r.write(captured)
	close(stop)
	capturing.Wait()
	if err != nil {
		return err
	}
	return s.Commit(s.wal.Last())
}

// image is what is to be written of an item, or what is wrong with it.
type image struct {
	engine.Image
	item *recovered
	err  error
}

// capture checks and copies the items of one in recoveryCheckers pieces.
func (r *recovery) capture(at int, captured chan<- []image, stop <-chan struct{}) {
	defer close(captured)
	for from := at * replayRecords; from < len(r.items.all); from += recoveryCheckers * replayRecords {
		items := r.items.all[from:min(from+replayRecords, len(r.items.all))]
		select {
		case captured <- capturedOf(items):
		case <-stop:
			return
		}
	}
}

// capturedOf is what is to be written of items, and what is wrong with others.
func capturedOf(items []*recovered) []image {
	piece := make([]image, 0, len(items))
	for _, item := range items {
		at := item.replayed
		if at == nil {
			continue
		}
		im := image{item: item}
		if im.err = at.stock.Check(); im.err == nil {
			if !at.dirty || !at.stock.Exists() {
				continue
			}
			for at.stock.Capture(&im.Image, recoveredHolds) {
			}
		}
		at.stock = nil
		piece = append(piece, im)
	}
	return piece
}

// write writes the pieces in their order.
func (r *recovery) write(captured [recoveryCheckers]chan []image) error {
	s := r.store
	for n := 0; ; n++ {
		piece, ok := <-captured[n%recoveryCheckers]
		if !ok {
			return nil // Who would have had this piece has no other, so there is none after it.
		}
		for i := range piece {
			im := &piece[i]
			if im.err != nil {
				return fmt.Errorf("a broken invariant after recovery: %w", im.err)
			}
			if _, err := s.snapshots.Save(&im.Image, im.item.replayed.last, im.item.note); err != nil {
				return fmt.Errorf("recover item %q: %w", im.SKU, err)
			}
		}
	}
}
