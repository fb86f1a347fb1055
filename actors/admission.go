package actors

import (
	"sync"
	"sync/atomic"

	"github.com/skua-stock/skua/engine"
)

// admission bounds what is in flight on the node, and has the calls to carry it. A command counts by
// its lines, since they are what it costs.
type admission struct {
	sys   *System
	limit int64

	mu       sync.Mutex // Over what follows, to free.
	admitted int64
	seen     int64 // of answered, at most what it is
	free     []*call

	_        [cacheLine]byte // What those write who give answers is on cache lines of its own.
	answered atomic.Int64
	// back has the calls that came back, which those who give answers and those who send commands
	// exchange as a whole: a list by pointers would be followed from one cache miss to the next.
	backMu sync.Mutex
	back   []*call
}

// admit has a call for each errand, until there are too many in flight; the rest get none, and the error.
func (a *admission) admit(calls []*call, errands []errand) ([]*call, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range errands {
		if !a.enter(int64(errands[i].weight)) {
			a.sys.metrics.overloaded.WithLabelValues("node").Inc()
			return calls, engine.ErrOverloaded
		}
		calls = append(calls, a.take())
	}
	return calls, nil
}

// admitWeight counts in something that needs no call.
func (a *admission) admitWeight(weight int64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.enter(weight) {
		a.sys.metrics.overloaded.WithLabelValues("node").Inc()
		return engine.ErrOverloaded
	}
	return nil
}

// enter counts in, unless that is too much; mu is held. leave counts out.
func (a *admission) enter(weight int64) bool {
	if a.admitted+weight-a.seen > a.limit {
		if a.seen = a.answered.Load(); a.admitted+weight-a.seen > a.limit {
			return false
		}
	}
	a.admitted += weight
	return true
}

func (a *admission) leave(weight int64) { a.answered.Add(weight) }

// take gets a call that is not in use; mu is held.
func (a *admission) take() *call {
	if len(a.free) == 0 {
		a.backMu.Lock()
		a.free, a.back = a.back, a.free
		a.backMu.Unlock()
	}
	if len(a.free) == 0 {
		fresh := make([]call, callsMade)
		for i := range fresh {
			fresh[i].sys = a.sys
			fresh[i].renew()
			a.free = append(a.free, &fresh[i])
		}
	}
	n := len(a.free) - 1
	k := a.free[n]
	a.free = a.free[:n]
	return k
}

// giveBack takes calls that are over.
func (a *admission) giveBack(calls ...*call) {
	for _, k := range calls {
		k.renew()
	}
	a.backMu.Lock()
	a.back = append(a.back, calls...)
	a.backMu.Unlock()
}

// inFlight is how much was admitted and not answered.
func (a *admission) inFlight() int64 {
	answered := a.answered.Load() // First, so that it cannot be more.
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admitted - answered
}
