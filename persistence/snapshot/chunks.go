package snapshot

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// A chunk of holds is a version, the numbers of the holds that are over, and the holds that are
// new or different, each with its length. The last word on a hold counts, and being over counts
// most: a number is never used again.

const chunkVersion = 1

// beginChunk writes what is over; the holds are appended after it.
func beginChunk(dst []byte, gone []uint64) []byte {
	dst = append(dst, chunkVersion)
	dst = binary.AppendUvarint(dst, uint64(len(gone)))
	for _, nonce := range gone {
		dst = binary.LittleEndian.AppendUint64(dst, nonce)
	}
	return dst
}

// overs tells whether a hold is one of those that are over.
func overs(gone []uint64) func(nonce uint64) bool {
	if len(gone) <= gonesSearched {
		return func(nonce uint64) bool { return slices.Contains(gone, nonce) }
	}
	all := make(map[uint64]struct{}, len(gone))
	for _, nonce := range gone {
		all[nonce] = struct{}{}
	}
	return func(nonce uint64) bool { _, ok := all[nonce]; return ok }
}

// gonesSearched is how many numbers are looked at one by one.
const gonesSearched = 8

// appendHold writes a hold behind its length, which nearly always is one byte.
func appendHold(dst []byte, h *engine.HoldImage) []byte {
	at := len(dst)
	dst = codec.AppendHold(append(dst, 0), h)
	n := len(dst) - at - 1
	if n < 0x80 {
		dst[at] = byte(n)
		return dst
	}
	var length [binary.MaxVarintLen64]byte
	return slices.Replace(dst, at, at+1, binary.AppendUvarint(length[:0], uint64(n))...)
}

// eachHold calls f with what a chunk says: over for a hold that ended, else its bytes.
func eachHold(row []byte, over func(nonce uint64), hold func(b []byte) error) error {
	if len(row) == 0 || row[0] != chunkVersion {
		return unknownVersion("chunk of holds", row)
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

// merger makes one chunk of several. It does not look into the holds.
type merger struct {
	rows  []byte // the chunks, one after the other
	ends  []int  // where each ends
	holds [][]byte
	index map[uint64]int // into holds
	gone  []uint64
}

func (m *merger) begin() {
	if m.index == nil || len(m.holds)+len(m.gone) > scratchHolds {
		*m = merger{index: make(map[uint64]int)}
	}
	clear(m.index)
	m.rows, m.ends, m.holds, m.gone = m.rows[:0], m.ends[:0], m.holds[:0], m.gone[:0]
}

// add takes the next chunk, from the oldest on. It is copied.
func (m *merger) add(row []byte) {
	m.rows = append(m.rows, row...)
	m.ends = append(m.ends, len(m.rows))
}

// merge appends the chunk that was made. The oldest of an item need not say what is over.
func (m *merger) merge(dst []byte, oldest bool) ([]byte, error) {
	from := 0
	for _, end := range m.ends {
		if err := m.take(m.rows[from:end]); err != nil {
			return nil, err
		}
		from = end
	}
	if oldest {
		m.gone = m.gone[:0]
	}
	dst = beginChunk(dst, m.gone)
	for _, b := range m.holds {
		if b != nil {
			dst = append(binary.AppendUvarint(dst, uint64(len(b))), b...)
		}
	}
	return dst, nil
}

func (m *merger) take(row []byte) error {
	over := func(nonce uint64) {
		if at, ok := m.index[nonce]; ok {
			m.holds[at] = nil
			delete(m.index, nonce)
		}
		m.gone = append(m.gone, nonce)
	}
	return eachHold(row, over, func(b []byte) error {
		nonce, err := codec.HoldNonce(b)
		if err != nil {
			return err
		}
		at, ok := m.index[nonce]
		if !ok {
			at = len(m.holds)
			m.holds = append(m.holds, nil)
			m.index[nonce] = at
		}
		m.holds[at] = b
		return nil
	})
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
