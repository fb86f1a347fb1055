package gateway

import (
	"context"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// each does every operation by itself. Commands on the same item are done in order: those of one
// item are handed over in order, which the port keeps; a command that spans several, or is a step
// on a reservation, waits for the earlier ones on its items, and the later ones wait for it.
func (b *batch) each(ctx context.Context) {
	if len(b.members) > 1 {
		b.findItems(ctx)
	}
	g := newGathering(len(b.members))
	last := make(lastOn)
	for i := range b.members {
		m := &b.members[i]
		if m.problem != nil {
			continue
		}
		if !last.awaitBefore(ctx, g, m) || !g.acquire(ctx) {
			m.problem = newProblem(AnswerTimeout, "", "the batch took longer than %s; the operation was not begun", AnswerWait)
			continue
		}
		last.add(i, m)
		b.port.Submit(m.command, func(a *engine.Answer) { g.put(i, a) })
	}
	g.wait(ctx)
	for i := range b.members {
		m := &b.members[i]
		if m.problem != nil {
			continue
		}
		answer, done := g.get(i)
		if !done {
			m.problem = TimedOut(AnswerWait)
		}
		m.answer = answer
	}
}

// findItems learns which items each command touches. Only the reservation itself knows those of a
// step, and they never change; one that is not found touches nothing.
func (b *batch) findItems(ctx context.Context) {
	g := newGathering(len(b.members))
	for i := range b.members {
		m := &b.members[i]
		switch {
		case m.problem != nil:
		case m.command.Op.Step():
			if !g.acquire(ctx) {
				return
			}
			read := &engine.Command{Op: engine.OpGetReservation, Reservation: m.command.Reservation}
			b.port.Submit(read, func(a *engine.Answer) { g.put(i, a) })
		case len(m.command.Lines) > 0:
			for j := range m.command.Lines {
				m.skus = append(m.skus, m.command.Lines[j].SKU)
			}
			m.skus = distinct(m.skus)
		default:
			m.skus = []string{m.command.SKU}
		}
	}
	g.wait(ctx)
	for i := range b.members {
		m := &b.members[i]
		if m.problem != nil || !m.command.Op.Step() {
			continue
		}
		a, _ := g.get(i)
		for j := range a.Reservation.Lines {
			m.skus = append(m.skus, a.Reservation.Lines[j].SKU)
		}
		m.skus = distinct(append(m.skus, m.command.Reservation.Home))
	}
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// lastOn knows the last commands on every item that were handed over.
type lastOn map[string]order

// order is where one item stands: the last command that the port does not keep in order by itself
// (its index plus one, so that zero is none), and those after it that it does.
type order struct {
	special int
	plain   []int
}

// special reports whether the port keeps no order for a command.
func (m *member) special() bool { return m.command.Op.Step() || len(m.skus) > 1 }

// awaitBefore waits for what has to be done before a command.
func (l lastOn) awaitBefore(ctx context.Context, g *gathering, m *member) bool {
	for _, sku := range m.skus {
		o := l[sku]
		if o.special > 0 && !g.await(ctx, o.special-1) {
			return false
		}
		if !m.special() {
			continue
		}
		for _, i := range o.plain {
			if !g.await(ctx, i) {
				return false
			}
		}
	}
	return true
}

func (l lastOn) add(i int, m *member) {
	for _, sku := range m.skus {
		o := l[sku]
		if m.special() {
			o = order{special: i + 1}
		} else {
			o.plain = append(o.plain, i)
		}
		l[sku] = o
	}
}
