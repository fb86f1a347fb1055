package persistence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/wal"
)

// ErrBackupRunning is the answer when there is a backup under way already.
var ErrBackupRunning = errors.New("a backup is running already")

// errInData is for a backup that would be lost with what it is a backup of.
var errInData = errors.New("it is inside the data directory")

// inside reports whether a path is a directory or in it. Links are not followed.
func inside(path, dir string) bool {
	path, err := filepath.Abs(path)
	if err != nil {
		return false // It cannot be said; the worst is an odd place.
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// backups is the one backup of a store that may be running.
type backups struct {
	running sync.Mutex
	cutting sync.Mutex    // the log is being cut, or is about to be held
	held    atomic.Uint64 // one more than the record through which a backup does not need the log; 0: none runs
}

// through is the record through which a running backup does not need the log.
func (b *backups) through() uint64 {
	if held := b.held.Load(); held != 0 {
		return held - 1
	}
	return math.MaxUint64
}

// checkpointDir is where the snapshots are linked to while a backup copies them.
const checkpointDir = "backup-checkpoint"

// Backup copies the store into a new directory while it goes on. What is copied is the state as of
// one record, at or after the last one when it began: the snapshots, and the log from what they lack
// through that record. The directory has its name only when it is whole and on disk.
//
// While it runs the log is kept. It gives up, and removes what it has, when that or the disk grows
// tight, or when ctx ends.
func (s *Store) Backup(ctx context.Context, to string) (b *Backup, err error) {
	if !s.backups.running.TryLock() {
		return nil, ErrBackupRunning
	}
	defer s.backups.running.Unlock()
	if inside(to, s.dir) {
		return nil, fmt.Errorf("back up to %s: %w: %s", to, errInData, s.dir)
	}
	fsys := s.o.FS
	if _, err := fsys.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("back up to %s: %w", to, fs.ErrExist), err)
	}
	out, err := beginUnfinished(fsys, to)
	if err != nil {
		return nil, fmt.Errorf("back up to %s: %w", to, err)
	}
	w := &backup{store: s, ctx: ctx, out: out, b: &Backup{
		Format: backupFormat, Node: s.Manifest.Node, Epoch: s.epoch, Began: time.Now().UTC(),
	}}
	err = w.run()
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("back up to %s: %w", to, err), out.abandon())
	}
	return w.b, nil
}

// backup is one under way.
type backup struct {
	store *Store
	ctx   context.Context
	out   *unfinished
	b     *Backup
}

func (w *backup) run() (err error) {
	s := w.store
	from := w.hold()
	defer s.backups.held.Store(0)

	point := s.fsPath(checkpointDir)
	if err := s.o.FS.RemoveAll(point); err != nil { // Of a backup that a crash ended.
		return err
	}
	defer func() { err = errors.Join(err, s.o.FS.RemoveAll(point)) }()
	if err := s.snapshots.Checkpoint(point); err != nil {
		return err
	}
	// Whatever the snapshots have is durable in the log, so the log has to be read after them.
	last, numbers := s.position()
	if err := s.waitDurable(last); err != nil {
		return err
	}
	if err := w.copyFile(s.fsPath(manifestName), manifestName); err != nil {
		return err
	}
	if err := w.copyLog(from); err != nil {
		return err
	}
	if err := w.copyTree(point, snapshotDir); err != nil {
		return err
	}
	if err := w.state(last, numbers); err != nil {
		return err
	}
	return w.seal()
}

// hold keeps the log from what is not safe yet elsewhere, or not read, and returns where that
// begins.
func (w *backup) hold() (from uint64) {
	b := &w.store.backups
	b.cutting.Lock()
	defer b.cutting.Unlock()
	from = min(w.store.safe.Load(), w.store.readThrough()) + 1
	b.held.Store(from)
	return from
}

// position is the last record, and the numbers of the partitions as of it.
func (s *Store) position() (last uint64, numbers []uint64) {
	for i := range s.partitions {
		s.partitions[i].mu.Lock()
	}
	last = s.wal.Last()
	for i := range s.partitions {
		numbers = append(numbers, s.partitions[i].number)
		s.partitions[i].mu.Unlock()
	}
	return last, numbers
}

func (w *backup) copyLog(from uint64) error {
	if err := w.makeDir(logDir); err != nil {
		return err
	}
	first := true
	return w.store.wal.Copy(from, func(name string, s wal.Segment, r io.Reader) error {
		if first {
			w.b.First, first = s.First, false
		}
		w.b.Last = s.Last
		return w.copyTo(logDir+"/"+name, r)
	})
}

// copyTree copies the files of a directory, and of those in it.
func (w *backup) copyTree(from, to string) error {
	fsys := w.store.o.FS
	if err := w.makeDir(to); err != nil {
		return err
	}
	names, err := fsys.List(from)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		path, as := fsys.PathJoin(from, name), to+"/"+name
		info, err := fsys.Stat(path)
		if err != nil {
			return err
		}
		copyOne := w.copyFile
		if info.IsDir() {
			copyOne = w.copyTree
		}
		if err := copyOne(path, as); err != nil {
			return err
		}
	}
	return nil
}

func (w *backup) copyFile(path, as string) error {
	f, err := w.store.o.FS.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return err
	}
	return errors.Join(w.copyTo(as, f), f.Close())
}

func (w *backup) copyTo(as string, r io.Reader) error {
	n, checksum, err := copied(w.store.o.FS, w.out.path(as), r, w.goOn)
	if err != nil {
		return fmt.Errorf("copy %s: %w", as, err)
	}
	w.b.Files = append(w.b.Files, BackupFile{Path: as, Bytes: n, CRC32C: checksum})
	return w.goOn()
}

func (w *backup) makeDir(name string) error { return makeDir(w.store.o.FS, w.out.path(name)) }

// goOn says why the backup must not go on, or nil.
func (w *backup) goOn() error {
	s := w.store
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if took := time.Since(w.b.Began); took > backupTimeMax {
		return fmt.Errorf("it has taken %v, which is the most", backupTimeMax)
	}
	if kept := s.LogBytes(); kept > s.o.LogBytesMax/backupLogShare && kept > s.o.LogKeep {
		return fmt.Errorf("the log has grown to %d bytes meanwhile; a backup ends at one in %d of the %d that it may have",
			kept, backupLogShare, s.o.LogBytesMax)
	}
	for _, dir := range []string{s.dir, w.out.dir} {
		if du, err := s.o.FS.GetDiskUsage(dir); err == nil && du.AvailBytes < s.o.DiskReserve+copyBytes {
			return fmt.Errorf("the disk of %s has %d bytes left, of which %d are kept in reserve", dir, du.AvailBytes, s.o.DiskReserve)
		}
	}
	return nil
}

// state says as of when the backup is: of the last record that was copied.
func (w *backup) state(last uint64, numbers []uint64) error {
	s := w.store
	tail := s.wal.Tail(max(last, 1))
	defer tail.Close()
	d := decoders.Get().(*codec.Decoder)
	defer decoders.Put(d)
	var e codec.Entry
	for at := uint64(0); at < w.b.Last && w.b.Last >= w.b.First; {
		index, record, err := tail.Next(w.ctx)
		if errors.Is(err, wal.ErrCut) && last == w.b.Last {
			break // It is in the history, and nothing came since.
		}
		if err != nil {
			return fmt.Errorf("read the log at %d: %w", at, err)
		}
		if err := d.Entry(record, &e); err != nil {
			return fmt.Errorf("decode record %d: %w", index, err)
		}
		at = index
		w.b.At = time.UnixMilli(int64(e.Record.Time)).UTC()
		for _, p := range e.Positions {
			if index > last {
				numbers[p.Partition] = p.Number
			}
		}
	}
	w.b.Partitions = numbers
	return nil
}

// seal writes what the backup is, when all that it says is there.
func (w *backup) seal() error {
	fsys := w.store.o.FS
	if err := syncTree(fsys, w.out.dir); err != nil {
		return err
	}
	w.b.Finished = time.Now().UTC()
	text, err := w.b.encode()
	if err != nil {
		return err
	}
	return writeSynced(fsys, w.out.dir, w.out.path(backupName), text)
}

// syncTree makes the names in a directory, and in those in it, durable.
func syncTree(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := fsys.PathJoin(dir, name)
		info, err := fsys.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := syncTree(fsys, path); err != nil {
				return err
			}
		}
	}
	return syncDir(fsys, dir)
}

func (s *Store) fsPath(name string) string { return s.o.FS.PathJoin(s.dir, name) }

// BackupOf backs up a data directory that nobody uses. It is recovered first, as at a start.
func BackupOf(ctx context.Context, dir, to string, o Options) (*Backup, error) {
	fsys := o.FS
	if fsys == nil {
		fsys = vfs.Default
	}
	if _, err := fsys.Stat(fsys.PathJoin(dir, manifestName)); err != nil {
		return nil, fmt.Errorf("back up %s: %w", dir, err)
	}
	// Whoever serves it decides what is kept; nothing is let go here.
	o.HistoryAge, o.HistoryBytes, o.LogKeep, o.LogBytesMax = math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64
	s, err := Open(dir, o)
	if err != nil {
		return nil, err
	}
	b, err := s.Backup(ctx, to)
	return b, errors.Join(err, s.Close())
}
