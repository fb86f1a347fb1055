package peer

import (
	"cmp"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// merged appends the lines to what is in out, ordered by SKU and with those of one SKU added up:
// who locks in that order does not deadlock, and who checks each line has checked them all.
func merged(out []engine.Line, lines []engine.Line) []engine.Line {
	out = append(out, lines...)
	if len(lines) <= 1 {
		return out
	}
	slices.SortFunc(out, func(a, b engine.Line) int { return cmp.Compare(a.SKU, b.SKU) })
	n := 0
	for _, l := range out[1:] {
		if l.SKU == out[n].SKU {
			out[n].Quantity += l.Quantity
			continue
		}
		n++
		out[n] = l
	}
	return out[:n+1]
}

func units(lines []engine.Line) (sum int64) {
	for i := range lines {
		sum += lines[i].Quantity
	}
	return sum
}
