package persistence

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// Options configures a store. The zero value of a field means its default.
type Options struct {
	FS           vfs.FS
	Partitions   int
	SegmentBytes int64
	CacheBytes   int64
	DiskReserve  uint64
	LogBytesMax  int64
	LogKeep      int64
	KeyBytes     int64
	KeyWindowMin time.Duration
	HistoryAge   time.Duration
	HistoryBytes int64
	// OnFailure is called when the disk failed under the log or the snapshots. The process must
	// end: what is in memory may not be on disk, and nothing is acknowledged any more.
	OnFailure func(error)
	Logger    *slog.Logger
	Metrics   prometheus.Registerer
	// Random is where the identity of a new directory and the salts of the log come from,
	// crypto/rand by default.
	Random io.Reader
	// Pace takes a place in time for the next round of a goroutine's work, and returns what waits for
	// it; by default nothing waits. See wal.Options.
	Pace func(who string) (wait func())

	upkeepEvery time.Duration // upkeepEvery, unless a test says otherwise
	scanFrom    int           // scanFrom, unless a test says otherwise
}

func (o *Options) ensureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Partitions == 0 {
		o.Partitions = PartitionsDefault
	}
	if o.DiskReserve == 0 {
		o.DiskReserve = DiskReserveDefault
	}
	if o.LogBytesMax == 0 {
		o.LogBytesMax = LogBytesMaxDefault
	}
	if o.LogKeep == 0 {
		o.LogKeep = LogKeepDefault
	}
	if o.KeyBytes == 0 {
		o.KeyBytes = KeyBytesDefault
	}
	if o.KeyWindowMin == 0 {
		o.KeyWindowMin = KeyWindowMin
	}
	if o.HistoryAge == 0 {
		o.HistoryAge = HistoryAgeDefault
	}
	if o.HistoryBytes == 0 {
		o.HistoryBytes = HistoryBytesDefault
	}
	if o.upkeepEvery == 0 {
		o.upkeepEvery = upkeepEvery
	}
	if o.scanFrom == 0 {
		o.scanFrom = scanFrom
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Pace == nil {
		o.Pace = func(string) func() { return func() {} }
	}
	if o.OnFailure == nil {
		o.OnFailure = func(err error) { panic(err) }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Store is a data directory that is open.
type Store struct {
	Manifest *Manifest

	o         Options
	dir       string
	lock      io.Closer
	wal       *wal.Log
	snapshots *snapshot.DB
	recall    *recall
	metrics   *metrics

	epoch      uint32
	partitions []partition
	lastTime   atomic.Int64
	refusal    atomic.Pointer[error]

	catalog  catalog
	readers  []reader
	readerMu sync.Mutex
	opened   time.Time

	buckets   atomic.Pointer[[]snapshot.Bucket] // as of now
	converted atomic.Uint64                     // last record that is in a bucket
	atRest    atomic.Bool                       // see AtRest
	saved     atomic.Uint64                     // last record that an item in the snapshots is as of
	safe      atomic.Uint64                     // last record that neither recovery nor history needs the log for
	pages     pages
	converter converter // of the goroutine of convert
	backups   backups

	stop  chan struct{}
	loops sync.WaitGroup
}

// partition counts the records of one partition. Its lock keeps the numbers in the order of the
// log.
type partition struct {
	mu     sync.Mutex
	number uint64
	_      [cacheLine - 16]byte // They are used by several processors.
}

const (
	logDir      = "log"
	snapshotDir = "state"
	lockName    = "LOCK"
)

// Open opens the data directory, makes it where there is none, and recovers: when it returns, the
// snapshots have everything that the log has.
func Open(dir string, o Options) (*Store, error) {
	o.ensureDefaults()
	s := &Store{o: o, dir: dir, recall: newRecall(o.KeyBytes, o.KeyWindowMin), stop: make(chan struct{})}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open data directory %s: %w", dir, err), s.closeFiles())
	}
	s.loops.Go(s.upkeep)
	s.loops.Go(s.convert)
	return s, nil
}

func (s *Store) open() (err error) {
	fsys := s.o.FS
	if err := refuseBackup(fsys, s.dir); err != nil {
		return err
	}
	if err := makeDir(fsys, s.dir); err != nil {
		return err
	}
	if s.lock, err = fsys.Lock(fsys.PathJoin(s.dir, lockName)); err != nil {
		return fmt.Errorf("lock, is another process using it? %w", err)
	}
	if s.Manifest, err = loadManifest(fsys, s.dir, s.o.Partitions, s.o.Random); err != nil {
		return err
	}
	s.partitions = make([]partition, s.Manifest.Partitions)
	if err := s.refuseWithoutLog(); err != nil {
		return err
	}
	if err := s.makeSnapshots(); err != nil {
		return err
	}
	if s.snapshots, err = snapshot.Open(fsys.PathJoin(s.dir, snapshotDir), s.snapshotOptions()); err != nil {
		return err
	}
	s.metrics = newMetrics(s.o.Metrics, s)
	return s.recover()
}

// Close stops the store. Whoever appends must have stopped before.
func (s *Store) Close() error {
	close(s.stop)
	s.loops.Wait()
	return s.closeFiles()
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.wal != nil {
		errs = append(errs, s.wal.Close())
	}
	if s.snapshots != nil {
		errs = append(errs, s.snapshots.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// LastTime is the time of the last record in the log.
func (s *Store) LastTime() engine.Time { return engine.Time(s.lastTime.Load()) }

// Durable returns the index through which the log is on disk.
func (s *Store) Durable() uint64 { return s.wal.Durable() }

// Load returns the stock of a SKU as of the record at through, or as of its last snapshot when
// through is zero, and the index of its last record.
func (s *Store) Load(sku string, through uint64) (*engine.Stock, uint64, any, error) {
	stock, last, n, err := s.snapshots.Load(sku)
	if err != nil {
		return nil, 0, nil, err
	}
	note := noteOrNil(n)
	if through > last {
		if err := s.catchUp(stock, last, through); err != nil {
			return nil, 0, nil, err
		}
		last = through
	}
	return stock, last, note, nil
}

// catchUp applies to a stock its records after last, through an index: it follows them back, since
// each knows the one before.
func (s *Store) catchUp(stock *engine.Stock, last, through uint64) error {
	var entries []*codec.Entry
	for at := through; at > last; {
		e, err := s.entry(stock.SKU(), at)
		if err != nil {
			return fmt.Errorf("catch up item %q: %w", stock.SKU(), err)
		}
		entries = append(entries, e)
		at = prevOf(e, stock.SKU())
	}
	for i := len(entries) - 1; i >= 0; i-- {
		entries[i].Record.Apply(only(&entries[i].Record, stock))
	}
	return nil
}

func prevOf(e *codec.Entry, sku string) uint64 {
	for i := range e.Record.SKUs {
		if e.Record.SKUs[i] == sku {
			return e.Prev[i]
		}
	}
	return 0
}

// only is the stocks of a record when just one of them is wanted.
func only(r *engine.Record, stock *engine.Stock) []*engine.Stock {
	stocks := make([]*engine.Stock, len(r.SKUs))
	for i := range r.SKUs {
		if r.SKUs[i] == stock.SKU() {
			stocks[i] = stock
		}
	}
	return stocks
}

// Save writes an image of an item. The log must be durable through its last record, for a crash would
// leave the item ahead of the log otherwise.
func (s *Store) Save(im *engine.Image, last uint64, note any) (any, error) {
	n, _ := note.(*snapshot.Note)
	next, err := s.snapshots.Save(im, last, n)
	if err != nil {
		return nil, err
	}
	for was := s.saved.Load(); last > was && !s.saved.CompareAndSwap(was, last); was = s.saved.Load() {
	}
	return noteOrNil(next), nil
}

// noteOrNil is nil for a note that says nothing, which whoever has millions need not keep.
func noteOrNil(n *snapshot.Note) any {
	if n.Empty() {
		return nil
	}
	return n
}

// markSaved is the last record that an item in the snapshots is as of. The log had it before.
const markSaved = "saved"

// Commit makes what was saved survive a crash.
func (s *Store) Commit(through uint64) error {
	converted := s.converted.Load() // Before the flush, which makes the buckets until here durable.
	committed, err := s.noteReaders()
	if err != nil {
		return err
	}
	if err := s.snapshots.SetMark(markSaved, s.saved.Load()); err != nil {
		return err
	}
	if err := s.snapshots.SetMark(markConverted, converted); err != nil {
		return err
	}
	if err := s.snapshots.Commit(through); err != nil {
		return err
	}
	committed()
	s.catalog.committed(through)
	s.safe.Store(min(through, converted))
	s.metrics.committed.Set(float64(through))
	return nil
}

// Expiring calls yield with the items whose snapshots have a hold due by a time.
func (s *Store) Expiring(by engine.Time, yield func(sku string, at engine.Time) bool) error {
	return s.snapshots.Expiring(by, yield)
}

// waitDurable waits until the log is durable through an index.
func (s *Store) waitDurable(index uint64) error {
	if s.wal.Durable() >= index {
		return nil
	}
	w := make(waiter, 1)
	s.wal.Await(index, w)
	return <-w
}

type waiter chan error

func (w waiter) Durable(err error) { w <- err }
