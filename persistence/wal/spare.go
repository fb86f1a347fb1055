package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskCategory tells Pebble's disk statistics who writes.
const diskCategory vfs.DiskWriteCategory = "skua-wal"

// zeroWriteBytes is the size of one write when a segment is zero-filled.
const zeroWriteBytes = 1 << 20

// beginSegment makes a segment out of a spare file, or of a new one that grows as it is written
// if no spare is ready. The file gets its header, on disk, before it gets its name, so a file with
// a segment's name always has a valid header, unless it was damaged.
func (l *Log) beginSegment(number, first uint64) (*segment, error) {
	path := l.takeSpare()
	if path == "" {
		path = l.sparePath()
	}
	f, err := l.o.FS.OpenReadWrite(path, diskCategory)
	if err != nil {
		return nil, fmt.Errorf("open spare for segment %d: %w", number, err)
	}
	s := &segment{
		segmentHeader: segmentHeader{salt: newSalt(l.o.Random), number: number, first: first},
		path:          l.o.FS.PathJoin(l.dir, segmentName(number)),
		last:          first - 1,
		end:           headerBytes,
		file:          f,
	}
	if err := l.nameSegment(s, path); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (l *Log) nameSegment(s *segment, spare string) error {
	if _, err := s.file.WriteAt(s.encode(), 0); err != nil {
		return fmt.Errorf("write header of segment %d: %w", s.number, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync header of segment %d: %w", s.number, err)
	}
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("stat segment %d: %w", s.number, err)
	}
	s.size = info.Size()
	if err := l.o.FS.Rename(spare, s.path); err != nil {
		return fmt.Errorf("name segment %d: %w", s.number, err)
	}
	return syncDir(l.o.FS, l.dir)
}

// newSalt makes what ties frames to their segment, so that frames of a recycled file's earlier life
// mean nothing.
func newSalt(random io.Reader) uint64 {
	var b [8]byte
	for {
		_, _ = io.ReadFull(random, b[:]) // Never fails: crypto/rand stops the program instead.
		if salt := binary.LittleEndian.Uint64(b[:]); salt != 0 {
			return salt
		}
	}
}

// spareLoop keeps one spare ready, away from the path of any commit.
func (l *Log) spareLoop() {
	defer l.running.Done()
	for {
		select {
		case <-l.quit:
			return
		case <-l.refill:
		}
		if l.spareCount() > 0 {
			continue
		}
		// A spare that cannot be made is no failure of the log: nothing was promised on it. The
		// next segment grows as it is written, and if the disk is full or broken fails there.
		if err := l.makeSpare(); err != nil && !errors.Is(err, ErrClosed) {
			l.o.Logger.Warn("no spare log segment", "err", err)
		}
	}
}

// keepSpares takes over the spares that the last run left behind, so that a start need not fill a file
// with zeros. What is in them means nothing, as in any recycled file. One that is too short, since its
// making was cut short, is removed, as is one too many.
//
// A file is renamed when it becomes a spare, and when it becomes a segment. A crash may leave it both names,
// or, of a process that was killed in between, a name that is not on disk yet. So a spare with the salt of
// another file is removed, which takes nothing but a name from that; and the directory is synced before a
// spare is overwritten, or a crash might bring back a segment of others' bytes.
func (l *Log) keepSpares(paths []string) error {
	salts := map[uint64]bool{}
	for _, s := range l.segments {
		salts[s.salt] = true
	}
	for _, path := range paths {
		size, salt, err := l.lookAtSpare(path)
		if err != nil {
			return fmt.Errorf("look at spare segment: %w", err)
		}
		if size >= l.o.SegmentBytes && !salts[salt] && len(l.spares) < SparesMax {
			l.spares = append(l.spares, path)
			salts[salt] = salt != 0
			continue
		}
		if err := l.o.FS.Remove(path); err != nil {
			return fmt.Errorf("remove spare segment: %w", err)
		}
	}
	if len(l.spares) == 0 {
		return nil
	}
	return syncDir(l.o.FS, l.dir)
}

// lookAtSpare returns the length of a spare, and the salt of the segment that it was or should have
// become, zero if it has none.
func (l *Log) lookAtSpare(path string) (size int64, salt uint64, err error) {
	f, err := l.o.FS.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil || info.Size() < headerBytes {
		return 0, 0, err
	}
	b := make([]byte, headerUsed)
	if err := readFull(f, b, 0); err != nil {
		return 0, 0, err
	}
	h, err := parseSegmentHeader(b)
	if err != nil { // It was zero-filled, and never more.
		return info.Size(), 0, nil
	}
	return info.Size(), h.salt, nil
}

// makeSpare creates a zero-filled file of a segment's size and puts it on the list.
func (l *Log) makeSpare() error {
	path := l.sparePath()
	f, err := l.o.FS.OpenReadWrite(path, diskCategory)
	if err != nil {
		return fmt.Errorf("create spare segment: %w", err)
	}
	err = l.zeroFill(f, 0, l.o.SegmentBytes)
	err = errors.Join(err, f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("zero-fill spare segment: %w", err), l.o.FS.Remove(path))
	}
	l.spareMu.Lock()
	l.spares = append(l.spares, path)
	l.spareMu.Unlock()
	return nil
}

// zeroFill writes and syncs zeros from one offset to another. It gives up when the log is closed.
func (l *Log) zeroFill(f vfs.File, from, to int64) error {
	zeros := make([]byte, min(zeroWriteBytes, to-from))
	for unsynced := int64(0); from < to; {
		n := min(int64(len(zeros)), to-from)
		if _, err := f.WriteAt(zeros[:n], from); err != nil {
			return err
		}
		from += n
		if unsynced += n; unsynced >= ZeroFillBytes && from < to {
			if err := f.SyncData(); err != nil {
				return err
			}
			unsynced = 0
		}
		select {
		case <-l.quit:
			return ErrClosed
		default:
		}
	}
	return f.Sync()
}

func (l *Log) sparePath() string {
	l.spareMu.Lock()
	defer l.spareMu.Unlock()
	l.spareNo++
	return l.o.FS.PathJoin(l.dir, spareName(l.spareNo))
}

func (l *Log) takeSpare() string {
	l.spareMu.Lock()
	defer l.spareMu.Unlock()
	n := len(l.spares)
	if n == 0 {
		return ""
	}
	path := l.spares[n-1]
	l.spares = l.spares[:n-1]
	return path
}

func (l *Log) spareCount() int {
	l.spareMu.Lock()
	defer l.spareMu.Unlock()
	return len(l.spares)
}
