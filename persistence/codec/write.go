package codec

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/skua-stock/skua/engine"
)

func appendUvarint(dst []byte, v uint64) []byte {
	if v < 0x80 {
		return append(dst, byte(v))
	}
	return binary.AppendUvarint(dst, v)
}

// appendVarint writes a signed number, zigzag: small ones of either sign are short.
func appendVarint(dst []byte, v int64) []byte {
	return appendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

func appendText(dst []byte, s string) []byte {
	return append(appendUvarint(dst, uint64(len(s))), s...)
}

func appendTime(dst []byte, t engine.Time) []byte { return appendVarint(dst, int64(t)) }

// countFields is how many stored quantities a level has. A new one makes new format versions.
const countFields = 7

func fields(c *engine.Counts) [countFields]int64 {
	return [countFields]int64{
		c.OnHand, c.Reserved, c.Committed, c.Damaged, c.QualityControl, c.Other, c.Safety,
	}
}

func counts(f *[countFields]int64) engine.Counts {
	return engine.Counts{
		OnHand: f[0], Reserved: f[1], Committed: f[2], Damaged: f[3], QualityControl: f[4],
		Other: f[5], Safety: f[6],
	}
}

// appendFields writes a mask of the fields that are not zero, and those.
func appendFields(dst []byte, f *[countFields]int64) []byte {
	at := len(dst)
	dst = append(dst, 0)
	var mask byte
	for i, v := range f {
		if v != 0 {
			mask |= 1 << i
			dst = appendVarint(dst, v)
		}
	}
	dst[at] = mask
	return dst
}

// appendChange writes what a level was and by how much each quantity changed. The differences wrap
// around, and wrap back when they are added.
func appendChange(dst []byte, before, after *engine.Counts) []byte {
	b, a := fields(before), fields(after)
	for i := range a {
		a[i] -= b[i]
	}
	return appendFields(appendFields(dst, &b), &a)
}

func appendLineStatus(dst []byte, l *engine.LineStatus) []byte {
	dst = appendVarint(dst, l.Quantity)
	dst = appendVarint(dst, l.Open)
	return appendVarint(dst, l.Fulfilled)
}

func appendLines(dst []byte, lines []engine.Line) []byte {
	dst = appendUvarint(dst, uint64(len(lines)))
	for i := range lines {
		dst = appendText(dst, lines[i].SKU)
		dst = appendText(dst, lines[i].Location)
		dst = appendVarint(dst, lines[i].Quantity)
	}
	return dst
}

// appendSettings writes the map in the order of its keys, so that the same settings are the same
// bytes.
func appendSettings(dst []byte, s *engine.Settings) []byte {
	dst = appendVarint(dst, s.BackorderLimit)
	dst = appendVarint(dst, s.ReorderPoint)
	dst = appendUvarint(dst, uint64(len(s.SafetyStock)))
	if len(s.SafetyStock) > 0 {
		for _, location := range slices.Sorted(maps.Keys(s.SafetyStock)) {
			dst = appendText(dst, location)
			dst = appendVarint(dst, s.SafetyStock[location])
		}
	}
	dst = appendUvarint(dst, uint64(len(s.LocationOrder)))
	for _, location := range s.LocationOrder {
		dst = appendText(dst, location)
	}
	return dst
}
