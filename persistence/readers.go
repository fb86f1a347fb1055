package persistence

import (
	"math"
	"time"
)

// reader is somebody who reads the log at their own pace.
type reader struct {
	name string
	// through returns the index through which the log is needed no more; nil for a reader of an
	// earlier run that has not come back yet.
	through func() uint64
	// noted is what it returned at the last Commit: where the reader goes on after a crash.
	noted uint64
}

// readerPrefix begins the names of the readers' marks.
const readerPrefix = "reader/"

// KeepLog has the log kept for a reader: through returns the index through which it needs the log
// no more. It is noted with every Commit, and nothing beyond the note is let go, so that the reader
// can go on from ReaderAt after a crash. The log is kept for the readers of the last run, too, until
// they come back, or have not for a while.
func (s *Store) KeepLog(name string, through func() uint64) {
	s.readerMu.Lock()
	defer s.readerMu.Unlock()
	for i := range s.readers {
		if s.readers[i].name == name {
			s.readers[i].through = through
			return
		}
	}
	s.readers = append(s.readers, reader{name: name, through: through})
}

// ReaderAt returns how far a reader of the log had come at the last Commit.
func (s *Store) ReaderAt(name string) (uint64, error) { return s.snapshots.Mark(readerPrefix + name) }

// loadReaders learns where the readers of the last run were.
func (s *Store) loadReaders() error {
	s.opened = time.Now()
	return s.snapshots.Marks(readerPrefix, func(name string, index uint64) {
		s.readers = append(s.readers, reader{name: name, noted: index})
	})
}

// noteReaders writes down how far the readers are. What it returns is to be called when that
// survives a crash.
func (s *Store) noteReaders() (committed func(), err error) {
	s.readerMu.Lock()
	defer s.readerMu.Unlock()
	notes := make(map[string]uint64, len(s.readers))
	for _, r := range s.readers {
		if r.through == nil {
			continue
		}
		notes[r.name] = r.through()
		if err := s.snapshots.SetMark(readerPrefix+r.name, notes[r.name]); err != nil {
			return nil, err
		}
	}
	return func() {
		s.readerMu.Lock()
		defer s.readerMu.Unlock()
		for i := range s.readers {
			if note, ok := notes[s.readers[i].name]; ok {
				s.readers[i].noted = note
			}
		}
	}, nil
}

// readThrough is the index through which no reader needs the log.
func (s *Store) readThrough() uint64 {
	s.readerMu.Lock()
	defer s.readerMu.Unlock()
	through := uint64(math.MaxUint64)
	for _, r := range s.readers {
		switch {
		case r.through != nil:
			through = min(through, r.noted, r.through())
		case time.Since(s.opened) < readerGrace:
			through = min(through, r.noted)
		}
	}
	return through
}
