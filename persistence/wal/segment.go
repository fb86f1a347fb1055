package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A segment file begins with a header in a page of its own.
//
//	 0  8 bytes  magic
//	 8  uint32   format version
//	12  uint32   0
//	16  uint64   salt: random, in every frame of the segment
//	24  uint64   number of the segment, as in its name
//	32  uint64   index of the first record
//	40  uint64   0
//	48  uint64   0
//	56  uint32   0
//	60  uint32   CRC-32C of the 60 bytes before
//
// These offsets are the disk format and must not change.
const (
	headerMagic   = "SKUAWAL\x00"
	headerVersion = 1
	headerUsed    = 64 // bytes of the page that carry something; the others are 0
)

const (
	segmentSuffix = ".wal"
	sparePrefix   = "spare-"
	nameDigits    = 16
)

// segmentHeader is the decoded header of a segment.
type segmentHeader struct {
	salt   uint64
	number uint64
	first  uint64
}

func (h segmentHeader) encode() []byte {
	b := make([]byte, headerBytes)
	copy(b, headerMagic)
	binary.LittleEndian.PutUint32(b[8:], headerVersion)
	binary.LittleEndian.PutUint64(b[16:], h.salt)
	binary.LittleEndian.PutUint64(b[24:], h.number)
	binary.LittleEndian.PutUint64(b[32:], h.first)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

var (
	errHeaderDamaged = errors.New("segment header is damaged")
	errHeaderVersion = errors.New("segment has a format version that this program does not know, made by a newer program")
)

// parseSegmentHeader decodes and validates what the first bytes of a file say.
func parseSegmentHeader(b []byte) (segmentHeader, error) {
	if len(b) < headerUsed || string(b[:8]) != headerMagic ||
		crc32.Checksum(b[:60], castagnoli) != binary.LittleEndian.Uint32(b[60:]) {
		return segmentHeader{}, errHeaderDamaged
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != headerVersion {
		return segmentHeader{}, fmt.Errorf("%w: %d", errHeaderVersion, v)
	}
	return segmentHeader{
		salt:   binary.LittleEndian.Uint64(b[16:]),
		number: binary.LittleEndian.Uint64(b[24:]),
		first:  binary.LittleEndian.Uint64(b[32:]),
	}, nil
}

func segmentName(number uint64) string {
	return fmt.Sprintf("%0*d%s", nameDigits, number, segmentSuffix)
}

func spareName(number uint64) string { return sparePrefix + segmentName(number) }

// parseName says which segment, or spare, a file name stands for.
func parseName(name string) (number uint64, spare, ok bool) {
	name, spare = strings.CutPrefix(name, sparePrefix)
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != nameDigits {
		return 0, false, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, spare, err == nil
}

// segment is one file of the log.
//
// The file may be read by anyone who holds a reference. A segment that is cut is retired: no new
// reference is given out, and only when there was none left may the file be recycled; otherwise it
// is deleted by name and its bytes live on until the last reader is done. So a reader never sees
// the file's next life.
type segment struct {
	segmentHeader
	path string

	// last, end, sealed and index are guarded by Log.segMu: written by the committer, and only
	// after the bytes they speak of are on disk.
	last   uint64 // last durable record; first-1 if none
	end    int64  // where the next frame goes
	sealed bool
	index  []indexEntry

	size int64 // length of the file when it was opened; owned by the committer

	mu      sync.Mutex // guards what follows
	file    vfs.File   // nil until someone needs it
	refs    int
	retired bool
}

// indexEntry says that the frame at offset begins with record first.
type indexEntry struct {
	first  uint64
	offset int64
}

// note records a frame in the sparse index, if the last entry is far enough away.
func (s *segment) note(first uint64, offset int64) {
	if n := len(s.index); n == 0 || offset-s.index[n-1].offset >= IndexEveryBytes {
		s.index = append(s.index, indexEntry{first, offset})
	}
}

// near is the offset of a frame that begins at or before the given record, which s holds.
func (s *segment) near(index uint64) int64 {
	i := sort.Search(len(s.index), func(i int) bool { return s.index[i].first > index })
	return s.index[i-1].offset
}

// acquire gives the open file to a reader, who calls release when done. ok is false if the
// segment is gone.
func (s *segment) acquire(fs vfs.FS) (f vfs.File, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return nil, false, nil
	}
	if s.file == nil {
		if s.file, err = fs.Open(s.path); err != nil {
			return nil, false, fmt.Errorf("open segment %d: %w", s.number, err)
		}
	}
	s.refs++
	return s.file, true, nil
}

func (s *segment) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	return s.closeIfUnused()
}

// retire lets no new reader in. alone says that there is none left either.
func (s *segment) retire() (alone bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	return s.refs == 0, s.closeIfUnused()
}

func (s *segment) closeIfUnused() error {
	if !s.retired || s.refs > 0 || s.file == nil {
		return nil
	}
	f := s.file
	s.file = nil
	if err := f.Close(); err != nil {
		return fmt.Errorf("close segment %d: %w", s.number, err)
	}
	return nil
}
