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
	return appendLongUvarint(dst, v)
}

// appendLongUvarint writes the usual lengths with one append each, which is faster than a loop.
func appendLongUvarint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<14:
		return append(dst, byte(v)|0x80, byte(v>>7))
	case v < 1<<21:
		return append(dst, byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14))
	case v < 1<<28:
		return append(dst, byte(v)|0x80, byte(v>>7)|0x80, byte(v>>14)|0x80, byte(v>>21))
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

// appendCounts writes a mask of the quantities that are not zero, and those. It is written out
// because a loop over an array of them takes twice as long.
func appendCounts(dst []byte, c *engine.Counts) []byte {
	at := len(dst)
	dst = append(dst, 0)
	var mask byte
	if c.OnHand != 0 {
		mask |= 1 << 0
		dst = appendVarint(dst, c.OnHand)
	}
	if c.Reserved != 0 {
		mask |= 1 << 1
		dst = appendVarint(dst, c.Reserved)
	}
	if c.Committed != 0 {
		mask |= 1 << 2
		dst = appendVarint(dst, c.Committed)
	}
	if c.Damaged != 0 {
		mask |= 1 << 3
		dst = appendVarint(dst, c.Damaged)
	}
	if c.QualityControl != 0 {
		mask |= 1 << 4
		dst = appendVarint(dst, c.QualityControl)
	}
	if c.Other != 0 {
		mask |= 1 << 5
		dst = appendVarint(dst, c.Other)
	}
	if c.Safety != 0 {
		mask |= 1 << 6
		dst = appendVarint(dst, c.Safety)
	}
	dst[at] = mask
	return dst
}

// appendChange writes what a level was and by how much each quantity changed. The differences wrap
// around, and wrap back when they are added.
func appendChange(dst []byte, before, after *engine.Counts) []byte {
	delta := engine.Counts{
		OnHand: after.OnHand - before.OnHand, Reserved: after.Reserved - before.Reserved,
		Committed: after.Committed - before.Committed, Damaged: after.Damaged - before.Damaged,
		QualityControl: after.QualityControl - before.QualityControl,
		Other:          after.Other - before.Other, Safety: after.Safety - before.Safety,
	}
	return appendCounts(appendCounts(dst, before), &delta)
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
