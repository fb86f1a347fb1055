package actors

import (
	"sync"

	"github.com/skua-stock/skua/engine"
)

// call is a command on its way, with the slot for its answer. It is used again and again, see
// admission. What most calls touch is together: the beginning, and the end of the answer with the line.
type call struct {
	errand
	progress
	sys  *System
	ans  engine.Answer
	line [1]engine.LineView // of an answer that has one line
}

// progress is where a call is.
type progress struct {
	cell *cell // none while the command visits several SKUs
	// now is the time of the turn, if it is taken at once; else the turn asks for it.
	now engine.Time
	// fresh is a record that the key was found in by mistake; see System.replay.
	fresh uint64
	// widened says that the call came to its home and visits the reservation's other SKUs now.
	widened bool
}

// renew makes a call that is over one that nothing was done with yet.
func (k *call) renew() {
	k.errand, k.progress = errand{}, progress{}
	k.ans.Renew()
	if n := cap(k.ans.Reservation.Lines); n == 0 || n > linesKept {
		k.ans.Reservation.Lines = k.line[:0]
	}
}

// errand is what is asked of a SKU.
type errand struct {
	sku    string
	hash   uint32
	weight uint32 // what it counts as in flight
	cmd    *engine.Command
	trace  uint64 // of the command's key, if it has one
	// answer gets the answer; or each does, with i, the command's number of those that came together.
	answer func(*engine.Answer)
	each   func(i int, a *engine.Answer)
	i      int
	// peek, when set, asks for the reservation's other SKUs instead.
	peek func(others []string)
	// head, when set, asks for the item's last record instead.
	head func(last uint64, err error)
}

// to makes an errand to a SKU.
func (s *System) to(sku string, cmd *engine.Command) errand {
	return errand{sku: sku, hash: hash(sku), weight: uint32(max(1, len(cmd.Lines))), cmd: cmd}
}

func (e *errand) give(a *engine.Answer) {
	if e.answer != nil {
		e.answer(a)
	} else {
		e.each(e.i, a)
	}
}

// Durable implements Waiter: the answer goes out, and the call is over.
func (k *call) Durable(err error) {
	if k.cell != nil {
		k.cell.release(1)
	}
	k.sys.admission.leave(int64(k.weight)) // Before the answer: who gets it may send the next at once.
	k.end(err)
	k.sys.admission.giveBack(k)
}

// end gives the answer.
func (k *call) end(err error) {
	if err != nil {
		k.ans = engine.Answer{Op: k.ans.Op, Err: engine.ErrUnavailable}
	}
	k.give(&k.ans)
}

// Warm implements the log's Warmer: it reads what Durable will need.
func (k *call) Warm(step int) uint64 {
	switch {
	case step == 0:
		return k.warmth()
	case k.cell != nil:
		return uint64(k.cell.left.Load())
	}
	return 0
}

// warmth reads a little of each cache line that a reservation's call needs.
func (k *call) warmth() uint64 {
	return uint64(k.weight) + k.fresh + uint64(k.ans.Op) + uint64(k.ans.Reservation.ExpiresAt) + k.line[0].Sequence
}

// begin gives a call that is in no use its errand.
func (k *call) begin(e *errand) {
	k.errand = *e
	k.ans.Op = k.cmd.Op
}

// refuse answers at once: only for what says nothing about the stock.
func (k *call) refuse(err error) {
	k.ans.Err = err
	k.Durable(nil)
}

// park lets the answer go once everything that it was read from is on disk. Nothing leaves the
// process above the watermark, a refusal no more than a promise.
func (k *call) park() {
	k.cell.sys().wal.Await(k.cell.last, k)
}

// one is the turn of one command.
func (c *cell) one(k *call) {
	if k.head != nil {
		head, last := k.head, c.last
		k.answer = func(a *engine.Answer) { head(last, a.Err) }
	}
	if err := c.fault(); err != nil {
		k.refuse(err)
		return
	}
	if k.head != nil {
		k.park()
		return
	}
	if k.peek != nil {
		others, _ := c.stock.Participants(k.cmd.Reservation.Nonce)
		peek := k.peek
		k.answer = func(*engine.Answer) { peek(others) }
		k.park()
		return
	}
	if end := c.sys().metrics.looked(); end != nil {
		defer end()
	}
	done := false
	ok := c.guard(func() {
		now := c.sys().clock.since(k.now)
		c.expire(now, false)
		done = c.decide(k, now)
	})
	switch {
	case !ok:
		k.refuse(engine.ErrInternal)
	case !done:
		k.park()
	}
}

// decide answers the command of a call. It reports false when the answer is in k.ans, to be
// parked, and true when the call is somebody else's now.
func (c *cell) decide(k *call, now engine.Time) (done bool) {
	switch op := k.cmd.Op; {
	case op == engine.OpGetItem:
		if !c.stock.Exists() {
			k.ans.Refusal = notFound(c.sku)
			return false
		}
		view := c.stock.View()
		k.ans.Item = &view
		return false
	case op == engine.OpGetReservation || op.Step():
		if op != engine.OpGetReservation && c.known(k) {
			return true
		}
		others, ok := c.stock.Participants(k.cmd.Reservation.Nonce)
		switch {
		case !ok:
			return c.ended(k)
		case others != nil:
			c.widen(k, others)
			return true
		}
	default:
		if c.known(k) {
			return true
		}
	}
	return c.change(k, now)
}

// change decides a command on this SKU alone. It reports true when the answer waits with the
// record.
func (c *cell) change(k *call, now engine.Time) bool {
	t := c.scratch()
	defer turns.Put(t)
	t.Begin(now, t.stocks)
	if k.cmd.Op == engine.OpGetReservation {
		k.ans.Reservation, _ = t.ReservationView(k.cmd.Reservation)
		return false
	}
	if err := c.sys().wal.Accepting(); err != nil {
		k.refuse(err)
		return true
	}
	if r := t.Decide(k.cmd); r.Refused() {
		k.ans.Refusal = r
		return false
	}
	t.Record.AnswerTo(&k.ans, 0)
	c.sys().append(t, k)
	c.schedule(0)
	return true
}

// turnScratch is what a turn works with; it is reused.
type turnScratch struct {
	engine.Turn
	cells  []*cell
	stocks []*engine.Stock
	prev   []uint64
}

var turns = sync.Pool{New: func() any { return new(turnScratch) }}

// scratch is what a turn on this SKU alone works with.
func (c *cell) scratch() *turnScratch {
	t := turns.Get().(*turnScratch)
	t.cells, t.stocks = append(t.cells[:0], c), append(t.stocks[:0], c.stock)
	return t
}

// known looks for the command's key, and has it answered as the first time if it is there.
func (c *cell) known(k *call) bool {
	index, ok := c.sys().memory.Recall(k.trace)
	if !ok || index == k.fresh {
		return false
	}
	c.sys().replay(k, index)
	return true
}

// ended answers for a reservation that the stock does not have: it is over, or never was.
func (c *cell) ended(k *call) bool {
	index, ok := c.sys().memory.Ended(k.cmd.Reservation)
	if !ok {
		k.ans.Refusal = engine.StepRefused(k.cmd.Op, engine.StateNone)
		return false
	}
	c.sys().obituary(k, index)
	return true
}
