//go:build unix

package events

import (
	"syscall"
	"testing"
)

// TestServerDiesInMidWindow freezes the server's process while messages are on their way, of which
// only some ask for an answer, and kills it: some of the window is stored and not acknowledged, some
// acknowledged and not on disk, and some was never read.
func TestServerDiesInMidWindow(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	p := startProcess(t, h.dir)
	h.connectTo(p)
	h.startOutbox()
	for range 6 {
		_, from := h.log.Bounds()
		for range 2 * WindowMessages { // Without alerts, which are waited for.
			h.log.append(record(h.log.movement("a", "main", 1), h.log.movement("a", "main", 2)))
		}
		target := from + dice.Uint64N(WindowMessages)
		eventually(t, "the moment to freeze it", func() bool { return h.outbox.Published() >= target })
		if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a window that nothing leaves any more", func() bool {
			c := h.outbox.current.Load()
			if c == nil {
				return false
			}
			silent, asking := c.onTheirWay()
			return silent > AskEvery && asking > 0
		})
		p.kill()
		p = startProcess(t, h.dir)
		h.connectTo(p)
	}
	h.published()
	h.endIn(p)
	if n := h.metric("skua_outbox_gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
}

// onTheirWay counts the messages of the chain that do not ask, and those that do.
func (c *chain) onTheirWay() (silent, asking int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := c.first; n < c.next; n++ {
		if c.flight(n).asks {
			asking++
		} else {
			silent++
		}
	}
	return silent, asking
}
