package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/skua-stock/skua/engine"
)

// NATS carries commands by request-reply over one connection, however many are in flight.
type NATS struct {
	nc      *nats.Conn
	inbox   string
	mu      sync.Mutex
	waiting map[uint64]func(error)
	next    atomic.Uint64
}

// NewNATS makes a driver of a connection.
func NewNATS(nc *nats.Conn) (*NATS, error) {
	d := &NATS{nc: nc, inbox: nats.NewInbox() + ".", waiting: make(map[uint64]func(error))}
	if _, err := nc.Subscribe(d.inbox+"*", d.answer); err != nil {
		return nil, fmt.Errorf("subscribe to answers: %w", err)
	}
	return d, nil
}

// Start implements Driver.
func (d *NATS) Start(c *engine.Command, done func(error)) {
	n := d.next.Add(1)
	d.mu.Lock()
	d.waiting[n] = done
	d.mu.Unlock()
	m := nats.Msg{
		Subject: "stock.v1." + c.Op.String(), Reply: d.inbox + strconv.FormatUint(n, 36),
		Header: nats.Header{"Idempotency-Key": {c.Key}}, Data: appendBody(nil, c, true),
	}
	if err := d.nc.PublishMsg(&m); err != nil {
		d.finish(n, err)
	}
}

func (d *NATS) answer(m *nats.Msg) {
	n, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, d.inbox), 36, 64)
	if err != nil {
		return // Not an answer to anything of ours.
	}
	if code := m.Header.Get("Nats-Service-Error-Code"); code != "" {
		err = errors.New(code + " " + string(m.Data))
	} else if m.Header.Get("Status") == "503" {
		err = nats.ErrNoResponders
	}
	d.finish(n, err)
}

func (d *NATS) finish(n uint64, err error) {
	d.mu.Lock()
	done := d.waiting[n]
	delete(d.waiting, n)
	d.mu.Unlock()
	if done != nil {
		done(err)
	}
}
