package gateway

import (
	"context"

	"github.com/skua-stock/skua/engine"
)

// look reads the reservations of the steps of a restricted caller, and gives those steps a problem
// that he may not take. The lines of a reservation never change, so that this holds for the turn.
func (b *batch) look(ctx context.Context) {
	if !b.who.Grant.Restricted() {
		return
	}
	g := new(bunch)
	g.start(len(b.members), b.port, func(i int, a *engine.Answer) {
		if !g.take() {
			return
		}
		_, b.members[i].problem = Seen(b.who.Grant, engine.OpGetReservation, a)
		g.filed(i)
	})
	inTime := true
	var asked []int
	for i, m := range b.members {
		if m.problem != nil || !b.who.MustLook(m.message.Command.Op) {
			continue
		}
		asked = append(asked, i) // All of them: what is not read for lack of time is not to be begun.
		inTime = inTime && g.add(ctx, i, Look(&m.message.Command))
	}
	g.awaitAll(ctx)
	g.end()
	for _, i := range asked {
		if !g.done[i] {
			b.members[i].problem = newProblem(AnswerTimeout, "", "the batch took longer than %s; the operation was not begun", AnswerWait)
		}
	}
}
