package persistence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// convert makes sealed segments of the log into buckets of history, until the store stops. What it
// works with is as large as a segment and more: it is kept while there is work, and given back when
// there was none for a while.
func (s *Store) convert() {
	idle := 0
	every := time.NewTicker(s.o.upkeepEvery)
	defer every.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { <-s.stop; cancel() }()
	for !s.stopped() { // The end and a tick may have come together.
		select {
		case <-s.stop:
			return
		case <-every.C:
		}
		s.o.Pace("convert")()
		if idle++; idle == converterKept {
			s.converter = converter{}
			s.atRest.Store(true)
		}
		for {
			first, last, waiting := s.unconverted()
			if last == 0 {
				break
			}
			idle = 0
			s.atRest.Store(false)
			if err := s.convertRange(ctx, first, last, waiting); err != nil {
				if ctx.Err() == nil {
					s.o.Logger.Error("convert log to history", "first", first, "last", last, "error", err)
				}
				break
			}
		}
		if err := s.retire(); err != nil {
			s.o.Logger.Error("retire history", "error", err)
		}
	}
}

// AtRest reports whether the history has caught up, and what it was made with has been given back.
func (s *Store) AtRest() bool { return s.atRest.Load() }

// unconverted returns the range of the oldest sealed segment that is not in the history, and how
// many such segments there are; last is 0 when there is none.
func (s *Store) unconverted() (first, last uint64, waiting int) {
	done := s.converted.Load()
	for _, seg := range s.wal.Segments() {
		if !seg.Sealed || seg.Last <= done || seg.Last < seg.First {
			continue
		}
		if last == 0 {
			first, last = max(seg.First, done+1), seg.Last
		}
		waiting++
	}
	return first, last, waiting
}

// bytesFrom is how large the segment that has a record is.
func (s *Store) bytesFrom(index uint64) int {
	for _, seg := range s.wal.Segments() {
		if seg.First <= index && index <= seg.Last {
			return int(seg.Bytes)
		}
	}
	return 0
}

// convertRange makes one bucket.
func (s *Store) convertRange(ctx context.Context, first, last uint64, waiting int) error {
	buckets := *s.buckets.Load()
	number := uint32(1)
	if n := len(buckets); n > 0 {
		number = buckets[n-1].Number + 1
	}
	c := &s.converter
	b := &c.builder
	b.Begin(number, s.bytesFrom(first))
	tail := s.wal.Tail(first)
	defer tail.Close()
	rest := func() {
		if waiting < converterHurry {
			time.Sleep(converterPause)
		}
	}
	for n := 1; ; n++ {
		index, record, err := tail.Next(ctx)
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		if err := c.add(index, record); err != nil {
			return err
		}
		if index == last {
			break
		}
		if n%converterPiece == 0 {
			rest()
		}
	}
	if err := s.snapshots.AddBucket(ctx, b, tableBytes, rest); err != nil {
		return err
	}
	all := append(append([]snapshot.Bucket(nil), buckets...), b.Bucket)
	s.buckets.Store(&all)
	s.converted.Store(last)
	s.metrics.converted.Add(float64(b.Records))
	return nil
}

// converter files records under the items that they have events of.
type converter struct {
	builder snapshot.Builder
	skim    codec.Skim
	decoder codec.Decoder // only for records that are taken apart
	entry   codec.Entry
	part    []byte
}

// add files a record: whole under the homes of its acts, since that is where a retry looks for
// it, and under its other items only what is theirs.
func (c *converter) add(index uint64, record []byte) error {
	e := &c.skim
	if err := e.Read(record); err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	c.builder.Record(index, int64(e.Time), len(record))
	eachSkimmedKey(e, c.builder.Key)
	if len(e.SKUs) == 1 {
		c.builder.Add(e.SKUs[0], record, e.Prev[0])
		return nil
	}
	if err := c.decoder.Entry(record, &c.entry); err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	for i, sku := range e.SKUs {
		if c.isHome(sku) {
			c.builder.Add(sku, record, e.Prev[i])
			continue
		}
		c.part = codec.AppendPart(c.part[:0], &c.entry, i)
		c.builder.Add(sku, c.part, e.Prev[i])
	}
	return nil
}

// isHome reports whether a SKU is the home of an act of the record.
func (c *converter) isHome(sku []byte) bool {
	for i := range c.skim.Acts {
		if bytes.Equal(c.skim.Acts[i].Home, sku) {
			return true
		}
	}
	return false
}

// retire drops the oldest buckets while the history is too old or too large, but none whose keys
// must be remembered still.
func (s *Store) retire() error {
	buckets := *s.buckets.Load()
	var size uint64
	for _, b := range buckets {
		size += b.Table
	}
	now := s.lastTime.Load()
	for len(buckets) > 0 {
		b := buckets[0]
		age := time.Duration(now-b.LastTime) * time.Millisecond
		if age < s.o.KeyWindowMin || age <= s.o.HistoryAge && size <= uint64(s.o.HistoryBytes) {
			break
		}
		if b.Last > s.safe.Load() {
			break
		}
		rest := append([]snapshot.Bucket(nil), buckets[1:]...)
		s.buckets.Store(&rest)
		if err := s.snapshots.DropBucket(b.Number); err != nil {
			return err
		}
		size -= b.Table
		buckets = rest
	}
	return nil
}

// upkeep watches the disk and the table of keys, and cuts the log.
func (s *Store) upkeep() {
	every := time.NewTicker(s.o.upkeepEvery)
	defer every.Stop()
	for {
		s.o.Pace("upkeep")()
		if err := s.cut(); err != nil {
			s.o.Logger.Error("cut the log", "error", err)
		}
		s.look()
		if s.stopped() {
			return
		}
		select {
		case <-s.stop:
			return
		case <-every.C:
		}
	}
}

// stopped reports whether the store is being closed.
func (s *Store) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// look decides whether changes are taken.
func (s *Store) look() {
	var refusal error
	du, err := s.o.FS.GetDiskUsage(s.dir)
	switch {
	case err == nil && du.AvailBytes < s.o.DiskReserve:
		refusal = fmt.Errorf("%w: the disk has %d bytes left, %d are kept in reserve", engine.ErrUnavailable, du.AvailBytes, s.o.DiskReserve)
	case s.LogBytes() > s.o.LogBytesMax:
		refusal = fmt.Errorf("%w: the log has grown to %d bytes, because events cannot be published or snapshots lag",
			engine.ErrUnavailable, s.LogBytes())
	case s.recall.full(engine.Time(time.Now().UnixMilli())):
		refusal = fmt.Errorf("%w: the table of idempotency keys is full, and none is old enough to be forgotten", engine.ErrUnavailable)
	}
	was := s.refusal.Load()
	if refusal == nil {
		s.refusal.Store(nil)
	} else {
		s.refusal.Store(&refusal)
	}
	if (was == nil) != (refusal == nil) {
		s.o.Logger.Warn("taking changes", "taken", refusal == nil, "why", refusal)
	}
}

// LogBytes is how large the log is, in bytes.
func (s *Store) LogBytes() int64 { return s.logBytesAfter(0) }

// Overdue reports whether the next snapshot should not wait: so much of the log is kept until then that a start
// would take long over it (an eighth of what the log may have, 1 GiB by default), or changes are refused, which
// it may end.
func (s *Store) Overdue() bool {
	kept := min(s.safe.Load(), s.readThrough())
	return s.refusal.Load() != nil || s.logBytesAfter(kept) > s.o.LogBytesMax/overdueShare
}

// logBytesAfter is how large the segments with records after one are, in bytes.
func (s *Store) logBytesAfter(index uint64) int64 {
	var n int64
	for _, seg := range s.wal.Segments() {
		if seg.Last > index || index == 0 {
			n += seg.Bytes
		}
	}
	return n
}

// cut lets old segments go: those that recovery, history and readers need no more, except for
// what is kept for event streams to resume.
func (s *Store) cut() error {
	s.backups.cutting.Lock()
	defer s.backups.cutting.Unlock()
	through := min(s.safe.Load(), s.readThrough(), s.backups.through())
	keep := s.o.LogKeep
	segments := s.wal.Segments()
	for i := len(segments) - 1; i >= 0; i-- {
		if keep -= segments[i].Bytes; keep < 0 {
			break
		}
		through = min(through, segments[i].First-1)
	}
	err := s.wal.CutBefore(through + 1)
	if errors.Is(err, wal.ErrClosed) {
		return nil
	}
	return err
}
