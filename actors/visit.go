package actors

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"

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
	// call is the one that the visit is for, if it is not for a batch; else answer gets the answers.
	call    *call
	answers []engine.Answer
	answer  func([]engine.Answer)
	// fresh has, by command, a record that its key was found in by mistake; nil before that.
	fresh []uint64
	last  uint64

	stops []stop // where it goes, to be sorted; scratch
}

// stop is a SKU that a visit goes to, with what is computed of its name more than once.
type stop struct {
	partition, hash uint32
	sku             string
}

func (s *System) stopAt(sku string) stop {
	h := hash(sku)
	return stop{h % uint32(len(s.partitions)), h, sku}
}

// compare is the order in which visits go.
func (a stop) compare(b stop) int {
	if c := cmp.Compare(a.partition, b.partition); c != 0 {
		return c
	}
	return strings.Compare(a.sku, b.sku)
}

var visits = sync.Pool{New: func() any { return new(visit) }}

// firstOf is the SKU of some lines that is visited first: the home of a reservation over them.
func (s *System) firstOf(lines []engine.Line) string {
	first := s.stopAt(lines[0].SKU)
	for i := range lines[1:] {
		if other := s.stopAt(lines[1+i].SKU); other.compare(first) < 0 {
			first = other
		}
	}
	return first.sku
}

// newVisit begins a visit for a call, or for the commands of a batch; its SKUs are to be added.
func (s *System) newVisit(k *call, batch ...*engine.Command) *visit {
	v := visits.Get().(*visit)
	v.sys = s
	if v.call = k; k != nil {
		v.cmds = append(v.cmds[:0], k.cmd)
		return v
	}
	v.cmds = append(v.cmds[:0], batch...)
	v.answers = make([]engine.Answer, len(batch)) // Who gets them may keep them.
	for i, cmd := range batch {
		v.answers[i].Op = cmd.Op
	}
	return v
}

// answerOf is the answer of a command: a call has the memory for its own.
func (v *visit) answerOf(i int) *engine.Answer {
	if v.call != nil {
		return &v.call.ans
	}
	return &v.answers[i]
}

// add has the visit go to a SKU.
func (v *visit) add(sku string) { v.stops = append(v.stops, v.sys.stopAt(sku)) }

// free gives the visit's memory to the next.
func (v *visit) free() {
	clear(v.cells)
	clear(v.cmds)
	clear(v.stops)
	*v = visit{cells: v.cells[:0], cmds: v.cmds[:0], stops: v.stops[:0]}
	if cap(v.cells) <= visitKept {
		visits.Put(v)
	}
}

// start sends a visit on its way. All SKUs are activated before the first is held.
func (v *visit) start() {
	slices.SortFunc(v.stops, stop.compare)
	for i := range v.stops {
		if i > 0 && v.stops[i].sku == v.stops[i-1].sku {
			continue
		}
		c, err := v.sys.acquire(v.stops[i].sku, v.stops[i].hash, false)
		if err != nil {
			v.failAll(err)
			v.Durable(nil)
			return
		}
		v.cells = append(v.cells, c)
	}
	v.advance()
}

// advance takes a visit on to the SKU where it has to wait, or to the last. On the way there is
// nothing to do, so an idle SKU is held without a turn of its actor: a thousand lines are no more than
// a loop. The visit may be over when it returns.
func (v *visit) advance() {
	last := len(v.cells) - 1
	for v.reached < last {
		if !v.cells[v.reached].holdOrEnqueue(v) {
			return // It is where the SKU's turn takes it from there.
		}
		v.reached++
	}
	v.cells[last].post(v)
}

// Durable implements Waiter.
func (v *visit) Durable(err error) {
	if err != nil {
		v.failAll(engine.ErrUnavailable)
	}
	for _, c := range v.cells {
		c.release(1)
	}
	switch k := v.call; {
	case k == nil:
		v.answer(v.answers)
	case k.widened && k.ans.Refusal.Code == engine.ReservationNotFound:
		k.widened, k.now, k.ans = false, 0, engine.Answer{Op: k.cmd.Op}
		k.sys.dispatch(k) // It ended on the way: the home knows how.
	default:
		k.Durable(nil)
	}
	v.free()
}

// Warm implements the log's Warmer: it reads what Durable will need.
func (v *visit) Warm(step int) (sum uint64) {
	if step == 0 {
		return uint64(v.reached)
	}
	for _, c := range v.cells {
		sum += uint64(c.left.Load())
	}
	if v.call != nil {
		sum += v.call.warmth()
	}
	return sum
}

func (v *visit) failAll(err error) {
	for i, cmd := range v.cmds {
		*v.answerOf(i) = engine.Answer{Op: cmd.Op, Err: err}
	}
}

// visited is a SKU's turn when a visit reaches it that waited, or that has no further to go.
func (c *cell) visited(v *visit) {
	if v.reached < len(v.cells)-1 {
		c.hold()
		v.reached++
		v.advance()
		return
	}
	v.reached = 0
	var few [visitUsual]*cell
	cells := append(few[:0], v.cells...) // The visit may be over, and another, when the decision returns.
	parked := false
	ok := c.guard(func() { parked = v.decide() })
	if !ok {
		v.failAll(engine.ErrInternal)
	}
	for _, held := range cells[:len(cells)-1] {
		held.resume() // Those that were fenced have a second hold, which ends when they are reloaded.
	}
	if !ok || !parked {
		v.park(ok)
	}
}

// park lets the answers go once everything that they were read from is on disk.
func (v *visit) park(wait bool) {
	if !wait || v.last == 0 {
		v.Durable(nil)
		return
	}
	v.sys.wal.Await(v.last, v)
}

// decide does the visit's work, all its SKUs being held. It reports true when somebody else will
// give the answers.
func (v *visit) decide() (parked bool) {
	for _, c := range v.cells {
		if err := c.fault(); err != nil {
			v.failAll(err)
			return false
		}
	}
	now := v.sys.clock.time()
	t := turns.Get().(*turnScratch)
	defer turns.Put(t)
	t.cells, t.stocks = append(t.cells[:0], v.cells...), t.stocks[:0]
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
	if v.known() {
		return true
	}
	if err := v.sys.wal.Accepting(); err != nil {
		v.failAll(err)
		return false
	}
	if !v.decideAll(t) {
		return false
	}
	v.sys.append(t, v)
	for _, c := range t.cells { // The visit may be another by now.
		c.schedule(0)
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
		for j, other := range v.cmds {
			*v.answerOf(j) = linkedLineFailed(other.Op)
		}
		*v.answerOf(i) = engine.Answer{Op: cmd.Op, Refusal: r}
		return false
	}
	for i := range v.cmds {
		t.Record.AnswerTo(v.answerOf(i), i)
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
	ans := v.answerOf(0)
	var ok bool
	if ans.Reservation, ok = t.ReservationView(v.cmds[0].Reservation); !ok {
		// It ended between the look for its SKUs and this one.
		ans.Refusal = engine.StepRefused(ans.Op, engine.StateNone)
	}
}

// known looks for the keys of the commands. If any is found it reports true: the answers come from
// the records then, see replay.
func (v *visit) known() bool {
	var found []uint64
	for i, cmd := range v.cmds {
		index, ok := v.sys.memory.Recall(v.trace(cmd))
		if !ok || v.fresh != nil && v.fresh[i] == index {
			continue
		}
		if found == nil {
			found = make([]uint64, len(v.cmds))
		}
		found[i] = index
	}
	if found == nil {
		return false
	}
	v.sys.readDurable(slices.Max(found), v, func() { v.replay(found) })
	return true
}

// trace is that of a command's key; a call has it already.
func (v *visit) trace(cmd *engine.Command) uint64 {
	if v.call != nil {
		return v.call.trace
	}
	return v.sys.memory.Trace(v.home(cmd), cmd.KeyHash())
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

// replay looks at the records that the keys of a visit were found in. When all keys are there, with these
// commands, they are answered as the first time. When none is, they were found by mistake, or their
// records are not kept any more, and the visit starts over. A batch of which only some are there is
// another batch under used keys.
func (v *visit) replay(found []uint64) {
	known := 0
	for i, cmd := range v.cmds {
		if found[i] == 0 {
			continue
		}
		act := -1
		r, err := v.sys.memory.Record(v.home(cmd), found[i])
		if err == nil {
			act = actOf(r, cmd)
		} else if !errors.Is(err, ErrForgotten) {
			v.sys.log("read the record of a key", "sku", v.home(cmd), "index", found[i], "error", err)
			v.failAll(engine.ErrUnavailable)
			v.Durable(nil)
			return
		}
		if act < 0 {
			v.mistaken(i, found[i])
			found[i] = 0
			continue
		}
		*v.answerOf(i) = v.sys.replayed(r, act, cmd)
		known++
	}
	switch known {
	case 0:
		v.advance()
		return
	case len(v.cmds):
		v.refuseBeside()
	default:
		v.refuseReuse(found)
	}
	v.Durable(nil)
}

// refuseBeside refuses what was found with its command, where a key beside it was another command's.
func (v *visit) refuseBeside() {
	whole := true
	for i := range v.cmds {
		whole = whole && !v.answerOf(i).Refusal.Refused()
	}
	for i, cmd := range v.cmds {
		if a := v.answerOf(i); !whole && !a.Refusal.Refused() {
			*a = linkedLineFailed(cmd.Op)
		}
	}
}

// mistaken notes that a command's key is not in a record.
func (v *visit) mistaken(cmd int, index uint64) {
	if v.fresh == nil {
		v.fresh = make([]uint64, len(v.cmds))
	}
	v.fresh[cmd] = index
}

// refuseReuse refuses a batch because of those of its keys that were used before.
func (v *visit) refuseReuse(found []uint64) {
	for i, cmd := range v.cmds {
		ans := v.answerOf(i)
		*ans = linkedLineFailed(cmd.Op)
		if found[i] != 0 {
			ans.Refusal = engine.Refusal{
				Code: engine.IdempotencyKeyParameterMismatch, Field: "Idempotency-Key",
				Detail: "the key was used before, but not in this batch",
			}
		}
	}
}

// widen turns a call on a reservation's home into a visit of all its SKUs.
func (c *cell) widen(k *call, others []string) {
	k.cell, k.widened = nil, true
	v := c.sys().newVisit(k)
	for _, sku := range others {
		v.add(sku)
	}
	v.add(c.sku)
	c.release(1)
	v.start()
}
