package bench

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// batch is many commands as the doors take them together.
type batch struct {
	body  []byte
	calls []call
}

func (b *batch) add(c *engine.Command, done func(error)) {
	if len(b.calls) == 0 {
		b.body = append(b.body[:0], `{"operations":[`...)
	} else {
		b.body = append(b.body, ',')
	}
	b.body = appendMessage(b.body, c, true)
	b.calls = append(b.calls, call{c, done})
}

// payload is the request. Nothing can be added after it.
func (b *batch) payload() []byte {
	b.body = append(b.body, "]}"...)
	return b.body
}

// accepted begins the result of an operation that was.
var accepted = []byte(`{"status":20`)

// end answers the calls of the batch, and empties it.
func (b *batch) end(answer []byte, tell bool, err error) {
	switch {
	case err != nil:
		for _, c := range b.calls {
			c.done(err)
		}
	case bytes.Count(answer, accepted) == len(b.calls):
		for _, c := range b.calls {
			if tell { // The result goes from here to where the next begins.
				answer = answer[bytes.Index(answer, accepted)+len(accepted):]
			}
			c.end(answer, tell, nil)
		}
	default:
		b.endEach(answer, tell)
	}
	clear(b.calls)
	b.calls = b.calls[:0]
}

// endEach is end for an answer in which not all is well.
func (b *batch) endEach(answer []byte, tell bool) {
	var a struct{ Results []json.RawMessage }
	err := json.Unmarshal(answer, &a)
	if err == nil && len(a.Results) != len(b.calls) {
		err = errLost
	}
	for i, c := range b.calls {
		switch {
		case err != nil:
			c.done(err)
		case bytes.HasPrefix(a.Results[i], accepted):
			c.end(a.Results[i], tell, nil)
		default:
			c.done(refusal(a.Results[i]))
		}
	}
}

// NATSBatch carries commands by request-reply, many in a message. A batch goes out when it is full,
// or when none of its worker is under way: what comes meanwhile goes together.
type NATSBatch struct {
	lanes []*natsBatchLane
}

type natsBatchLane struct {
	wire *wire
	tell bool
	size int
	wait table[*batch]

	mu       sync.Mutex // over what follows: answers come on the reader's goroutine
	next     *batch
	spare    []*batch
	inFlight int
	held     bool // next is to go when nothing is in flight
}

// NewNATSBatch opens so many connections to a server, for batches of up to size commands.
func NewNATSBatch(url string, conns, size int, tell bool) (*NATSBatch, error) {
	d := &NATSBatch{}
	for range conns {
		l := &natsBatchLane{tell: tell, size: size, next: &batch{}}
		var err error
		if l.wire, err = dialNATS(url, l.answer, l.lost); err != nil {
			d.Close()
			return nil, err
		}
		d.lanes = append(d.lanes, l)
	}
	return d, nil
}

// Close ends the connections; nothing may be in flight.
func (d *NATSBatch) Close() {
	for _, l := range d.lanes {
		l.wire.close()
	}
}

// Lane implements Laned.
func (d *NATSBatch) Lane(i, _ int) Driver { return d.lanes[i%len(d.lanes)] }

// Start implements Driver for a single goroutine.
func (d *NATSBatch) Start(c *engine.Command, done func(error)) {
	d.lanes[0].Start(c, done)
	d.lanes[0].Flush()
}

func (l *natsBatchLane) Start(c *engine.Command, done func(error)) {
	l.mu.Lock()
	l.next.add(c, done)
	var full *batch
	if len(l.next.calls) == l.size {
		full = l.takeNext()
	}
	l.mu.Unlock()
	l.send(full)
}

// lost ends what waits for an answer.
func (l *natsBatchLane) lost(err error) { l.wait.each(func(n int) { l.answer(n, nil, err) }) }

func (l *natsBatchLane) Flush() {
	l.mu.Lock()
	var some *batch
	if l.held = l.inFlight > 0; !l.held && len(l.next.calls) > 0 {
		some = l.takeNext()
	}
	l.mu.Unlock()
	l.send(some)
	l.wire.flush()
}

// takeNext takes the batch that was being filled.
func (l *natsBatchLane) takeNext() *batch {
	b := l.next
	l.next = &batch{}
	if n := len(l.spare); n > 0 {
		l.next, l.spare = l.spare[n-1], l.spare[:n-1]
	}
	l.inFlight++
	return b
}

func (l *natsBatchLane) send(b *batch) {
	if b == nil {
		return
	}
	n := l.wait.put(b)
	if err := l.wire.request("stock.v1.batch", n, b.payload()); err != nil {
		l.answer(n, nil, err)
	}
}

func (l *natsBatchLane) answer(n int, payload []byte, err error) {
	b, ok := l.wait.take(n)
	if !ok {
		return
	}
	b.end(payload, l.tell, err)
	l.mu.Lock()
	l.spare = append(l.spare, b)
	l.inFlight--
	var some *batch
	if l.held && l.inFlight == 0 && len(l.next.calls) > 0 {
		some = l.takeNext()
	}
	l.mu.Unlock()
	if some != nil {
		l.send(some)
		l.wire.flush()
	}
}
