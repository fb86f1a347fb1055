package snapshot

import (
	"encoding/binary"
	"fmt"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// A chunk of holds is a version, the numbers of the holds that are over, and the holds that are
// new or different, each with its length. The last word on a hold counts, and being over counts
// most: a number is never used again.

const chunkVersion = 1

func appendChunk(dst []byte, gone []uint64, holds ...[]engine.HoldImage) []byte {
	over := make(map[uint64]bool, len(gone))
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(len(gone)))
	for _, nonce := range gone {
		over[nonce] = true
		dst = binary.LittleEndian.AppendUint64(dst, nonce)
	}
	var buf []byte
	for _, piece := range holds {
		for i := range piece {
			if len(over) > 0 && over[piece[i].Nonce] {
				continue
			}
			buf = codec.AppendHold(buf[:0], &piece[i])
			dst = binary.AppendUvarint(dst, uint64(len(buf)))
			dst = append(dst, buf...)
		}
	}
	return dst
}

// eachHold calls f with what a chunk says: over for a hold that ended, else its bytes.
func eachHold(row []byte, over func(nonce uint64), hold func(b []byte) error) error {
	if len(row) == 0 || row[0] != chunkVersion {
		return fmt.Errorf("chunk of holds is missing or of an unknown version")
	}
	r := reader{b: row[1:]}
	for range r.count() {
		over(r.uint64())
	}
	for len(r.b) > 0 && !r.bad {
		b := r.bytes()
		if r.bad {
			break
		}
		if err := hold(b); err != nil {
			return err
		}
	}
	if r.bad {
		return fmt.Errorf("chunk of holds is cut short")
	}
	return nil
}

// readChunk brings holds up to date by a chunk.
func readChunk(row []byte, holds map[uint64]engine.HoldImage) error {
	return eachHold(row, func(nonce uint64) { delete(holds, nonce) }, func(b []byte) error {
		h, err := codec.DecodeHold(b)
		if err != nil {
			return err
		}
		holds[h.Nonce] = h
		return nil
	})
}

// mergeChunks makes one of two. The oldest of an item need not say what is over.
func mergeChunks(older, newer []byte, oldest bool) ([]byte, error) {
	holds := make(map[uint64]engine.HoldImage)
	var gone []uint64
	for _, row := range [...][]byte{older, newer} {
		if err := readChunk(row, holds); err != nil {
			return nil, err
		}
		if oldest {
			continue
		}
		if err := eachHold(row, func(nonce uint64) { gone = append(gone, nonce) }, func([]byte) error { return nil }); err != nil {
			return nil, err
		}
	}
	list := make([]engine.HoldImage, 0, len(holds))
	for _, h := range holds {
		list = append(list, h)
	}
	return appendChunk(nil, gone, list), nil
}

// reader reads numbers off bytes and remembers whether one was missing.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint64() uint64 {
	if len(r.b) < 8 {
		r.bad, r.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// count reads how many follow; each has a byte at least, so garbage cannot ask for much.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	if r.bad {
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}
