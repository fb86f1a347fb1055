package events

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
)

// errOutOfStep means that a message was not stored where it belongs.
var errOutOfStep = errors.New("the stream is not at the expected sequence")

// flight is a message that was published and whose answer is awaited, or that of another before or
// behind it.
type flight struct {
	place    place
	at       engine.Time
	sent     time.Time
	sequence uint64 // that it gets in the stream
	bytes    int
	through  uint64 // the log index that is wholly published with it
	asks     bool   // for an answer; otherwise it is stored when one behind it is
	answered bool
	err      error
}

// chain is the messages of one session that are on their way to one stream, numbered from zero.
// Publishing adds at one end, answers remove at the other, in order. The first failure is kept and
// stops the adding; answers are taken until none is awaited.
type chain struct {
	mu      sync.Mutex
	flights []flight // a ring: number n is at n modulo its length
	first   uint64   // the number of the oldest
	next    uint64   // the number that is given next
	bytes   int
	waiting int // flights that asked and are not answered
	err     error
	closed  bool // the session is over: answers do not count any more

	moved chan struct{} // one slot: something was answered
	// acked is called with mu held for the flights that leave in order: how many, and the last.
	acked func(n int, last *flight)
	// chained says that sequences count: an alert is stored wherever it comes.
	chained bool
}

func newChain(chained bool, acked func(n int, last *flight)) *chain {
	return &chain{
		flights: make([]flight, WindowMessages), moved: make(chan struct{}, 1), acked: acked, chained: chained,
	}
}

func (c *chain) flight(number uint64) *flight { return &c.flights[number%WindowMessages] }

func (c *chain) full() bool { return c.next-c.first >= WindowMessages || c.bytes >= WindowBytes }

// room reports whether another message may be published.
func (c *chain) room() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.full(), c.err
}

// add enters a message that is about to be published, for which there is room, and returns its
// number and whether it has to ask for an answer. One that fills the window does: nothing can
// follow that would.
func (c *chain) add(f flight) (number uint64, asks bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	number = c.next
	c.next++
	c.bytes += f.bytes
	f.asks = f.asks || c.full()
	if f.asks {
		c.waiting++
	}
	*c.flight(number) = f
	return number, f.asks
}

// fail keeps the first failure.
func (c *chain) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failLocked(err)
}

func (c *chain) failLocked(err error) {
	if c.err == nil {
		c.err = err
	}
}

// answered takes the answer to the message with a number: the sequence that it was stored at, or
// why it was not.
func (c *chain) answered(number, sequence uint64, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || number < c.first || number >= c.next {
		return
	}
	f := c.flight(number)
	if f.answered || !f.asks {
		return
	}
	if err == nil && c.chained && sequence != f.sequence {
		err = fmt.Errorf("%w: stored at %d, belongs to %d", errOutOfStep, sequence, f.sequence)
	}
	f.answered = true
	c.waiting--
	if err != nil {
		f.err = err
		c.failLocked(fmt.Errorf("publish %s: %w", f.place, err))
	}
	c.advance()
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// advance lets go what was answered well, in order, with what did not ask before it: that is stored
// too, since each message is stored only behind the one before.
func (c *chain) advance() {
	end := c.first
	for n := c.first; n < c.next; n++ {
		f := c.flight(n)
		if f.asks && (!f.answered || f.err != nil) {
			break
		}
		if f.asks {
			end = n + 1
		}
	}
	if end == c.first {
		return
	}
	for n := c.first; n < end; n++ {
		c.bytes -= c.flight(n).bytes
	}
	c.acked(int(end-c.first), c.flight(end-1))
	c.first = end
}

// complete notes that a record is wholly published once everything added so far is acknowledged,
// and reports whether it is already.
func (c *chain) complete(index uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next > c.first {
		c.flight(c.next - 1).through = index
		return false
	}
	return true
}

// close lets no answer count any more, and returns the messages that are suspect: those that were
// refused although a later one was stored. If the chain held, they are in the stream from an
// earlier session. If they are not, somebody else has published to the stream.
func (c *chain) close() (suspects []flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	stored := c.next // The number behind the last that was stored.
	for stored > c.first {
		if f := c.flight(stored - 1); f.answered && f.err == nil {
			break
		}
		stored--
	}
	for n := c.first; n < stored; n++ {
		if f := c.flight(n); f.err != nil {
			suspects = append(suspects, *f)
		}
	}
	return suspects
}

// failure is the first failure, if there was one.
func (c *chain) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// outstanding is how many answers are awaited.
func (c *chain) outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting
}

// oldest is the first message in the chain that is not acknowledged.
func (c *chain) oldest() (f flight, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == c.first {
		return f, false
	}
	return *c.flight(c.first), true
}
