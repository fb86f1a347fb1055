package peer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// expirer gives back what is due while a load goes on that leaves reservations to expire, as Skua does.
type expirer struct {
	stop  context.CancelFunc
	ended sync.WaitGroup

	// mu is held while something is given back, so that the books are not counted in between.
	mu  sync.Mutex
	err error
}

// newExpirer has a store look for what is due every so often. Those of one time go many at a time, and
// their units are entered in the ledger.
func newExpirer(store expiring, l *ledger) *expirer {
	ctx, cancel := context.WithCancel(context.Background())
	e := &expirer{stop: cancel}
	e.ended.Go(func() {
		tick := time.NewTicker(expireEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				e.round(ctx, store, l)
			}
		}
	})
	return e
}

// round gives back all that is due.
func (e *expirer) round(ctx context.Context, store expiring, l *ledger) {
	for more := true; more && ctx.Err() == nil; {
		e.mu.Lock()
		// Once begun it is done to its end: whoever counts the books has to know what came of it.
		n, err := store.expire(always)
		l.acknowledged.Add(-n)
		more = n > 0
		if err != nil {
			e.err, more = errors.Join(e.err, fmt.Errorf("give back what is due: %w", err)), false
		}
		e.mu.Unlock()
	}
}

func (e *expirer) close() {
	e.stop()
	e.ended.Wait()
}
