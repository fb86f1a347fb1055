package actors

import "github.com/skua-stock/skua/engine"

// Calls on one SKU that came together are done in one turn, as one record with an act for each: a turn
// and a record cost more than what is decided in them. They are linked by call.next, in their order,
// and nobody can tell the result from that of a turn each: each sees what those before it did.
//
// That is for the usual case, in which none of them is refused, known, or broken. In any other nothing
// was done yet, and they have their turns one by one.

// joins reports whether a call may be done in one turn with others: it changes this SKU alone, and a
// little.
func (k *call) joins() bool {
	return k.trace != 0 && k.head == nil && k.peek == nil && !k.widened &&
		len(k.cmd.Lines) <= 1 && !k.cmd.Op.Step()
}

// link joins calls that follow each other to one message for a turn, as far as that may be, and returns
// how many messages are left.
func link(messages []any) int {
	n, size := 0, turnsTogether
	var tail *call
	for _, message := range messages {
		k, ok := message.(*call)
		ok = ok && k.next == nil && k.joins()
		if ok && size < turnsTogether {
			tail.next, tail = k, k
			size++
			continue
		}
		messages[n] = message
		n++
		if tail, size = k, turnsTogether; ok {
			size = 1
		}
	}
	clear(messages[n:])
	return n
}

// turnsOf counts the calls of a message.
func turnsOf(message any) int {
	k, ok := message.(*call)
	if !ok {
		return 1
	}
	n := 0
	for ; k != nil; k = k.next {
		n++
	}
	return n
}

// together is the turn of several calls.
func (c *cell) together(k *call) {
	c.held = false
	if c.fault() == nil {
		if end := c.sys().metrics.looked(); end != nil {
			defer end()
		}
		done := false
		c.guard(func() {
			now := c.sys().clock.since(k.now)
			c.expire(now, false)
			done = c.changeAll(k, now)
		})
		if done {
			return
		}
	}
	for k != nil {
		next := k.next
		k.next = nil
		if c.held { // A turn broke off while it changed the stock, which is somebody else's from then on.
			k.refuse(engine.ErrInternal)
		} else {
			c.one(k)
		}
		k = next
	}
}

// changeAll decides commands on this SKU alone, and logs them as one record. It reports false when it
// did nothing.
func (c *cell) changeAll(k *call, now engine.Time) bool {
	if c.anyKnown(k) || c.sys().wal.Accepting() != nil {
		return false
	}
	t := c.scratch()
	defer turns.Put(t)
	t.Begin(now, t.stocks)
	for each := k; each != nil; each = each.next {
		if r := t.Decide(each.cmd); r.Refused() {
			return false
		}
	}
	act := 0
	for each := k; each != nil; each = each.next {
		t.Record.AnswerTo(&each.ans, act)
		act++
	}
	c.sys().append(t, k)
	c.schedule()
	return true
}

// anyKnown reports whether one of the calls has a key that was used before, or that another of them has.
func (c *cell) anyKnown(k *call) bool {
	var traces [turnsTogether]uint64
	n, seen := 0, uint64(0) // seen has a bit for the low bits of each trace.
	for ; k != nil; k = k.next {
		if index, ok := c.sys().memory.Recall(k.trace); ok && index != k.fresh {
			return true
		}
		bit := uint64(1) << (k.trace & 63)
		if seen&bit != 0 {
			for _, trace := range traces[:n] {
				if trace == k.trace {
					return true
				}
			}
		}
		seen |= bit
		traces[n] = k.trace
		n++
	}
	return false
}
