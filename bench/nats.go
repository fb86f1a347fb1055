package bench

import (
	"errors"
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// NATS carries commands by request-reply, one operation a message, over a connection for each
// worker, however many are in flight.
type NATS struct {
	lanes []*natsLane
}

type natsLane struct {
	wire *wire
	tell bool
	wait table[call]
	out  []byte
}

// NewNATS opens so many connections to a server. tell says that reservations have to be found again.
func NewNATS(url string, conns int, tell bool) (*NATS, error) {
	d := &NATS{}
	for range conns {
		l := &natsLane{tell: tell}
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
func (d *NATS) Close() {
	for _, l := range d.lanes {
		l.wire.close()
	}
}

// Lane implements Laned.
func (d *NATS) Lane(i, _ int) Driver { return d.lanes[i%len(d.lanes)] }

// Start implements Driver for a single goroutine.
func (d *NATS) Start(c *engine.Command, done func(error)) {
	d.lanes[0].Start(c, done)
	d.lanes[0].Flush()
}

// subjects are those of the operations.
var subjects = func() (all [engine.OpGetReservation + 1]string) {
	for op := range all {
		all[op] = "stock.v1." + engine.Op(op).String()
	}
	return all
}()

func (l *natsLane) Start(c *engine.Command, done func(error)) {
	l.out = appendMessage(l.out[:0], c, false)
	n := l.wait.put(call{c, done})
	if err := l.wire.request(subjects[c.Op], n, l.out); err != nil {
		l.answer(n, nil, fmt.Errorf("send over NATS: %w", err))
	}
}

func (l *natsLane) Flush() { l.wire.flush() }

func (l *natsLane) answer(n int, payload []byte, err error) {
	if c, ok := l.wait.take(n); ok {
		c.end(payload, l.tell, err)
	}
}

// lost ends what waits for an answer.
func (l *natsLane) lost(err error) { l.wait.each(func(n int) { l.answer(n, nil, err) }) }

// errLost is what the commands of a batch hear whose answer makes no sense.
var errLost = errors.New("the answer to a batch has not a result for each operation")
