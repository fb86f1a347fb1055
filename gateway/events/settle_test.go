package events

import (
	"testing"
	"time"
)

func TestSettling(t *testing.T) {
	t0 := time.Unix(1_790_000_000, 0)
	at := func(seconds int) time.Time { return t0.Add(time.Duration(seconds) * time.Second) }
	s := settling{wait: 10 * time.Second, settled: 5}
	check := func(now int, want uint64) {
		t.Helper()
		if got := s.at(at(now)); got != want {
			t.Errorf("at %d: %d is settled, should be %d", now, got, want)
		}
	}
	check(0, 5)
	s.restart(7, at(0))
	check(100, 5) // It was in the stream at 0; nobody has looked since.
	s.acknowledge(8, at(3))
	s.prove(at(3))
	check(9, 5)
	s.prove(at(9))
	if s.unproved(at(9)) || !s.unproved(at(10)) {
		t.Error("a look is wanted when it would settle something, and only then")
	}
	s.prove(at(10))
	check(10, 7)
	s.acknowledge(9, at(20))
	s.prove(at(20))
	check(20, 8)
	check(1000, 8)
	// The stream has lost a part that was settled: it is needed again.
	s.restart(6, at(30))
	check(30, 6)
	s.prove(at(50))
	check(50, 6)
	// Nothing is settled before it was there for the whole wait, though it comes in one mark with others.
	for i := range 100 {
		s.acknowledge(uint64(10+i), at(60).Add(time.Duration(i)*100*time.Millisecond))
	}
	if n := len(s.marks); n > 12 {
		t.Errorf("%d marks for ten seconds", n)
	}
	s.prove(at(200))
	for ms := range 20_000 {
		now := at(60).Add(time.Duration(ms) * time.Millisecond)
		held := settling{wait: s.wait, settled: 6, marks: s.marks, proof: at(200)}
		if got := held.at(now); got > 9 {
			if acked := at(60).Add(time.Duration(got-10) * 100 * time.Millisecond); acked.Add(s.wait).After(now) {
				t.Fatalf("%d is settled %s after it was acknowledged", got, now.Sub(acked))
			}
		}
	}
	check(200, 109)
}

// TestOutboxSettles: an idle outbox looks at the stream, and the log may be cut.
func TestOutboxSettles(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.startServer()
	h.tune = func(o *Outbox) { o.settling.wait = 10 * time.Millisecond }
	h.startOutbox()
	h.log.random(dice)
	h.published()
	_, newest := h.log.Bounds()
	eventually(t, "everything to settle", func() bool { return h.outbox.Settled(time.Now()) == newest })
}
