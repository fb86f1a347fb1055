package wal

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Open opens the log in dir, creating it if need be: it validates every byte, hands every record to
// Options.Recover, cuts off a torn tail, makes sure that all of it is on disk, and begins a new
// segment. Damage to what was acknowledged is a *CorruptionError.
func Open(dir string, o Options) (*Log, error) {
	o.ensureDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	l := &Log{
		dir:        dir,
		o:          o,
		groupBytes: int(min(GroupBytesMax, o.SegmentBytes/4)),
		open:       &group{},
		kick:       make(chan struct{}, 1),
		refill:     make(chan struct{}, 1),
		releases:   make(chan *group, ReleaseGroupsMax),
		quit:       make(chan struct{}),
	}
	if !o.ReadOnly {
		if err := makeDir(o.FS, dir); err != nil {
			return nil, fmt.Errorf("open log: %w", err)
		}
	}
	r := recovery{l: l, next: o.First}
	err := r.run()
	if err == nil {
		err = o.Recovered()
	}
	l.o.Recover, l.o.Recovered = nil, nil // What they work with is needed no more.
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), r.closeFiles())
	}
	l.durable.Store(r.next - 1)
	l.last.Store(r.next - 1)
	if !o.ReadOnly {
		if err := r.begin(); err != nil {
			return nil, errors.Join(fmt.Errorf("open log: %w", err), r.closeFiles())
		}
	}
	l.first.Store(r.next)
	if len(l.segments) > 0 {
		l.first.Store(l.segments[0].first)
	}
	return l, nil
}

// recovery is the one pass over the files that Open makes.
type recovery struct {
	l      *Log
	next   uint64   // index of the record expected next
	spares []string // left behind by the last run

	// What the last segment needs before the log may build on it.
	rewriteFrom int64 // bytes from here to segment.end were perhaps never synced
	torn        bool  // frames that do not count follow segment.end
	size        int64
}

// run reads everything.
func (r *recovery) run() error {
	l := r.l
	if err := r.list(); err != nil {
		return err
	}
	for i, s := range l.segments {
		header, err := r.readHeader(s)
		if err != nil {
			return err
		}
		s.segmentHeader, s.last = header, header.first-1
		s.sealed = i+1 < len(l.segments)
	}
	for i, s := range l.segments {
		limit := uint64(0)
		if s.sealed {
			limit = l.segments[i+1].first
		}
		if i == 0 {
			r.next = s.first
		}
		if err := r.readSegment(s, limit); err != nil {
			return err
		}
	}
	return nil
}

// list finds the segments and the spares. Segments are numbered without gaps.
func (r *recovery) list() error {
	fs, dir := r.l.o.FS, r.l.dir
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(names)
	for _, name := range names {
		number, spare, ok := parseName(name)
		path := fs.PathJoin(dir, name)
		switch {
		case !ok: // Not ours: editors and operators leave files about.
		case spare:
			r.spares = append(r.spares, path)
			r.l.spareNo = max(r.l.spareNo, number)
		default:
			s := &segment{path: path, end: headerBytes}
			s.number = number
			if n := len(r.l.segments); n > 0 && r.l.segments[n-1].number+1 != number {
				missing := fs.PathJoin(dir, segmentName(r.l.segments[n-1].number+1))
				return &CorruptionError{File: missing, Reason: "the segment is missing"}
			}
			r.l.segments = append(r.l.segments, s)
		}
	}
	return nil
}

func (r *recovery) readHeader(s *segment) (segmentHeader, error) {
	f, err := r.l.o.FS.Open(s.path)
	if err != nil {
		return segmentHeader{}, fmt.Errorf("open segment %d: %w", s.number, err)
	}
	defer f.Close()
	b := make([]byte, headerUsed)
	info, err := f.Stat()
	if err != nil {
		return segmentHeader{}, fmt.Errorf("stat segment %d: %w", s.number, err)
	}
	if info.Size() < headerBytes {
		return segmentHeader{}, &CorruptionError{File: s.path, Reason: "the file is shorter than its header"}
	}
	if err := readFull(f, b, 0); err != nil {
		return segmentHeader{}, fmt.Errorf("read header of segment %d: %w", s.number, err)
	}
	h, err := parseSegmentHeader(b)
	switch {
	case errors.Is(err, errHeaderVersion):
		return h, fmt.Errorf("%s: %w", s.path, err)
	case err != nil:
		return h, &CorruptionError{File: s.path, Reason: err.Error()}
	case h.number != s.number || h.first == 0:
		reason := fmt.Sprintf("the header is that of segment %d, record %d", h.number, h.first)
		return h, &CorruptionError{File: s.path, Reason: reason}
	}
	return h, nil
}

// readSegment validates and recovers one segment. limit is the first record of the next one, 0 if
// there is none: then the first bad frame may be where a crash has torn the tail.
func (r *recovery) readSegment(s *segment, limit uint64) error {
	if s.first != r.next {
		reason := fmt.Sprintf("the segment begins with record %d", s.first)
		return &CorruptionError{File: s.path, Index: r.next, Reason: reason}
	}
	f, err := r.l.o.FS.Open(s.path, vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("open segment %d: %w", s.number, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("stat segment %d: %w", s.number, err)
	}
	r.size = info.Size()
	reader := &frameReader{f: f, salt: s.salt, at: headerBytes, limit: r.size, ahead: ReadAheadBytes}
	proven := uint64(0)
	r.rewriteFrom = headerBytes
	for limit == 0 || r.next < limit {
		at := reader.at
		h, payload, err := reader.next()
		if isBadFrame(err) {
			return r.endOfSegment(s, reader, limit, err)
		}
		if err != nil {
			return fmt.Errorf("read segment %d: %w", s.number, err)
		}
		if h.synced > proven || at == headerBytes {
			// Groups are written one after the other, so a frame that vouches for more than the
			// ones before it vouches for all of them.
			proven, r.rewriteFrom = h.synced, at
		}
		if err := r.readFrame(s, at, h, payload); err != nil {
			return err
		}
		s.end = reader.at
	}
	if limit != 0 && r.next > limit {
		reason := fmt.Sprintf("the next segment begins with record %d", limit)
		return &CorruptionError{File: s.path, Offset: reader.at, Index: r.next, Reason: reason}
	}
	return nil
}

// readFrame recovers the records of a frame whose checksum matches. What is wrong with it now is
// no torn write.
func (r *recovery) readFrame(s *segment, at int64, h frameHeader, payload []byte) error {
	damaged := func(reason string) error {
		return &CorruptionError{File: s.path, Offset: at, Index: r.next, Reason: reason}
	}
	switch {
	case h.flags != 0:
		return damaged(string(badFlags))
	case h.first != r.next:
		return damaged(fmt.Sprintf("the frame begins with record %d", h.first))
	case h.synced >= h.first:
		return damaged(fmt.Sprintf("the frame says of itself that record %d was synced", h.synced))
	}
	if h.count > 0 {
		s.note(h.first, at)
	}
	for range h.count {
		record, rest, err := nextRecord(payload)
		if err != nil {
			return damaged(err.Error())
		}
		if err := r.l.o.Recover(r.next, record); err != nil {
			return fmt.Errorf("recover record %d: %w", r.next, err)
		}
		payload = rest
		s.last = r.next
		r.next++
	}
	if len(payload) > 0 {
		return damaged(string(badRecord))
	}
	return nil
}

// endOfSegment decides what a bad frame is: damage, if anything that follows claims that the record
// expected here was on disk; otherwise the end of what was written, or the tail that a crash tore.
func (r *recovery) endOfSegment(s *segment, reader *frameReader, limit uint64, bad error) error {
	damage := &CorruptionError{File: s.path, Offset: reader.at, Index: r.next}
	if limit != 0 {
		damage.Reason = fmt.Sprintf("%v, but the next segment begins with record %d", bad, limit)
		return damage
	}
	claim := func(h frameHeader) bool { return h.synced >= r.next }
	at, found, salted, err := reader.scanFrames(claim)
	if err != nil {
		return fmt.Errorf("read segment %d: %w", s.number, err)
	}
	if found {
		damage.Reason = fmt.Sprintf("%v, but the frame at offset %d says that it was on disk", bad, at)
		return damage
	}
	if r.torn = salted; r.torn {
		r.l.o.Logger.Warn("the log's tail was torn by a crash and is cut off",
			"file", s.path, "offset", damage.Offset, "record", r.next, "reason", bad.Error())
	}
	return nil
}

// begin makes the recovered log durable and writable: nothing that was recovered may be lost by
// the next crash, whatever state the last one left it in.
func (r *recovery) begin() error {
	l := r.l
	if err := l.keepSpares(r.spares); err != nil {
		return err
	}
	number := uint64(1)
	if n := len(l.segments); n > 0 {
		s := l.segments[n-1]
		number = s.number + 1
		if s.last < s.first {
			// It has no records, so the new segment takes its place.
			number = s.number
			l.segments = l.segments[:n-1]
		} else if err := r.settle(s); err != nil {
			return fmt.Errorf("settle the tail of segment %d: %w", s.number, err)
		}
	}
	if l.spareCount() == 0 {
		if err := l.makeSpare(); err != nil {
			l.o.Logger.Warn("no spare log segment", "err", err)
		}
	}
	active, err := l.beginSegment(number, r.next)
	if err != nil {
		return err
	}
	l.segments = append(l.segments, active)
	l.active = active
	l.running.Add(3)
	go l.commitLoop()
	go l.releaseLoop()
	go l.spareLoop()
	notify(l.refill)
	return nil
}

// settle brings the tail of the last segment to disk, for good. The bytes of the last group are
// written again, since after an fsync that failed the page cache may show as clean what the disk
// never got, and an fsync alone would do nothing. A torn tail is overwritten with zeros.
func (r *recovery) settle(s *segment) error {
	f, err := r.l.o.FS.OpenReadWrite(s.path, diskCategory)
	if err != nil {
		return err
	}
	defer f.Close()
	s.sealed = true
	tail := make([]byte, s.end-r.rewriteFrom)
	if err := readFull(f, tail, r.rewriteFrom); err != nil {
		return err
	}
	if _, err := f.WriteAt(tail, r.rewriteFrom); err != nil {
		return err
	}
	if r.torn {
		if err := r.l.zeroFill(f, s.end, r.size); err != nil {
			return err
		}
	}
	return f.Sync()
}

func (r *recovery) closeFiles() error {
	var errs []error
	for _, s := range r.l.segments {
		_, err := s.retire()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// makeDir creates dir and makes every directory entry on the way durable, that of dir in its
// parent above all: without it a crash takes the whole log. dir itself is synced with the segment
// that Open begins in it.
func makeDir(fs vfs.FS, dir string) error {
	made := []string{dir}
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil {
			break
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("stat %s: %w", d, err)
		}
		if d != dir {
			made = append(made, d)
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create %s: %w", dir, err)
	}
	for _, d := range made {
		if err := syncDir(fs, fs.PathDir(d)); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory %s: %w", dir, err)
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync directory %s: %w", dir, err), d.Close())
	}
	return d.Close()
}
