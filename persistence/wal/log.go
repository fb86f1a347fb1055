package wal

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
)

// Waiter is told once: that the record it was given with, and all before it, is on disk, or, with
// an error, that this will never be known. See the package comment for what Durable may do.
type Waiter interface{ Durable(err error) }

// Warmer is a Waiter that reads what its Durable will need, and returns something of no meaning. It
// is asked before many are told, since reads of memory that do not depend on each other overlap; and
// once for each of the WarmSteps, a later of which may follow what an earlier has read.
type Warmer interface{ Warm(step int) uint64 }

// WarmSteps is how often a Warmer is asked.
const WarmSteps = 2

// Group says what one group commit was, for metrics.
type Group struct {
	Records int           // records made durable
	Bytes   int           // bytes written, frame headers included
	Write   time.Duration // time in write
	Sync    time.Duration // time in fsync
}

// Segment describes one segment file.
type Segment struct {
	First  uint64 // index of its first record
	Last   uint64 // index of its last durable record; First-1 if it has none
	Bytes  int64  // bytes in use, without the zero-filled rest of the file
	Sealed bool   // nothing is written to it any more
}

// Options configures a log. The zero value is usable.
type Options struct {
	// FS is the file system; vfs.Default by default.
	FS vfs.FS

	// SegmentBytes is the size of a segment file in bytes, SegmentBytesDefault by default.
	// Segments are zero-filled in advance, and recycled, because overwriting costs half of what
	// appending costs. Tests on a file system in memory want a small one.
	SegmentBytes int64

	// PendingBytesMax bounds the bytes that are appended and not yet synced. Above it Append
	// answers ErrOverloaded. PendingBytesMaxDefault by default.
	PendingBytesMax int64

	// PendingBytesSoft is above how many such bytes Behind says so; PendingBytesMax by default.
	PendingBytesSoft int64

	// Recover is called by Open, in order, for every record that the log holds, in the same pass
	// that validates it. The record is only valid during the call. An error ends Open.
	Recover func(index uint64, record []byte) error

	// Recovered is called by Open after the last record, before it changes anything. An error ends
	// Open.
	Recovered func() error

	// First is the index of the very first record of an empty log, 1 by default.
	First uint64

	// OnFailure is called once, on the first error of a write or an fsync, before any waiter hears
	// of it. The program has to exit: the log is dead. It must not call Close, which would wait for
	// it.
	OnFailure func(error)

	// OnGroup is called on the committing goroutine after each group commit, so it must be quick.
	OnGroup func(Group)

	// Logger hears of a torn tail that was cut off and of a spare segment that could not be made.
	Logger *slog.Logger

	// Random is where the salts of segments come from, crypto/rand by default. Reading it must not
	// fail.
	Random io.Reader

	// Pace takes a place in time for the committer's next look at what has gathered, and returns
	// what waits for it. By default it looks at once. A simulation gives each goroutine moments of
	// its own, so that what happens does not depend on how they are scheduled.
	Pace func(who string) (wait func())

	// ReadOnly makes Open validate and recover without creating or changing anything. Append,
	// Roll and CutBefore panic.
	ReadOnly bool

	sealAfter time.Duration // SealAfter, unless a test says otherwise
}

func (o *Options) ensureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = SegmentBytesDefault
	}
	if o.PendingBytesMax == 0 {
		o.PendingBytesMax = PendingBytesMaxDefault
	}
	if o.PendingBytesSoft == 0 {
		o.PendingBytesSoft = o.PendingBytesMax
	}
	if o.First == 0 {
		o.First = 1
	}
	if o.Recover == nil {
		o.Recover = func(uint64, []byte) error { return nil }
	}
	if o.Recovered == nil {
		o.Recovered = func() error { return nil }
	}
	if o.OnFailure == nil {
		o.OnFailure = func(error) {}
	}
	if o.OnGroup == nil {
		o.OnGroup = func(Group) {}
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Pace == nil {
		o.Pace = func(string) func() { return func() {} }
	}
	if o.sealAfter == 0 {
		o.sealAfter = SealAfter
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func (o *Options) validate() error {
	var errs []error
	if o.SegmentBytes < SegmentBytesMin {
		errs = append(errs, fmt.Errorf("SegmentBytes (%d) must be >= %d", o.SegmentBytes, SegmentBytesMin))
	}
	if o.PendingBytesMax < 1 {
		errs = append(errs, fmt.Errorf("PendingBytesMax (%d) must be positive", o.PendingBytesMax))
	}
	return errors.Join(errs...)
}

// Log is an open log. All methods may be called from any goroutine.
//
// The locking rule. Two locks guard the two halves of the log, and no goroutine holds both:
//
//   - mu guards what Append and Await touch: the groups, their waiters and the life cycle. It is
//     held for the copy of one record, never during I/O.
//   - segMu guards the list of segments and the fields of a segment that its comment names. The
//     committer takes it for writing once a group, readers for reading. It is never held during
//     I/O either. A segment's own mu is taken inside it or alone.
//
// cutMu is held by CutBefore from beginning to end, outside of both. spareMu is a leaf. The
// committer alone writes to segment files, so active and the fields after it need no lock.
type Log struct {
	dir        string
	behind     atomic.Bool // unsynced is above the soft limit; stored under mu, and only when that changes
	o          Options
	groupBytes int // GroupBytesMax, or less if segments are small

	durable atomic.Uint64 // the watermark; stored under mu, after segment.end and last are
	last    atomic.Uint64 // last appended; stored under mu
	first   atomic.Uint64 // oldest held; stored under segMu
	closed  atomic.Bool   // the files are being closed
	crowded atomic.Pointer[func() bool]

	mu       sync.Mutex
	open     *group   // takes the next record
	full     []*group // wait for the committer, oldest first
	inflight *group   // is being committed
	free     []*group
	unsynced int64 // bytes in the three above
	idle     bool  // the committer sleeps until it is kicked
	closing  bool
	err      error // the first failure; sticky
	rolls    []chan error
	rollAt   uint64 // rolls wait until this record is durable
	sleepers []*Tail

	segMu    sync.RWMutex
	segments []*segment // oldest first; the last one is active

	cutMu   sync.Mutex
	spareMu sync.Mutex
	spares  []string // paths of files ready to become a segment
	spareNo uint64

	kick     chan struct{} // one slot: the committer has something to do
	refill   chan struct{} // one slot: the spares have run out
	releases chan *group
	quit     chan struct{}
	running  sync.WaitGroup
	closeOne sync.Once
	closeErr error

	readers sync.Pool // of *Tail, for Read

	active  *segment
	sealDue bool // a group was written since the last seal frame
}

// Append takes a copy of record into the log and returns its index; w, if not nil, is told when the
// record is durable. It never waits for the disk. If it returns an error nothing was appended and w
// is not told anything.
func (l *Log) Append(record []byte, w Waiter) (uint64, error) {
	if l.o.ReadOnly {
		panic("wal: append to a log that was opened read-only")
	}
	if len(record) > RecordBytesMax {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrRecordTooLong, len(record), RecordBytesMax)
	}
	l.mu.Lock()
	if err := l.refusal(int64(len(record))); err != nil {
		l.mu.Unlock()
		return 0, err
	}
	if len(l.open.buf) >= l.groupBytes {
		l.full = append(l.full, l.open)
		l.open = l.newGroup()
	}
	g := l.open
	before := len(g.buf)
	index := l.last.Load() + 1
	g.add(index, record)
	if w != nil {
		g.wait(index, w)
	}
	l.last.Store(index)
	l.count(int64(len(g.buf) - before))
	asleep := l.idle
	l.idle = false
	l.mu.Unlock()
	if asleep {
		notify(l.kick)
	}
	return index, nil
}

// refusal says why a record of n bytes cannot be appended now. A record that is longer than the
// limit itself is let through when nothing else waits, since it would never fit otherwise.
func (l *Log) refusal(n int64) error {
	switch {
	case l.err != nil:
		return l.err
	case l.closing:
		return ErrClosed
	case l.unsynced > 0 && l.unsynced+n > l.o.PendingBytesMax:
		return ErrOverloaded
	}
	return nil
}

// Await tells w when the record with this index is durable: before it returns if it already is,
// and in the order of the indexes otherwise. An index that was never appended is a bug.
func (l *Log) Await(index uint64, w Waiter) {
	if index <= l.durable.Load() {
		w.Durable(nil)
		return
	}
	if last := l.last.Load(); index > last {
		panic(fmt.Sprintf("wal: await record %d, but %d is the last appended", index, last))
	}
	l.mu.Lock()
	switch {
	case index <= l.durable.Load():
		l.mu.Unlock()
		w.Durable(nil)
	case l.err != nil:
		err := l.err
		l.mu.Unlock()
		w.Durable(err)
	default:
		l.groupOf(index).wait(index, w)
		l.mu.Unlock()
	}
}

// groupOf finds the group of a record that is appended and not durable. mu is held.
func (l *Log) groupOf(index uint64) *group {
	if l.inflight != nil && index <= l.inflight.last {
		return l.inflight
	}
	for _, g := range l.full {
		if index <= g.last {
			return g
		}
	}
	return l.open
}

// Durable is the watermark: every record up to this index is on disk.
func (l *Log) Durable() uint64 { return l.durable.Load() }

// WhenCrowded has the log ask, after each group, whether very many wait, and let the next group grow a
// little longer while they do. An fsync takes a good deal of processor time besides the disk's; who
// waits for many others anyway does not notice.
func (l *Log) WhenCrowded(crowded func() bool) { l.crowded.Store(&crowded) }

// Last is the index of the last record appended.
func (l *Log) Last() uint64 { return l.last.Load() }

// First is the index of the oldest record that the log still holds, Last()+1 if it holds none.
func (l *Log) First() uint64 { return l.first.Load() }

// Segments lists the segments, oldest first. The last one is being written.
func (l *Log) Segments() []Segment {
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	list := make([]Segment, len(l.segments))
	for i, s := range l.segments {
		list[i] = Segment{First: s.first, Last: s.last, Bytes: s.end, Sealed: s.sealed}
	}
	return list
}

// Roll makes everything appended before the call durable, seals the current segment and begins a
// new one. A segment without records is left as it is.
func (l *Log) Roll() error {
	if l.o.ReadOnly {
		panic("wal: roll of a log that was opened read-only")
	}
	l.mu.Lock()
	if err := l.refusal(0); err != nil && !errors.Is(err, ErrOverloaded) {
		l.mu.Unlock()
		return err
	}
	done := make(chan error, 1)
	l.rolls = append(l.rolls, done)
	l.rollAt = l.last.Load()
	l.mu.Unlock()
	notify(l.kick)
	return <-done
}

// Close makes everything appended durable, tells every waiter, and closes the files. It returns
// the failure of a log that died. Reads and Tails get ErrClosed from then on.
func (l *Log) Close() error {
	l.closeOne.Do(func() { l.closeErr = l.close() })
	return l.closeErr
}

func (l *Log) close() error {
	l.mu.Lock()
	l.closing = true
	l.mu.Unlock()
	notify(l.kick)
	close(l.quit)
	l.running.Wait()

	l.closed.Store(true)
	l.mu.Lock()
	errs := []error{l.err}
	l.wakeTails()
	l.mu.Unlock()
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	for _, s := range l.segments {
		_, err := s.retire()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// newGroup takes a group from the free list. mu is held.
func (l *Log) newGroup() *group {
	if n := len(l.free); n > 0 {
		g := l.free[n-1]
		l.free = l.free[:n-1]
		return g
	}
	return &group{}
}

// notify fills a one-slot channel; a slot that is full already says the same.
func notify(slot chan struct{}) {
	select {
	case slot <- struct{}{}:
	default:
	}
}
