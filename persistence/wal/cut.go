package wal

import (
	"errors"
	"fmt"
)

// CutBefore lets go every sealed segment whose records all come before index. A few files are kept
// to be recycled, the rest are deleted. Readers stay safe: see segment.
//
// The segments go oldest first, each on disk before the next, so that a crash leaves no hole.
func (l *Log) CutBefore(index uint64) error {
	if l.o.ReadOnly {
		panic("wal: cut of a log that was opened read-only")
	}
	l.cutMu.Lock()
	defer l.cutMu.Unlock()
	for {
		if err := l.usable(); err != nil {
			return err
		}
		s := l.cuttable(index)
		if s == nil {
			return nil
		}
		if err := l.cut(s); err != nil {
			return fmt.Errorf("cut segment %d: %w", s.number, err)
		}
	}
}

// usable says why the log can no longer be changed.
func (l *Log) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && l.closing {
		return ErrClosed
	}
	return l.err
}

// cuttable is the oldest segment if it may go.
func (l *Log) cuttable(index uint64) *segment {
	l.segMu.RLock()
	defer l.segMu.RUnlock()
	if s := l.segments[0]; s.sealed && s.last < index {
		return s
	}
	return nil
}

// cut takes the name from the oldest segment, waits until that is on disk, and only then forgets
// it. The file becomes a spare if it is of full size and nobody reads it.
func (l *Log) cut(s *segment) error {
	fs, spare := l.o.FS, ""
	// Whoever reads it until it is forgotten finds the file open, since its name is gone.
	f, _, err := s.acquire(fs)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.Size() >= l.o.SegmentBytes && l.spareCount() < SparesMax:
		spare = l.sparePath()
		err = fs.Rename(s.path, spare)
	default:
		err = fs.Remove(s.path)
	}
	if err != nil {
		return errors.Join(err, s.release())
	}
	if err := syncDir(fs, l.dir); err != nil {
		l.fail(err)
		return errors.Join(err, s.release())
	}

	l.segMu.Lock()
	l.segments = append([]*segment(nil), l.segments[1:]...)
	l.first.Store(l.segments[0].first)
	l.segMu.Unlock()
	err = s.release()
	alone, closeErr := s.retire()
	if err = errors.Join(err, closeErr); spare == "" {
		return err
	}
	if alone && err == nil {
		l.spareMu.Lock()
		l.spares = append(l.spares, spare)
		l.spareMu.Unlock()
		return nil
	}
	// Someone still reads it: its bytes must never change.
	return errors.Join(err, fs.Remove(spare))
}
