package gateway

import (
	"context"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// each does every operation by itself. Commands on the same item are done in order: those of one
// item are handed over in order, which the port keeps; a command that spans several, or is about
// a reservation, waits for the earlier ones on its items, and the later ones wait for it.
func (b *batch) each(ctx context.Context) {
	var last lastOn
	if len(b.members) > 1 && b.special() {
		last = make(lastOn)
		b.late = !b.findItems(ctx)
	}
	for i := range b.members {
		m := b.members[i]
		if m.problem != nil {
			continue
		}
		if !last.awaitBefore(ctx, &b.bunch, m) || !b.add(ctx, i, &m.message.Command) {
			m.problem = newProblem(AnswerTimeout, "", "the batch took longer than %s; the operation was not begun", AnswerWait)
			continue
		}
		last.add(i, m)
	}
	b.awaitAll(ctx)
}

// special reports whether there is a command for which the port keeps no order.
func (b *batch) special() bool {
	for i := range b.members {
		if b.members[i].special() {
			return true
		}
	}
	return false
}

// special reports whether the port keeps no order for the command.
func (m *member) special() bool {
	if m.problem != nil {
		return false
	}
	c := &m.message.Command
	if ofReservation(c) {
		return true
	}
	for i := 1; i < len(c.Lines); i++ {
		if c.Lines[i].SKU != c.Lines[0].SKU {
			return true
		}
	}
	return false
}

// ofReservation reports whether only a reservation knows which items a command touches.
func ofReservation(c *engine.Command) bool { return c.Op.Step() || c.Op == engine.OpGetReservation }

// findItems learns which items each command touches. Only the reservation itself knows those of a
// step, and they never change; one that is not found touches nothing. It reports false when time
// was up before.
func (b *batch) findItems(ctx context.Context) bool {
	g := new(bunch)
	g.start(len(b.members), b.port, func(i int, a *engine.Answer) {
		if !g.take() {
			return // The batch may be over, and its members another's or gone.
		}
		b.members[i].touch(a)
		g.filed(i)
	})
	defer g.end()
	for i := range b.members {
		m := b.members[i]
		if m.problem != nil {
			continue
		}
		c := &m.message.Command
		switch {
		case ofReservation(c):
			if !g.add(ctx, i, &engine.Command{Op: engine.OpGetReservation, Reservation: c.Reservation}) {
				return false
			}
		case len(c.Lines) > 0:
			for j := range c.Lines {
				m.skus = append(m.skus, c.Lines[j].SKU)
			}
			m.skus = distinct(m.skus)
		default:
			m.skus = append(m.skus, c.SKU)
		}
	}
	return g.awaitAll(ctx)
}

// touch notes the items of a reservation.
func (m *member) touch(a *engine.Answer) {
	for j := range a.Reservation.Lines {
		m.skus = append(m.skus, a.Reservation.Lines[j].SKU)
	}
	m.skus = distinct(append(m.skus, m.message.Command.Reservation.Home))
}

func distinct(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// lastOn knows the last commands on every item that were handed over. It is nil for a batch that
// the port keeps in order by itself.
type lastOn map[string]order

// order is where one item stands: the last command that the port does not keep in order by itself
// (its index plus one, so that zero is none), and those after it that it does.
type order struct {
	special int
	plain   []int
}

// awaitBefore waits for what has to be done before a command.
func (l lastOn) awaitBefore(ctx context.Context, b *bunch, m *member) bool {
	if l == nil {
		return true
	}
	special := m.special()
	for _, sku := range m.skus {
		o := l[sku]
		if o.special > 0 && !b.awaitOne(ctx, o.special-1) {
			return false
		}
		if !special {
			continue
		}
		for _, i := range o.plain {
			if !b.awaitOne(ctx, i) {
				return false
			}
		}
	}
	return true
}

func (l lastOn) add(i int, m *member) {
	if l == nil {
		return
	}
	special := m.special()
	for _, sku := range m.skus {
		o := l[sku]
		if special {
			o = order{special: i + 1}
		} else {
			o.plain = append(o.plain, i)
		}
		l[sku] = o
	}
}
