package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// The first byte of a key says what it is; see the package comment.
const (
	keyItem     = 'i'
	keyHolds    = 'h'
	keyDeadline = 'x'
	keyHistory  = 'H'
	keyBucket   = 'B'
	keyKeys     = 'K'
	keyMeta     = 'm'
)

// Options configures a DB.
type Options struct {
	FS         vfs.FS
	CacheBytes int64
	ReadOnly   bool
	// OnFailure is called when Pebble cannot go on; the process must end.
	OnFailure func(error)
	Logger    *slog.Logger
}

// DB is the snapshots of a data directory.
type DB struct {
	pebble *pebble.DB
	fs     vfs.FS
	dir    string
	opts   *pebble.Options

	onFailure  func(error)
	waiting    atomic.Bool // rows are gathered
	chunkBytes int         // chunkBytesMax, unless a test says otherwise

	// The lock guards what follows, which belongs to those who save.
	mu        sync.Mutex
	gathering gathering
	merger    merger
	chunk     []byte // that is being written
	failed    error
}

// Open opens or makes the snapshots in a directory.
func Open(dir string, o Options) (*DB, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = CacheBytesDefault
	}
	cache := pebble.NewCache(o.CacheBytes)
	defer cache.Unref()
	opts := &pebble.Options{
		FS: o.FS, Cache: cache, ReadOnly: o.ReadOnly, DisableWAL: true,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               256 << 20,
		MaxOpenFiles:                4096,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 1 },
		Logger:                      pebbleLogger{o.Logger, o.OnFailure},
		EventListener: &pebble.EventListener{
			DataCorruption: (&damaged{log: o.Logger}).found, FlushEnd: unwritten(o.OnFailure),
		},
	}
	opts.TargetFileSizes[0] = 8 << 20
	for i := range opts.Levels {
		opts.Levels[i].BlockSize = 32 << 10
		opts.Levels[i].IndexBlockSize = 256 << 10
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	opts.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionBalanced })
	opts.EnsureDefaults()
	db, err := openPebble(dir, opts)
	if err != nil && strings.Contains(err.Error(), "unknown format major version") {
		return nil, fmt.Errorf("open snapshots in %s: made by a newer program, which has to read them: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open snapshots in %s (unless it is the disk, a file there is missing, or the MANIFEST or OPTIONS is damaged: "+
			"restore from a backup): %w", dir, err)
	}
	d := &DB{pebble: db, fs: o.FS, dir: dir, opts: opts, onFailure: o.OnFailure, chunkBytes: chunkBytesMax}
	d.gathering.round = 1 // A note that was read says zero.
	return d, nil
}

// openPebble opens Pebble, which panics on some errors of the disk while it does.
func openPebble(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return pebble.Open(dir, opts)
}

// Exists reports whether a directory has snapshots. One that was only being made when the process
// died has none.
func Exists(fsys vfs.FS, dir string) (bool, error) {
	desc, err := pebble.Peek(dir, fsys)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for snapshots in %s: %w", dir, err)
	}
	return desc.Exists, nil
}

// Close closes the snapshots. What was not committed may be lost; the log has it.
func (d *DB) Close() error {
	if err := d.pebble.Close(); err != nil {
		return fmt.Errorf("close snapshots: %w", err)
	}
	return nil
}

// Metrics returns Pebble's own.
func (d *DB) Metrics() *pebble.Metrics { return d.pebble.Metrics() }

// pebbleLogger passes on what Pebble has to say. Fatalf must not return: a Pebble that goes on
// after it has lost its footing.
type pebbleLogger struct {
	log   *slog.Logger
	fatal func(error)
}

func (l pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	if l.log != nil {
		l.log.Error("snapshots", "error", fmt.Sprintf(format, args...))
	}
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("snapshots: "+format, args...)
	if l.fatal != nil {
		l.fatal(err)
	}
	panic(err)
}

// get reads a row into a copy; nil when there is none.
func (d *DB) get(key []byte) ([]byte, error) {
	v, closer, err := d.pebble.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, reading("read snapshot row", err)
	}
	b := append([]byte{}, v...)
	if err := closer.Close(); err != nil {
		return nil, reading("read snapshot row", err)
	}
	return b, nil
}

const markThrough = "through"

// Mark returns a named place in the log, zero when it was never set.
func (d *DB) Mark(name string) (uint64, error) {
	b, err := d.get(append([]byte{keyMeta}, name...))
	if err != nil || b == nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("snapshot row %q has %d bytes, want 8", name, len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// Marks calls yield with the named places whose names begin with a prefix, and the rest of the name.
func (d *DB) Marks(prefix string, yield func(rest string, index uint64)) error {
	lower := append([]byte{keyMeta}, prefix...)
	return d.scan(lower, after(lower), func(key, v []byte) (bool, error) {
		if len(v) != 8 {
			return false, fmt.Errorf("snapshot row %q has %d bytes, want 8", key[1:], len(v))
		}
		yield(string(key[len(lower):]), binary.BigEndian.Uint64(v))
		return true, nil
	})
}

// SetMark notes a named place in the log, with the next Commit.
func (d *DB) SetMark(name string, index uint64) error {
	key := append([]byte{keyMeta}, name...)
	if err := d.pebble.Set(key, binary.BigEndian.AppendUint64(nil, index), pebble.NoSync); err != nil {
		return fmt.Errorf("note %q: %w", name, err)
	}
	return nil
}

// Through returns the log index after which recovery has to start.
func (d *DB) Through() (uint64, error) { return d.Mark(markThrough) }

// Commit makes everything written so far survive a crash, and notes that it covers the log
// through an index. Flushes keep the order of writes, so the note is not there before the rest.
func (d *DB) Commit(through uint64) error {
	if err := d.settle(); err != nil {
		return err
	}
	if err := d.SetMark(markThrough, through); err != nil {
		return err
	}
	if err := d.pebble.Flush(); err != nil {
		return reading("commit snapshots", err)
	}
	return nil
}

// after returns the smallest key that has no prefix in common with all that begin so.
func after(prefix []byte) []byte {
	end := append([]byte{}, prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// unknownVersion says why a row cannot be read whose first byte is not the version that is known.
func unknownVersion(what string, row []byte) error {
	if len(row) == 0 {
		return fmt.Errorf("%s is missing", what)
	}
	return fmt.Errorf("%s of version %d, made by a newer program, which has to read it", what, row[0])
}
