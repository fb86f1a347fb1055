package events

import (
	"errors"
	"testing"
)

// numbered is a chain with n messages that are stored at 1 and on, of which those ask that asks says.
func numbered(n int, acked func(n int, last *flight), asks func(i int) bool) *chain {
	c := newChain(true, acked)
	for i := range n {
		c.add(flight{place: place{uint64(i + 1), 0, 1}, sequence: uint64(i + 1), bytes: 1, asks: asks(i)})
	}
	return c
}

func TestOneAnswerSpeaksForThoseBeforeIt(t *testing.T) {
	published, last := 0, uint64(0)
	c := numbered(10, func(n int, f *flight) { published += n; last = f.sequence }, func(i int) bool { return i%4 == 3 })
	if n := c.outstanding(); n != 2 {
		t.Fatalf("%d answers are awaited", n)
	}
	c.answered(7, 8, nil) // Answers may come in any order; the first that asked has none yet.
	c.answered(2, 3, nil) // It has not asked.
	if published != 0 {
		t.Errorf("%d are published before the first answer", published)
	}
	c.answered(3, 4, nil)
	if published != 8 || last != 8 || c.bytes != 2 || c.outstanding() != 0 {
		t.Errorf("%d are published, through %d; %d bytes, %d answers awaited", published, last, c.bytes, c.outstanding())
	}
	if f, ok := c.oldest(); !ok || f.sequence != 9 {
		t.Errorf("the oldest is %+v", f)
	}
}

// TestRefusedMessageHoldsAllBehind: nothing that was sent at the refused one or after the last
// answer before it counts as published.
func TestRefusedMessageHoldsAllBehind(t *testing.T) {
	published := 0
	c := numbered(12, func(n int, _ *flight) { published += n }, func(i int) bool { return i%4 == 3 })
	c.answered(3, 4, nil)
	c.answered(7, 0, errOutOfStep)
	c.answered(11, 0, errOutOfStep)
	if published != 4 || !errors.Is(c.failure(), errOutOfStep) {
		t.Errorf("%d are published, failure %v", published, c.failure())
	}
	if suspects := c.close(); len(suspects) != 0 {
		t.Errorf("suspects %+v, though nothing later was stored", suspects)
	}
}

func TestAnswerOutOfStepIsAFailure(t *testing.T) {
	published := 0
	c := numbered(2, func(n int, _ *flight) { published += n }, func(i int) bool { return i == 1 })
	c.answered(1, 3, nil)
	if published != 0 || !errors.Is(c.failure(), errOutOfStep) {
		t.Errorf("%d are published, failure %v", published, c.failure())
	}
}

// TestFullWindowAsks: whoever fills the window has to ask, or nobody would ever make room.
func TestFullWindowAsks(t *testing.T) {
	for name, bytes := range map[string]int{"messages": 1, "bytes": WindowBytes / 10} {
		t.Run(name, func(t *testing.T) {
			c := newChain(true, func(int, *flight) {})
			asked := false
			for i := uint64(0); ; i++ {
				if room, err := c.room(); !room || err != nil {
					break
				}
				if asked {
					t.Error("asked, and there was room still")
				}
				_, asked = c.add(flight{sequence: i + 1, bytes: bytes})
			}
			if !asked || c.outstanding() != 1 {
				t.Fatalf("the window is full and %d answers are awaited", c.outstanding())
			}
			c.answered(c.next-1, c.next, nil)
			if room, err := c.room(); !room || err != nil || c.bytes != 0 {
				t.Errorf("room %v, %d bytes, %v", room, c.bytes, err)
			}
		})
	}
}
