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

// flight is a message that was published and whose answer is awaited, or whose predecessors' is.
type flight struct {
	place    place
	at       engine.Time
	sent     time.Time
	sequence uint64 // that it gets in the stream
	bytes    int
	through  uint64 // the log index that is wholly published with it
	answered bool
	err      error
}

// chain is the messages of one session that are on their way to one stream. Publishing adds at one
// end, answers remove at the other, in order. The first failure is kept and stops the adding;
// answers are taken until none is awaited.
type chain struct {
	mu      sync.Mutex
	flights []flight // flights[0] has number first
	first   uint64
	bytes   int
	waiting int // flights that are not answered
	err     error
	closed  bool // the session is over: answers do not count any more

	moved chan struct{} // one slot: something was answered
	// acked is called with mu held for every flight that leaves in order.
	acked func(f *flight)
	// chained says that sequences count: an alert is stored wherever it comes.
	chained bool
}

func newChain(chained bool, acked func(f *flight)) *chain {
	return &chain{moved: make(chan struct{}, 1), acked: acked, chained: chained}
}

// room reports whether another message may be published.
func (c *chain) room() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flights) < WindowMessages && c.bytes < WindowBytes, c.err
}

// add enters a message that is about to be published and returns its number.
func (c *chain) add(f flight) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flights = append(c.flights, f)
	c.bytes += f.bytes
	c.waiting++
	return c.first + uint64(len(c.flights)) - 1
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
	if c.closed || number < c.first || number-c.first >= uint64(len(c.flights)) {
		return
	}
	f := &c.flights[number-c.first]
	if f.answered {
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

// advance lets go what was answered well, in order.
func (c *chain) advance() {
	n := 0
	for n < len(c.flights) && c.flights[n].answered && c.flights[n].err == nil {
		c.acked(&c.flights[n])
		c.bytes -= c.flights[n].bytes
		n++
	}
	c.first += uint64(n)
	c.flights = c.flights[n:]
	if len(c.flights) == 0 && cap(c.flights) < WindowMessages {
		c.flights = make([]flight, 0, 2*WindowMessages)
	}
}

// complete notes that a record is wholly published once everything added so far is acknowledged,
// and reports whether it is already.
func (c *chain) complete(index uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.flights); n > 0 {
		c.flights[n-1].through = index
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
	stored := len(c.flights) - 1
	for stored >= 0 && (!c.flights[stored].answered || c.flights[stored].err != nil) {
		stored--
	}
	for i := 0; i < stored; i++ {
		if c.flights[i].err != nil {
			suspects = append(suspects, c.flights[i])
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
	if len(c.flights) == 0 {
		return f, false
	}
	return c.flights[0], true
}
