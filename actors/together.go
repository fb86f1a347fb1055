package actors

import (
	"slices"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// Calls on one SKU that came together are done in one turn, as one record with an act for each: a turn
// and a record cost more than what is decided in them. Nobody can tell the result from that of a turn
// each, in their order: each sees what those before it did.
//
// That is for the usual case, in which none of them is refused, known, or broken. In any other nothing
// was done yet, and they have their turns one by one.

// bunch is calls for one turn, side by side, so that none has to be there before the next can be read.
// It is the message to their SKU, and waits for the record.
type bunch struct {
	now  engine.Time // as in progress
	n    int
	many [turnsTogether]*call
}

var bunches = sync.Pool{New: func() any { return new(bunch) }}

// newBunch makes a bunch of calls, of which there are two or more.
func newBunch(calls []*call) *bunch {
	b := bunches.Get().(*bunch)
	b.n, b.now = copy(b.many[:], calls), calls[0].now
	calls[0].now = 0 // Should it have a turn of its own, that is at another time.
	return b
}

func (b *bunch) calls() []*call { return b.many[:b.n] }

// free gives the bunch's memory to the next.
func (b *bunch) free() {
	clear(b.calls())
	b.n = 0
	bunches.Put(b)
}

// joins reports whether a call may be done in one turn with others: it changes this SKU alone, and a
// little.
func (k *call) joins() bool {
	return k.trace != 0 && k.head == nil && k.peek == nil && !k.widened &&
		len(k.cmd.Lines) <= 1 && !k.cmd.Op.Step()
}

// link makes bunches of calls that follow each other, as far as that may be, and returns how many
// messages are left.
func link(messages []any) int {
	n := 0
	for i := 0; i < len(messages); n++ {
		var many [turnsTogether]*call
		calls := many[:0]
		for _, message := range messages[i:min(i+turnsTogether, len(messages))] {
			k, ok := message.(*call)
			if !ok || !k.joins() {
				break
			}
			calls = append(calls, k)
		}
		if len(calls) < 2 {
			messages[n] = messages[i]
			i++
			continue
		}
		messages[n] = newBunch(calls)
		i += len(calls)
	}
	clear(messages[n:])
	return n
}

// turnsOf counts the calls of a message.
func turnsOf(message any) int {
	if b, ok := message.(*bunch); ok {
		return b.n
	}
	return 1
}

// Durable implements Waiter: the answers go out, and the calls of the turn are over.
func (b *bunch) Durable(err error) {
	calls := b.calls()
	c, weight := calls[0].cell, int64(0)
	for _, k := range calls {
		weight += int64(k.weight)
	}
	c.release(uint32(len(calls)))
	c.sys().admission.leave(weight) // Before the answers: who gets one may send the next at once.
	for _, k := range calls {
		k.end(err)
	}
	c.sys().admission.giveBack(calls...)
	b.free()
}

// Warm implements the log's Warmer: it reads what Durable will need.
func (b *bunch) Warm(step int) (sum uint64) {
	if step == 0 {
		return uint64(b.n)
	}
	for _, k := range b.calls() {
		sum += k.warmth()
	}
	return sum + uint64(b.many[0].cell.left.Load())
}

// together is the turn of several calls.
func (c *cell) together(b *bunch) {
	c.held = false
	if c.fault() == nil {
		if end := c.sys().metrics.looked(); end != nil {
			defer end()
		}
		done := false
		c.guard(func() {
			now := c.sys().clock.since(b.now)
			c.expire(now, false)
			done = c.changeAll(b, now)
		})
		if done {
			return
		}
	}
	for _, k := range b.calls() {
		if c.held { // A turn broke off while it changed the stock, which is somebody else's from then on.
			k.refuse(engine.ErrInternal)
		} else {
			c.one(k)
		}
	}
	b.free()
}

// changeAll decides commands on this SKU alone, and logs them as one record. It reports false when it
// did nothing.
func (c *cell) changeAll(b *bunch, now engine.Time) bool {
	if c.anyKnown(b.calls()) || c.sys().wal.Accepting() != nil {
		return false
	}
	t := c.scratch()
	defer turns.Put(t)
	t.Begin(now, t.stocks)
	for _, k := range b.calls() {
		if r := t.Decide(k.cmd); r.Refused() {
			return false
		}
	}
	for act, k := range b.calls() {
		t.Record.AnswerTo(&k.ans, act)
	}
	c.sys().append(t, b)
	c.schedule(0)
	return true
}

// anyKnown reports whether one of the calls has a key that was used before, or that another of them has.
func (c *cell) anyKnown(calls []*call) bool {
	var traces [turnsTogether]uint64
	seen := uint64(0) // It has a bit for the low bits of each trace.
	for n, k := range calls {
		if index, ok := c.sys().memory.Recall(k.trace); ok && index != k.fresh {
			return true
		}
		bit := uint64(1) << (k.trace & 63)
		if seen&bit != 0 && slices.Contains(traces[:n], k.trace) {
			return true
		}
		seen |= bit
		traces[n] = k.trace
	}
	return false
}
