package events

import (
	"errors"
	"sync"
	"time"
)

// episode is a time without a session that works. It is logged when it begins, when its cause turns
// out to be another, and when it ends: not with every try.
type episode struct {
	mu    sync.Mutex
	since time.Time // zero when all is well
	tries int
	pause time.Duration
	ours  bool // errNotOurs was logged
}

// failed notes that a session failed and returns how long to pause.
func (o *Outbox) failed(err error) time.Duration {
	o.metrics.retries.Inc()
	e := &o.episode
	e.mu.Lock()
	defer e.mu.Unlock()
	notOurs := errors.Is(err, errNotOurs)
	switch {
	case e.since.IsZero():
		e.since, e.tries, e.pause, e.ours = time.Now(), 0, RetryMin, notOurs
		o.c.Logger.Warn("publishing events is interrupted; trying again", "err", err)
	case notOurs && !e.ours:
		e.ours = true
		o.c.Logger.Error("events cannot be published until an operator has seen to the stream", "err", err)
	default:
		o.c.Logger.Debug("publishing events is still interrupted", "err", err, "tries", e.tries)
	}
	e.tries++
	pause := e.pause
	e.pause = min(2*e.pause, RetryMax)
	return jittered(pause)
}

// recovered notes that the stream takes events, or has all of them.
func (o *Outbox) recovered() {
	e := &o.episode
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.since.IsZero() {
		return
	}
	o.c.Logger.Info("publishing events again", "after", time.Since(e.since), "tries", e.tries)
	e.since = time.Time{}
}
