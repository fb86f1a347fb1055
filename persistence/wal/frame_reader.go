package wal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// frameReader reads the frames of a segment in order. It never reads at or beyond limit, where the
// committer may be writing, and never believes a length before it has compared it with limit.
type frameReader struct {
	f     vfs.File
	salt  uint64
	at    int64 // where the next frame begins
	limit int64
	ahead int64 // bytes to fetch with one read

	buf   []byte // holds the bytes of the file from bufAt on
	bufAt int64
}

// next returns the next valid frame and moves behind it. The payload is valid until the next call.
// A badFrame leaves the reader where it is.
func (r *frameReader) next() (frameHeader, []byte, error) {
	available := r.limit - r.at
	if available < frameHeaderBytes {
		return frameHeader{}, nil, badEnd
	}
	b, err := r.window(frameHeaderBytes)
	if err != nil {
		return frameHeader{}, nil, err
	}
	h := parseFrameHeader(b)
	if err := h.checkHeader(r.salt, available); err != nil {
		return frameHeader{}, nil, err
	}
	if b, err = r.window(h.size()); err != nil {
		return frameHeader{}, nil, err
	}
	if checksum(b) != h.crc {
		return frameHeader{}, nil, badCRC
	}
	r.at += h.size()
	return h, b[frameHeaderBytes:], nil
}

// window returns the n bytes from r.at on, reading ahead if it must read. The caller has made sure
// that they lie below limit.
func (r *frameReader) window(n int64) ([]byte, error) {
	if r.at < r.bufAt || r.at+n > r.bufAt+int64(len(r.buf)) {
		want := min(max(n, r.ahead), r.limit-r.at)
		if int64(cap(r.buf)) < want {
			r.buf = make([]byte, want)
		}
		r.buf, r.bufAt = r.buf[:want], r.at
		if err := readFull(r.f, r.buf, r.at); err != nil {
			r.buf = r.buf[:0]
			return nil, err
		}
	}
	from := r.at - r.bufAt
	return r.buf[from : from+n], nil
}

// readFull fills b from the offset. The bytes are known to exist, so the end of the file is an
// error like any other.
func readFull(f vfs.File, b []byte, offset int64) error {
	n, err := f.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read %d bytes at offset %d: %w", len(b), offset, err)
}

// scanFrames looks at every offset from r.at on for a valid frame of this salt that satisfies want,
// aligned or not: what lies between may be damaged. salted says that the salt was seen at all.
func (r *frameReader) scanFrames(want func(frameHeader) bool) (at int64, found, salted bool, err error) {
	salt := binary.LittleEndian.AppendUint64(nil, r.salt)
	for r.limit-r.at >= frameHeaderBytes {
		b, err := r.window(frameHeaderBytes)
		if err != nil {
			return 0, false, salted, err
		}
		rest := r.buf[r.at-r.bufAt:]
		switch i := bytes.Index(rest[frameSaltAt:], salt); {
		case i < 0: // Keep what may be the first bytes of the salt.
			r.at += int64(len(rest) - frameSaltAt - (len(salt) - 1))
			continue
		case i > 0:
			r.at += int64(i)
			continue
		}
		salted = true
		here := r.at
		if h := parseFrameHeader(b); want(h) {
			if _, _, err = r.next(); err == nil {
				return here, true, true, nil
			} else if !isBadFrame(err) {
				return 0, false, true, err
			}
		}
		r.at = here + 1
	}
	return 0, false, salted, nil
}

// isBadFrame tells bytes that are no frame from a disk that does not answer.
func isBadFrame(err error) bool {
	var bad badFrame
	return errors.As(err, &bad)
}
