package codec

import (
	"encoding/binary"
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// reader reads bytes and keeps the first error; after it every read gives zero.
type reader struct {
	b     []byte
	i     int
	err   error
	names *names // nil to remember none
}

// begin has the reader read b, which may have so many bytes. A reader is set up where it is, for
// a copy of it would wait until what was just written to it is in the cache.
func (r *reader) begin(b []byte, limit int, ns *names) {
	r.b, r.names = b, ns
	if len(b) > limit {
		r.err = fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(b), limit)
		r.b = nil
	}
}

// fail keeps the first error and lets nothing more be read.
func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d of %d", ErrMalformed, what, r.i, len(r.b))
	}
	r.i = len(r.b)
}

// end says how the reading went; bytes that are left over are an error too.
func (r *reader) end() error {
	if r.err == nil && r.i != len(r.b) {
		r.fail("bytes left over")
	}
	return r.err
}

func (r *reader) byte() byte {
	if r.i < len(r.b) {
		r.i++
		return r.b[r.i-1]
	}
	return r.short()
}

// short says that the bytes ended too early. It is a call of its own so that byte is inlined.
//
//go:noinline
func (r *reader) short() byte {
	r.fail("end")
	return 0
}

// enum reads a number that must be below n.
func (r *reader) enum(n byte, what string) byte {
	c := r.byte()
	if c >= n {
		r.fail("unknown " + what)
		return 0
	}
	return c
}

func (r *reader) uvarint() uint64 {
	if r.i < len(r.b) && r.b[r.i] < 0x80 {
		r.i++
		return uint64(r.b[r.i-1])
	}
	return r.longUvarint()
}

func (r *reader) longUvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.i:])
	if n <= 0 {
		r.fail("bad number")
		return 0
	}
	r.i += n
	return v
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// number reads a number of at most max.
func (r *reader) number(maximum uint64, what string) uint64 {
	v := r.uvarint()
	if v > maximum {
		r.fail(what + " too large")
		return 0
	}
	return v
}

// count reads how many elements follow, of which each has at least size bytes.
func (r *reader) count(size int) int {
	n := r.uvarint()
	if n > uint64((len(r.b)-r.i)/size) {
		r.fail("more elements than bytes")
		return 0
	}
	return int(n)
}

func (r *reader) fixed64() uint64 {
	if len(r.b)-r.i < 8 {
		return uint64(r.short())
	}
	v := binary.LittleEndian.Uint64(r.b[r.i:])
	r.i += 8
	return v
}

// bytes reads a text without taking it out of the input.
func (r *reader) bytes() []byte {
	n := r.count(1)
	s := r.b[r.i : r.i+n]
	r.i += n
	return s
}

// text reads a text that hardly comes again.
func (r *reader) text() string { return string(r.bytes()) }

// name reads a text that is likely to come again.
func (r *reader) name() string {
	s := r.bytes()
	if len(s) == 0 {
		return ""
	}
	return r.names.of(s)
}

// nameOf is name for a text that is likely to be the one at a place of a list.
func (r *reader) nameOf(known []string, i int) string {
	s := r.bytes()
	if i < len(known) && known[i] == string(s) {
		return known[i]
	}
	if len(s) == 0 {
		return ""
	}
	return r.names.of(s)
}

func (r *reader) time() engine.Time { return engine.Time(r.varint()) }

// counts reads the quantities that a mask names and adds them to c.
func (r *reader) counts(c *engine.Counts) {
	mask := r.byte()
	if mask >= 1<<countFields {
		r.fail("unknown quantity")
		return
	}
	if mask&(1<<0) != 0 {
		c.OnHand += r.varint()
	}
	if mask&(1<<1) != 0 {
		c.Reserved += r.varint()
	}
	if mask&(1<<2) != 0 {
		c.Committed += r.varint()
	}
	if mask&(1<<3) != 0 {
		c.Damaged += r.varint()
	}
	if mask&(1<<4) != 0 {
		c.QualityControl += r.varint()
	}
	if mask&(1<<5) != 0 {
		c.Other += r.varint()
	}
	if mask&(1<<6) != 0 {
		c.Safety += r.varint()
	}
}

func (r *reader) change(before, after *engine.Counts) {
	r.counts(before)
	*after = *before
	r.counts(after)
}

func (r *reader) lineStatus() (l engine.LineStatus) {
	l.Quantity = r.varint()
	l.Open = r.varint()
	l.Fulfilled = r.varint()
	return l
}

func (r *reader) lines() (lines []engine.Line) {
	for range r.count(lineBytesMin) {
		lines = append(lines, engine.Line{SKU: r.name(), Location: r.name(), Quantity: r.varint()})
		if r.err != nil {
			return nil
		}
	}
	return lines
}

// settings reads settings, which stocks keep: nothing of them is ever reused.
func (r *reader) settings(s *engine.Settings) {
	s.BackorderLimit = r.varint()
	s.ReorderPoint = r.varint()
	if n := r.count(safetyBytesMin); n > 0 {
		s.SafetyStock = make(map[string]int64)
		for range n {
			location := r.name()
			if _, twice := s.SafetyStock[location]; twice {
				r.fail("a location twice")
			}
			if s.SafetyStock[location] = r.varint(); r.err != nil {
				return
			}
		}
	}
	for range r.count(textBytesMin) {
		if s.LocationOrder = append(s.LocationOrder, r.name()); r.err != nil {
			return
		}
	}
}
