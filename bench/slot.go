package bench

import (
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/engine"
)

// slot is one place of the window: a command, and what is to be known of it.
type slot struct {
	cmd engine.Command
	// then is what comes next for the reservation that the command makes or changes.
	then engine.Op
	// began is when the command was started, or in an open loop when it was due; ended is when its
	// answer came. Both count from the start of the run.
	began, ended time.Duration
	err          error
	done         func(error)
	next         *slot
}

// answers are the slots whose answers came, for one worker to collect. Putting one there is a
// compare-and-swap; the worker is woken once for many.
type answers struct {
	head   atomic.Pointer[slot]
	asleep atomic.Bool
	wake   chan struct{}
}

func (a *answers) put(s *slot) {
	for {
		old := a.head.Load()
		s.next = old
		if a.head.CompareAndSwap(old, s) {
			break
		}
	}
	a.rouse()
}

// rouse wakes the worker if it sleeps.
func (a *answers) rouse() {
	if a.asleep.Load() && a.asleep.CompareAndSwap(true, false) {
		a.wake <- struct{}{} // There is room: only who takes the flag sends, and the sleeper takes it back or receives.
	}
}

// sleep waits until an answer is there or rouse is called; ready is looked at once more when the
// worker counts as asleep, so that nothing is missed. It reports whether it ended in time.
func (a *answers) sleep(ready func() bool, timeout <-chan time.Time) bool {
	a.asleep.Store(true)
	if (a.head.Load() != nil || ready()) && a.asleep.CompareAndSwap(true, false) {
		return true
	}
	select {
	case <-a.wake:
		return true
	case <-timeout:
	}
	if !a.asleep.CompareAndSwap(true, false) {
		<-a.wake
	}
	return false
}

// take takes all answers that are there.
func (a *answers) take() *slot {
	if a.head.Load() == nil {
		return nil
	}
	return a.head.Swap(nil)
}
