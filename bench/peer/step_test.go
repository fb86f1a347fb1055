package peer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// do does one command.
func do(s *system, c *engine.Command) error {
	answer := make(chan error, 1)
	s.pool.Start(c, func(err error) { answer <- err })
	s.pool.Flush()
	return <-answer
}

// made makes a reservation, and returns what its steps are told.
func made(t *testing.T, s *system, key string, ttl time.Duration, lines ...engine.Line) engine.ReservationRef {
	t.Helper()
	c := &engine.Command{Op: engine.OpReserve, Key: key, TTL: ttl.Milliseconds(), Lines: lines}
	if err := do(s, c); err != nil {
		t.Fatal(err)
	}
	return c.Reservation
}

func stepOf(op engine.Op, ref engine.ReservationRef) *engine.Command {
	return &engine.Command{Op: op, Reservation: ref}
}

// checkSteps walks through the states, and tries every step in every one of them.
func checkSteps(t *testing.T, s *system) {
	before := takenOf(t, s)
	const c, r, f = engine.OpConfirm, engine.OpRelease, engine.OpFulfill
	for i, story := range []struct {
		steps   []engine.Op
		refused []engine.Op
		taken   int64
	}{
		{nil, []engine.Op{f}, 3},
		{[]engine.Op{c}, []engine.Op{c, r}, 3},
		{[]engine.Op{c, f}, []engine.Op{c, r, f}, 3},
		{[]engine.Op{r}, []engine.Op{c, r, f}, 0},
	} {
		ref := made(t, s, fmt.Sprint("story", i), time.Hour, line(3, 3))
		for _, op := range story.steps {
			if err := do(s, stepOf(op, ref)); err != nil {
				t.Errorf("story %d: %s: %v", i, op, err)
			}
		}
		for _, op := range story.refused {
			if err := do(s, stepOf(op, ref)); !errors.Is(err, errState) {
				t.Errorf("story %d: %s after %v: %v, want a refusal", i, op, story.steps, err)
			}
		}
		verified(t, s, before, story.taken)
		before += story.taken
	}
	over := made(t, s, "over", 0, line(3, 3))
	time.Sleep(2 * time.Millisecond)
	for _, op := range []engine.Op{c, r, f} {
		if err := do(s, stepOf(op, over)); !errors.Is(err, errState) {
			t.Errorf("%s of what is due: %v, want a refusal", op, err)
		}
	}
	for _, op := range []engine.Op{c, r, f} {
		if err := do(s, stepOf(op, engine.ReservationRef{Home: "none", Nonce: 1 << 40})); !errors.Is(err, errState) {
			t.Errorf("%s of what is not there: %v, want a refusal", op, err)
		}
	}
	verified(t, s, before, 3)
	giveBack(t, s, 3)
}

// giveBack has what is due given back, where the system does that.
func giveBack(t *testing.T, s *system, want int64) {
	t.Helper()
	store, ok := s.store.(expiring)
	if !ok {
		return
	}
	l, before := s.ledger, s.ledger.acknowledged.Load()
	e := newExpirer(store, l)
	for range 100 {
		if l.acknowledged.Load() == before-want {
			break
		}
		time.Sleep(expireEvery / 5)
	}
	e.close()
	if given := before - l.acknowledged.Load(); given != want || e.err != nil {
		t.Errorf("%d units were given back, want %d: %v", given, want, e.err)
	}
	verified(t, s, takenOf(t, s), 0)
}

// checkStepsThatRace has each of several reservations confirmed and released at the same time.
func checkStepsThatRace(t *testing.T, s *system) {
	before, released := takenOf(t, s), int64(0)
	const count = 20
	for i := range count {
		ref := made(t, s, fmt.Sprint("race", i), time.Hour, line(4, 1))
		var answers []<-chan error
		for _, op := range []engine.Op{engine.OpConfirm, engine.OpRelease} {
			answer := make(chan error, 1)
			s.pool.Start(stepOf(op, ref), func(err error) { answer <- err })
			answers = append(answers, answer)
		}
		s.pool.Flush()
		confirmed, gone := <-answers[0], <-answers[1]
		if (confirmed == nil) == (gone == nil) {
			t.Errorf("confirmed: %v, released: %v", confirmed, gone)
		}
		if gone == nil {
			released++
		}
	}
	verified(t, s, before, count-released)
}

// checkStepsTogether has all that there is to do done at the same time, on few items.
func checkStepsTogether(t *testing.T, s *system) {
	before := takenOf(t, s)
	var commands []*engine.Command
	const each = 6
	for i := range each {
		item := line(5+i%3, 1)
		fulfilled := made(t, s, fmt.Sprint("a", i), time.Hour, item)
		if err := do(s, stepOf(engine.OpConfirm, fulfilled)); err != nil {
			t.Fatal(err)
		}
		commands = append(commands,
			stepOf(engine.OpFulfill, fulfilled),
			stepOf(engine.OpConfirm, made(t, s, fmt.Sprint("b", i), time.Hour, item)),
			stepOf(engine.OpRelease, made(t, s, fmt.Sprint("c", i), time.Hour, item)),
			&engine.Command{Op: engine.OpReserve, Key: fmt.Sprint("d", i), TTL: 1e6, Lines: []engine.Line{item}},
			&engine.Command{Op: engine.OpGetItem, SKU: item.SKU})
	}
	answers := make(chan error, len(commands))
	for _, c := range commands {
		s.pool.Start(c, func(err error) { answers <- err })
	}
	s.pool.Flush()
	for range commands {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	verified(t, s, before, 3*each)
	for _, c := range commands { // What was made together can be found apart.
		if c.Op == engine.OpReserve {
			if err := do(s, stepOf(engine.OpRelease, c.Reservation)); err != nil {
				t.Error(err)
			}
		}
	}
	verified(t, s, before, 2*each)
}

func checkRead(t *testing.T, s *system) {
	before := takenOf(t, s)
	if err := do(s, &engine.Command{Op: engine.OpGetItem, SKU: bench.SKU(3)}); err != nil {
		t.Error(err)
	}
	if err := do(s, &engine.Command{Op: engine.OpGetItem, SKU: "none"}); err == nil || refused(err) {
		t.Errorf("an item that is not there: %v", err)
	}
	verified(t, s, before, 0)
}
