package gateway

import (
	"slices"

	"github.com/skua-stock/skua/engine"
)

// linesSearched is up to how many lines are searched one by one, which needs no memory.
const linesSearched = 16

// OrderLines puts the lines of the answer to reserve and commit in the order in which the request
// has their items. The engine works through items in an order of its own, which nobody else knows.
func OrderLines(c *engine.Command, a *engine.Answer) {
	lines := a.Reservation.Lines
	if len(lines) < 2 || c.Op != engine.OpReserve && c.Op != engine.OpCommit {
		return
	}
	place := func(sku string) int {
		return slices.IndexFunc(c.Lines, func(l engine.Line) bool { return l.SKU == sku })
	}
	if len(c.Lines) > linesSearched {
		places := make(map[string]int, len(c.Lines))
		for i := len(c.Lines) - 1; i >= 0; i-- {
			places[c.Lines[i].SKU] = i
		}
		place = func(sku string) int { return places[sku] }
	}
	slices.SortStableFunc(lines, func(a, b engine.LineView) int { return place(a.SKU) - place(b.SKU) })
}
