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
	// taken is the units that it newly reserved: none when its key had been used, and less than none
	// when it gave some back. err says why it was not accepted.
	taken int64
	err   error
}

// The refusals that there are.
var (
	errSoldOut = errors.New("not enough stock")
	errState   = errors.New("the reservation is not in the state for it")
)

func refused(err error) bool { return errors.Is(err, errSoldOut) || errors.Is(err, errState) }

// worker does calls together and says in each what came of it. One goroutine uses it.
type worker func(calls []call)

// pool gives the commands to its workers, in the order in which they come: each takes what is
// there, up to so many. The worker that was busy last is the first to be woken: what it works with,
// as a process of PostgreSQL, is warm. It is a driver, and keeps as much as the window of its user.
type pool struct {
	most   int
	ledger *ledger
	wg     sync.WaitGroup

	mu    sync.Mutex
	queue queue
	idle  []chan struct{} // of those that wait
	woken int             // of them, not at work yet
	over  bool
}

func newPool(workers []worker, most int, l *ledger) *pool {
	p := &pool{most: most, ledger: l}
	for _, w := range workers {
		p.wg.Go(func() { p.work(w) })
	}
	return p
}

// Start implements bench.Driver.
func (p *pool) Start(c *engine.Command, done func(error)) {
	switch c.Op {
	case engine.OpReserve, engine.OpConfirm, engine.OpRelease, engine.OpFulfill, engine.OpGetItem:
	default:
		done(fmt.Errorf("a peer does not %s", c.Op))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue.put(call{cmd: c, done: done})
	if p.queue.size() >= p.most*(p.woken+1) {
		p.wake()
	}
}

// Flush implements bench.Flusher: what is there goes, even if it does not fill a batch.
func (p *pool) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queue.size() > p.most*p.woken && p.wake() {
	}
}

// wake wakes a worker, if one waits.
func (p *pool) wake() bool {
	n := len(p.idle)
	if n == 0 {
		return false
	}
	p.idle[n-1] <- struct{}{} // There is room: it waits for one.
	p.idle = p.idle[:n-1]
	p.woken++
	return true
}

// close ends the workers when they have done what is there.
func (p *pool) close() {
	p.mu.Lock()
	p.over = true
	for p.wake() {
	}
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *pool) work(do worker) {
	calls := make([]call, 0, p.most)
	wake := make(chan struct{}, 1)
	for {
		if calls = p.take(calls[:0], wake); len(calls) == 0 {
			return
		}
		do(calls)
		for i := range calls {
			p.ledger.enter(&calls[i])
			calls[i].done(calls[i].err) // The command is not ours any more.
		}
		clear(calls)
	}
}

// take takes what is there and waits while there is nothing. It takes nothing when it is over.
func (p *pool) take(calls []call, wake chan struct{}) []call {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.queue.size() == 0 && !p.over {
		p.idle = append(p.idle, wake)
		p.mu.Unlock()
		<-wake
		p.mu.Lock()
		p.woken--
	}
	return p.queue.take(calls, p.most)
}

// queue is the calls that wait, from head on.
type queue struct {
	calls []call
	head  int
}

func (q *queue) size() int { return len(q.calls) - q.head }

func (q *queue) put(c call) {
	if 2*q.head > len(q.calls) { // Those that went leave room enough.
		n := copy(q.calls, q.calls[q.head:])
		clear(q.calls[n:])
		q.calls, q.head = q.calls[:n], 0
	}
	q.calls = append(q.calls, c)
}

// take moves up to so many to the end of a slice.
func (q *queue) take(to []call, most int) []call {
	n := min(most, q.size())
	some := q.calls[q.head : q.head+n]
	to = append(to, some...)
	clear(some)
	if q.head += n; q.head == len(q.calls) {
		q.calls, q.head = q.calls[:0], 0
	}
	return to
}
