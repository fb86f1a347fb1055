package actors

import (
	"cmp"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// visit is a command, or an atomic batch of them, on its way over several SKUs. It reaches their
// actors in ascending order of (partition, SKU); each takes no other message from then on. At the
// last all are held: there it is decided on all their states at one time, applied, and logged as
// one record. Since everybody waits in that order, nobody waits in a circle; and since nothing is
// changed before, there is nothing to undo.
type visit struct {
	sys     *System
	cells   []*cell
	reached int
	cmds    []*engine.Command
	answer  func([]engine.Answer)
	answers []engine.Answer
	fresh   uint64
	last    uint64
}

// order sorts SKUs as visits go, without repetitions.
func (s *System) order(skus []string) []string {
	n := uint32(len(s.partitions))
	slices.SortFunc(skus, func(a, b string) int {
		if c := cmp.Compare(hash(a)%n, hash(b)%n); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return slices.Compact(skus)
}

// startVisit sends commands over SKUs. All are activated before the first is held.
func (s *System) startVisit(skus []string, cmds []*engine.Command, answer func([]engine.Answer)) {
	v := &visit{sys: s, cmds: cmds, answer: answer, answers: make([]engine.Answer, len(cmds))}
	for i, cmd := range cmds {
		v.answers[i].Op = cmd.Op
	}
	for _, sku := range s.order(skus) {
		c, err := s.acquire(sku, false)
		if err != nil {
			v.failAll(err)
			v.Durable(nil)
			return
		}
		v.cells = append(v.cells, c)
	}
	v.cells[0].post(v)
}

// Durable implements Waiter.
func (v *visit) Durable(err error) {
	if err != nil {
		v.failAll(engine.ErrUnavailable)
	}
	for _, c := range v.cells {
		c.release()
	}
	v.answer(v.answers)
}

func (v *visit) failAll(err error) {
	for i := range v.answers {
		v.answers[i] = engine.Answer{Op: v.cmds[i].Op, Err: err}
	}
}

// visited is a SKU's turn when a visit reaches it.
func (c *cell) visited(v *visit) {
	v.reached++
	if v.reached < len(v.cells) {
		c.hold()
		next := v.cells[v.reached]
		if v.reached%visitsInline == 0 {
			go next.post(v) // A thousand lines must not be a thousand frames on one stack.
		} else {
			next.post(v)
		}
		return
	}
	v.reached = 0
	cells := v.cells // The visit may be over, and gone, when the decision returns.
	fenced := false
	parked := false
	ok := c.guard(func() { parked = v.decide(&fenced) })
	if !ok {
		v.failAll(engine.ErrInternal)
	}
	if !fenced {
		for _, held := range cells[:len(cells)-1] {
			held.resume()
		}
	}
	if !ok || !parked {
		v.park(ok)
	}
}

// park lets the answers go once everything that they were read from is on disk.
func (v *visit) park(wait bool) {
	if !wait || replyAboveWatermark || v.last == 0 {
		v.Durable(nil)
		return
	}
	v.sys.wal.Await(v.last, v)
}

// decide does the visit's work, all its SKUs being held. It reports true when somebody else will
// give the answers.
func (v *visit) decide(fenced *bool) (parked bool) {
	for _, c := range v.cells {
		if c.err != nil {
			v.failAll(c.err)
			return false
		}
	}
	now := v.sys.clock.time()
	t := turns.Get().(*turnScratch)
	defer turns.Put(t)
	t.stocks = t.stocks[:0]
	for _, c := range v.cells {
		c.expire(now, false)
		t.stocks = append(t.stocks, c.stock)
		v.last = max(v.last, c.last)
	}
	t.Begin(now, t.stocks)
	if v.cmds[0].Op == engine.OpGetReservation {
		v.read(t)
		return false
	}
	if err := v.sys.wal.Accepting(); err != nil {
		v.failAll(err)
		return false
	}
	if parked, done := v.known(); done {
		return parked
	}
	if !v.decideAll(t) {
		return false
	}
	*fenced = true
	v.sys.append(&t.Record, v.cells, v)
	*fenced = false
	for _, c := range v.cells {
		c.schedule()
	}
	return true
}

// decideAll decides every command, or marks all as refused because of the first that is.
func (v *visit) decideAll(t *turnScratch) bool {
	for i, cmd := range v.cmds {
		r := t.Decide(cmd)
		if !r.Refused() {
			continue
		}
		for j := range v.answers {
			v.answers[j] = linkedLineFailed(v.cmds[j].Op)
		}
		v.answers[i] = engine.Answer{Op: cmd.Op, Refusal: r}
		return false
	}
	for i := range v.answers {
		v.answers[i] = t.Record.Answer(i)
		v.sys.name(&v.answers[i])
	}
	return true
}

func linkedLineFailed(op engine.Op) engine.Answer {
	return engine.Answer{Op: op, Refusal: engine.Refusal{
		Code: engine.LinkedLineFailed, Detail: "another operation of the batch was refused, so nothing was done",
	}}
}

// read answers a look at a reservation.
func (v *visit) read(t *turnScratch) {
	ans := &v.answers[0]
	var ok bool
	if ans.Reservation, ok = t.ReservationView(v.cmds[0].Reservation); !ok {
		// It ended between the look for its SKUs and this one.
		ans.Refusal = engine.StepRefused(ans.Op, engine.StateNone)
		return
	}
	v.sys.name(ans)
}

// known looks for the keys of the commands. When all are known they are answered as the first
// time. A batch of which only some are is another batch under used keys.
func (v *visit) known() (parked, done bool) {
	found := make([]uint64, len(v.cmds))
	n := 0
	for i, cmd := range v.cmds {
		index, ok := v.sys.memory.Recall(v.home(cmd), cmd.KeyHash())
		if ok && index != v.fresh {
			found[i] = index
			n++
		}
	}
	switch n {
	case 0:
		return false, false
	case len(v.cmds):
		v.sys.read(func() { v.replay(found) })
		return true, true
	}
	for i := range v.answers {
		v.answers[i] = linkedLineFailed(v.cmds[i].Op)
		if found[i] != 0 {
			v.answers[i].Refusal = engine.Refusal{
				Code: engine.IdempotencyKeyParameterMismatch, Field: "Idempotency-Key",
				Detail: "the key was used before, but not in this batch",
			}
		}
	}
	return false, true
}

// home is the SKU that scopes a command's key: the first of its own that is visited.
func (v *visit) home(cmd *engine.Command) string {
	switch {
	case cmd.Op.Step():
		return cmd.Reservation.Home
	case len(cmd.Lines) == 0:
		return cmd.SKU
	}
	for _, c := range v.cells {
		for i := range cmd.Lines {
			if cmd.Lines[i].SKU == c.sku {
				return c.sku
			}
		}
	}
	panic("actors: a visit leaves out the SKUs of its command")
}

// replay answers all commands of a visit from the records of their keys.
func (v *visit) replay(found []uint64) {
	for i, cmd := range v.cmds {
		r, err := v.sys.memory.Record(v.home(cmd), found[i])
		if err != nil {
			v.sys.log("read the record of a key", "sku", v.home(cmd), "index", found[i], "error", err)
			v.failAll(engine.ErrUnavailable)
			break
		}
		act := actOf(r, cmd)
		if act < 0 {
			v.fresh = found[i]
			v.cells[0].post(v)
			return
		}
		v.answers[i] = v.sys.replayed(r, act, cmd)
	}
	v.Durable(nil)
}

// widen turns a call on a reservation's home into a visit of all its SKUs.
func (s *System) widen(k *call, others []string) {
	cmd, answer, home := k.cmd, k.answer, k.cell.sku
	k.answer = func(engine.Answer) {
		s.startVisit(append(others, home), []*engine.Command{cmd}, func(a []engine.Answer) {
			if a[0].Refusal.Code == engine.ReservationNotFound {
				s.Submit(cmd, answer) // It ended on the way: the home knows how.
				return
			}
			answer(a[0])
		})
	}
	k.Durable(nil)
}
