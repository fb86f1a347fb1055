package main

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// gate stands before the node while it recovers and while it stops: the HTTP door is there from
// the first moment to the last, to say how things are.
type gate struct {
	node    atomic.Pointer[node.Node]
	whole   atomic.Bool
	stopped atomic.Bool
}

// open lets requests through to the node, ready says that NATS is there too, as far as it is ours,
// and close that the end begins.
func (g *gate) open(n *node.Node) { g.node.Store(n) }
func (g *gate) ready()            { g.whole.Store(true) }
func (g *gate) close()            { g.stopped.Store(true) }

var (
	errRecovering = errors.New("recovering")
	errStarting   = errors.New("starting: HTTP is served, NATS not yet")
	errStopping   = errors.New("stopping")
)

// Ready says why the server does not take requests at both doors, or nil. A NATS server of the user's
// own may be away: that is for its operator to see, and HTTP does without. While changes are refused because the
// disk is nearly full it is ready still: reads go on, and a metric tells.
func (g *gate) Ready() error {
	switch {
	case g.stopped.Load():
		return errStopping
	case g.node.Load() == nil:
		return errRecovering
	case !g.whole.Load():
		return errStarting
	}
	return nil
}

func (g *gate) Submit(c *engine.Command, answer func(*engine.Answer)) {
	if n := g.node.Load(); n != nil {
		n.Submit(c, answer)
		return
	}
	answer(&engine.Answer{Op: c.Op, Err: engine.ErrUnavailable})
}

func (g *gate) SubmitEach(cs []*engine.Command, answer func(i int, a *engine.Answer)) {
	if n := g.node.Load(); n != nil {
		n.SubmitEach(cs, answer)
		return
	}
	for i, c := range cs {
		answer(i, &engine.Answer{Op: c.Op, Err: engine.ErrUnavailable})
	}
}

func (g *gate) SubmitAll(cs []*engine.Command, answer func([]engine.Answer)) {
	if n := g.node.Load(); n != nil {
		n.SubmitAll(cs, answer)
		return
	}
	answers := make([]engine.Answer, len(cs))
	for i := range answers {
		answers[i] = engine.Answer{Op: cs[i].Op, Err: engine.ErrUnavailable}
	}
	answer(answers)
}

// Reservation takes any id for one while nobody can tell: Submit says then that it is too early.
func (g *gate) Reservation(id string) (engine.ReservationRef, bool) {
	if n := g.node.Load(); n != nil {
		return n.Reservation(id)
	}
	return engine.ReservationRef{Home: "-", Nonce: 1}, true
}

func (g *gate) AppendReservationID(b []byte, ref engine.ReservationRef) []byte {
	return g.node.Load().AppendReservationID(b, ref) // Whoever has a reference got it from the node.
}

func (g *gate) SKUs(ctx context.Context, after string, limit int) ([]string, error) {
	if n := g.node.Load(); n != nil {
		return n.SKUs(ctx, after, limit)
	}
	return nil, engine.ErrUnavailable
}

func (g *gate) History(ctx context.Context, sku string, before uint64, limit int) (gateway.History, error) {
	if n := g.node.Load(); n != nil {
		return n.History(ctx, sku, before, limit)
	}
	return gateway.History{}, engine.ErrUnavailable
}

func (g *gate) Bounds() (oldest, newest uint64) {
	if n := g.node.Load(); n != nil {
		return n.Bounds()
	}
	return 0, 0
}

func (g *gate) Follow(from uint64) gateway.Follower {
	if n := g.node.Load(); n != nil {
		return n.Follow(from)
	}
	return shut{}
}

// shut is a stream of a node that is not there yet.
type shut struct{}

func (shut) Next(context.Context) (uint64, *engine.Record, error) {
	return 0, nil, engine.ErrUnavailable
}
func (shut) Close() error { return nil }
