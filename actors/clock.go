package actors

import (
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/engine"
)

// clock gives the time of turns: the wall clock, but never less than what has passed since the
// start by the monotonic clock, nor less than what was given before, here or in the log. So a
// wall clock that is set back stops expiry at no point and brings nothing back.
type clock struct {
	now   func() time.Time
	start time.Time
	last  atomic.Int64
}

func newClock(now func() time.Time, last engine.Time) *clock {
	c := &clock{now: now, start: now()}
	c.last.Store(int64(last))
	return c
}

// since is the time of a turn that follows at once on a look at the clock: what that gave, unless
// others have had later turns since. When there was none, it looks now.
func (c *clock) since(seen engine.Time) engine.Time {
	if seen == 0 {
		return c.time()
	}
	return max(seen, engine.Time(c.last.Load()))
}

func (c *clock) time() engine.Time {
	t := c.now()
	ms := max(t.UnixMilli(), c.start.UnixMilli()+t.Sub(c.start).Milliseconds())
	for {
		last := c.last.Load()
		if ms <= last {
			return engine.Time(last)
		}
		if c.last.CompareAndSwap(last, ms) {
			return engine.Time(ms)
		}
	}
}
