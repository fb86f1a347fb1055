package peer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// call is a command under way.
type call struct {
	cmd  *engine.Command
	done func(error)
	// taken is the units that it newly reserved: none when its key had been used. err says why it
	// was not accepted.
	taken int64
	err   error
}

// errSoldOut is the one refusal that there is.
var errSoldOut = errors.New("not enough stock")

// worker does calls together and says in each what came of it. One goroutine uses it.
type worker func(calls []call)

// pool gives the commands to its workers, in the order in which they come: each takes what is
// there, up to so many. It is a driver.
type pool struct {
	queue  chan call
	ledger *ledger
	wg     sync.WaitGroup
}

func newPool(workers []worker, most int, l *ledger) *pool {
	p := &pool{queue: make(chan call, queueMost), ledger: l}
	for _, w := range workers {
		p.wg.Go(func() { p.work(w, most) })
	}
	return p
}

// Start implements bench.Driver.
func (p *pool) Start(c *engine.Command, done func(error)) {
	if c.Op != engine.OpReserve {
		done(fmt.Errorf("a peer does not %s", c.Op))
		return
	}
	p.queue <- call{cmd: c, done: done}
}

// close ends the workers when they have done what is there.
func (p *pool) close() {
	close(p.queue)
	p.wg.Wait()
}

func (p *pool) work(do worker, most int) {
	calls := make([]call, 0, most)
	for c := range p.queue {
		calls = p.gather(append(calls[:0], c), most)
		do(calls)
		for i := range calls {
			p.ledger.enter(&calls[i])
			calls[i].done(calls[i].err) // The command is not ours any more.
		}
		clear(calls)
	}
}

// gather adds what is there already.
func (p *pool) gather(calls []call, most int) []call {
	for len(calls) < most {
		select {
		case c, ok := <-p.queue:
			if !ok {
				return calls
			}
			calls = append(calls, c)
		default:
			return calls
		}
	}
	return calls
}

// enter writes down what came of a call.
func (l *ledger) enter(c *call) {
	switch {
	case c.err == nil:
		l.acknowledged.Add(c.taken)
	case !errors.Is(c.err, errSoldOut):
		l.doubtful.Add(units(c.cmd.Lines))
	}
}
