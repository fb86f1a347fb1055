package wal

import (
	"fmt"
	"io"
)

// Copy hands over the segments that have records from an index on, and the last one in any case,
// oldest first: under what name, which of its records are durable, and its bytes up to the end of
// the last of those. That much of a segment never changes, so the log goes on meanwhile; who copies
// it keeps CutBefore from the index.
func (l *Log) Copy(from uint64, take func(name string, s Segment, r io.Reader) error) error {
	l.segMu.RLock()
	segments := l.segments
	list := make([]Segment, len(segments))
	for i, s := range segments {
		list[i] = Segment{First: s.first, Last: s.last, Bytes: s.end, Sealed: s.sealed}
	}
	l.segMu.RUnlock()
	for i, s := range segments {
		if list[i].Last < from && i+1 < len(segments) {
			continue
		}
		if err := l.copySegment(s, list[i], take); err != nil {
			return fmt.Errorf("copy segment %d: %w", s.number, err)
		}
	}
	return nil
}

func (l *Log) copySegment(s *segment, as Segment, take func(string, Segment, io.Reader) error) error {
	f, ok, err := s.acquire(l.o.FS)
	if err != nil {
		return err
	}
	if !ok {
		return ErrCut
	}
	defer s.release() //nolint:errcheck // It closes what was read only.
	return take(segmentName(s.number), as, io.NewSectionReader(f, 0, as.Bytes))
}
