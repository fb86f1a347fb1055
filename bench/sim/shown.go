package sim

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// asked is a command on its way into the node, with what was known when it went in.
type asked struct {
	cmd  *engine.Command
	at   engine.Time
	last uint64 // record that was durable
	// floor is the sequence of the item that somebody had been shown.
	floor uint64
}

// claim is something that left the process. The log must bear it out, now or after a crash.
type claim func() string

// ask notes that a command goes in. The world's lock is held.
func (w *world) ask(c *engine.Command) asked {
	q := asked{cmd: c, at: w.node.Now(), last: w.books.last()}
	if c.Op == engine.OpGetItem {
		q.floor = w.floors[c.SKU]
	}
	if c.Op.Mutates() {
		w.books.sent[c.KeyHash()] = c
	}
	return q
}

// shown checks an answer that leaves the process, and keeps what can only be checked when the books
// have come so far. The world's lock is held.
func (w *world) shown(q asked, a *engine.Answer) {
	c := q.cmd
	w.trace.note(streamAnswers, "%s %q: %v %s", c.Op, c.Key, a.Err, describe(a))
	w.count.answers++
	switch {
	case a.Err != nil:
		w.count.errors++
	case a.Refusal.Refused():
		w.count.refusals++
		w.refused(q, a)
	case c.Op == engine.OpGetItem:
		w.shownItem(q, a.Item)
	case c.Op == engine.OpGetReservation:
		v := a.Reservation
		w.claim(func() string {
			if v.State.Final() {
				if _, ok := w.books.ended[v.Ref]; !ok {
					return fmt.Sprintf("reservation %v was shown as %v, which is not in the log", v.Ref, v.State)
				}
			}
			if _, ok := w.books.homes[v.Ref.Nonce]; !ok {
				return fmt.Sprintf("reservation %v was shown, which is not in the log", v.Ref)
			}
			return ""
		})
	default:
		w.shownChange(q, a)
	}
}

// shownChange: a change that was acknowledged is in the log, with just this outcome.
func (w *world) shownChange(q asked, a *engine.Answer) {
	told, key, op := describe(a), q.cmd.KeyHash(), q.cmd.Op
	if !a.Replayed && op == engine.OpReserve {
		ttl := engine.Time(q.cmd.TTL)
		if ttl == 0 {
			ttl = engine.Time(engine.HoldTTLDefault.Milliseconds())
		}
		if at, now := a.Reservation.ExpiresAt-ttl, w.node.Now(); at < q.at || at > now {
			w.failLocked("%q was reserved between %d and %d, and expires as if at %d", q.cmd.Key, q.at, now, at)
		}
	}
	w.claim(func() string {
		f, ok := w.books.keys[key]
		if !ok {
			return fmt.Sprintf("%v %q was acknowledged and is not in the log: %s", op, q.cmd.Key, told)
		}
		if f.answer != told {
			return fmt.Sprintf("%v %q was answered\n%s\nand the log says\n%s", op, q.cmd.Key, told, f.answer)
		}
		return ""
	})
}

// shownItem: a look at an item never goes back, and shows just what its movements lead to.
func (w *world) shownItem(q asked, v *engine.ItemView) {
	if v.Sequence < q.floor {
		w.failLocked("%q was shown at %d, after it had been shown at %d", v.SKU, v.Sequence, q.floor)
	}
	w.floors[v.SKU] = max(w.floors[v.SKU], v.Sequence)
	w.claim(func() string {
		if v.Sequence > uint64(len(w.books.moves[v.SKU])) {
			return fmt.Sprintf("%q was shown at %d, the log ends at %d", v.SKU, v.Sequence, len(w.books.moves[v.SKU]))
		}
		for i := range v.Levels {
			l := &v.Levels[i]
			if want, ok := w.books.level(v.SKU, l.Key, v.Sequence); !ok || want != l.Counts {
				return fmt.Sprintf("%q at %d was shown with %+v, its movements lead to %+v", v.SKU, v.Sequence, *l, want)
			}
		}
		return ""
	})
}

// shownHistory: a page of history is just what the log said.
func (w *world) shownHistory(sku string, h gateway.History) {
	page := slices.Clone(h.Movements)
	for i := range page {
		if page[i].Settings != nil {
			s := *page[i].Settings
			page[i].Settings = &s
		}
	}
	w.count.pages++
	w.claim(func() string {
		moves := w.books.moves[sku]
		for i := range page {
			m := &page[i]
			if i > 0 && m.Sequence != page[i-1].Sequence-1 {
				return fmt.Sprintf("the history of %q has movement %d after %d", sku, m.Sequence, page[i-1].Sequence)
			}
			if m.Sequence == 0 || m.Sequence > uint64(len(moves)) {
				return fmt.Sprintf("the history of %q has movement %d, the log has %d", sku, m.Sequence, len(moves))
			}
			if was := moves[m.Sequence-1]; tell(&was) != tell(m) {
				return fmt.Sprintf("the history of %q says\n%s\nthe log said\n%s", sku, tell(m), tell(&was))
			}
		}
		return ""
	})
}

func tell(m *engine.Movement) string {
	c := *m
	settings := ""
	if c.Settings != nil {
		settings = fmt.Sprintf("%+v", *c.Settings)
		c.Settings = nil
	}
	return fmt.Sprintf("%+v %s", c, settings)
}

// refused: when nothing happened since the command went in, the twin must refuse it, too.
func (w *world) refused(q asked, a *engine.Answer) {
	b := w.books
	if a.Refusal.Code == engine.IdempotencyKeyParameterMismatch {
		w.failLocked("%v %q is another command than before: %+v", q.cmd.Op, q.cmd.Key, a.Refusal)
	}
	if !q.cmd.Op.Mutates() || b.last() != q.last || w.node.Store.Durable() != q.last {
		return
	}
	if a.Refusal.Code == engine.LinkedLineFailed {
		return
	}
	now := w.node.Now()
	c := *q.cmd
	if !c.Op.Step() {
		c.Reservation.Nonce = 1
	}
	if a.Refusal.Code == engine.ReservationNotFound {
		if ref, ok := b.homes[c.Reservation.Nonce]; ok && ref == c.Reservation && (b.ended[ref] == 0 || now-b.ended[ref] < keyWindow) {
			w.failLocked("%v %q finds no reservation %v, which was there", c.Op, c.Key, c.Reservation)
		}
		return
	}
	var code engine.Code
	for _, at := range [...]engine.Time{q.at, now} {
		o := b.twin.Clone().Do(&c, max(at, b.now))
		if code = o.Code; code == a.Refusal.Code {
			w.count.refusalsChecked++
			return
		}
	}
	w.failLocked("%v %q was refused with %v, the twin says %v: %+v", c.Op, c.Key, a.Refusal.Code, code, *q.cmd)
}

func (w *world) claim(c claim) { w.claims = append(w.claims, c) }

// settle checks every claim. The books are as far as the log is durable.
func (w *world) settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.claims {
		if bad := c(); bad != "" {
			w.failLocked("%s", bad)
			return
		}
	}
	w.claims = w.claims[:0]
}

// describe is everything that a command is told, but not whether it was told before.
func describe(a *engine.Answer) string {
	if a.Err != nil {
		return ""
	}
	if a.Item != nil {
		return fmt.Sprintf("%+v", *a.Item)
	}
	settings := ""
	if a.Settings != nil {
		settings = fmt.Sprintf("%+v", *a.Settings)
	}
	return fmt.Sprintf("%v %+v %q %d %+v %v %s %+v", a.Op, a.Refusal, a.SKU, a.Sequence, a.Level, a.Created, settings, a.Reservation)
}

func compareStrings(a, b, c, d string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(c, d)) }
