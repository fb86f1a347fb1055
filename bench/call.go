package bench

import (
	"slices"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// call is a command on its way.
type call struct {
	cmd  *engine.Command
	done func(error)
}

// end answers the call. answer is the reply to an accepted one; tell says that reservations have to
// be found again.
func (c call) end(answer []byte, tell bool, err error) {
	if err == nil && tell {
		err = remember(c.cmd, answer)
	}
	c.done(err)
}

// table has the calls that wait for their answer, by a small number that the answer comes back with.
type table[C any] struct {
	mu   sync.Mutex
	all  []C
	busy []bool // which of all wait
	free []int
}

func (t *table[C]) put(c C) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		t.all, t.busy = append(t.all, c), append(t.busy, true)
		return len(t.all) - 1
	}
	i := t.free[len(t.free)-1]
	t.free = t.free[:len(t.free)-1]
	t.all[i], t.busy[i] = c, true
	return i
}

// each calls f with the number of every call that waits.
func (t *table[C]) each(f func(i int)) {
	t.mu.Lock()
	busy := slices.Clone(t.busy)
	t.mu.Unlock()
	for i, waits := range busy {
		if waits {
			f(i)
		}
	}
}

// take removes a call. ok is false when there is none of that number.
func (t *table[C]) take(i int) (c C, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i < 0 || i >= len(t.all) || !t.busy[i] {
		return c, false
	}
	c, t.busy[i] = t.all[i], false
	t.free = append(t.free, i)
	return c, true
}
