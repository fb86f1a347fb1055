// Package node plugs the packages together: one Skua in one process, without its doors. The
// program serves it; benchmarks and simulations drive it.
package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/persistence"
)

// The defaults of Config.
const (
	// SnapshotEveryDefault is how often what changed is written to the snapshots. Many items change often, and
	// are written once for all their changes.
	SnapshotEveryDefault = time.Minute
	// SnapshotLeast is what lies between two snapshots at the least when the log grows so fast that the next is
	// overdue before its time, which is looked at every overdueEvery.
	SnapshotLeast = 10 * time.Second
	overdueEvery  = time.Second
	// headWait bounds how long a reader of history waits for the item's turn.
	headWait = 10 * time.Second
)

// Config says how the node runs.
type Config struct {
	Dir           string
	Store         persistence.Options
	Limits        actors.Limits
	SnapshotEvery time.Duration
	// Now is the wall clock; time.Now by default.
	Now func() time.Time
	// Nonce and Pace are those of actors.Config; Pace is the store's, too.
	Nonce   func() uint64
	Pace    func(who string) (wait func())
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// Node is a running engine: the port of the doors.
type Node struct {
	*actors.System
	Store *persistence.Store

	logger *slog.Logger
	pace   func(who string) (wait func())
	stop   chan struct{}
	saver  sync.WaitGroup
}

// Open recovers the data directory and starts the actors.
func Open(cfg Config) (*Node, error) {
	if cfg.SnapshotEvery == 0 {
		cfg.SnapshotEvery = SnapshotEveryDefault
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Pace == nil {
		cfg.Pace = func(string) func() { return func() {} }
	}
	cfg.Store.Logger, cfg.Store.Metrics, cfg.Store.Pace = cfg.Logger, cfg.Metrics, cfg.Pace
	store, err := persistence.Open(cfg.Dir, cfg.Store)
	if err != nil {
		return nil, err
	}
	system, err := actors.New(actors.Config{
		Log: store, Memory: memory{store}, Snapshots: store, LastTime: store.LastTime(),
		Partitions: store.Manifest.Partitions, IDKey: store.Manifest.Key(), Now: cfg.Now,
		Nonce: cfg.Nonce, Pace: cfg.Pace,
		Limits: cfg.Limits, Logger: cfg.Logger, Metrics: cfg.Metrics,
	})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	store.WhenCrowded(system.Crowded)
	n := &Node{System: system, Store: store, logger: cfg.Logger, pace: cfg.Pace, stop: make(chan struct{})}
	n.saver.Go(func() { n.save(cfg.SnapshotEvery) })
	return n, nil
}

// saveShare is what part of the time between two snapshots one may take in order to be gentle.
const saveShare = 2

// save writes snapshots from time to time, and when one is overdue.
func (n *Node) save(every time.Duration) {
	tick, look := time.NewTicker(every), time.NewTicker(overdueEvery)
	defer tick.Stop()
	defer look.Stop()
	last := time.Now()
	for !n.stopped() { // The end and a tick may have come together.
		select {
		case <-n.stop:
			return
		case <-tick.C:
		case <-look.C:
			if time.Since(last) < SnapshotLeast || !n.Store.Overdue() {
				continue
			}
		}
		n.pace("save")()
		if n.stopped() {
			return
		}
		last = time.Now()
		if err := n.SaveGently(context.Background(), min(every, SnapshotLeast)/saveShare, n.stop); err != nil {
			n.logger.Error("snapshot", "error", err)
		}
	}
}

func (n *Node) stopped() bool {
	select {
	case <-n.stop:
		return true
	default:
		return false
	}
}

// Shut ends the node in order: no new change, those in flight to the end, one more snapshot.
// beforeClose runs after that, while the log can still be read; it may be nil.
func (n *Node) Shut(ctx context.Context, beforeClose func()) error {
	close(n.stop)
	n.saver.Wait()
	n.pace("save")()
	errs := []error{n.Drain(ctx), n.Save(ctx)}
	n.pace("save")()
	if beforeClose != nil {
		beforeClose()
	}
	n.System.Close()
	return errors.Join(append(errs, n.Store.Close())...)
}

// Kill ends the node as a crash would: nobody is answered, and nothing is saved. It is for tests, in
// which the process goes on.
func (n *Node) Kill() error {
	close(n.stop)
	n.System.Close()
	n.saver.Wait()
	return n.Store.Close()
}

// memory is the store as the actors' memory of what was answered.
type memory struct{ *persistence.Store }

func (m memory) Record(sku string, index uint64) (*engine.Record, error) {
	r, err := m.Store.Record(sku, index)
	if errors.Is(err, persistence.ErrGone) {
		return nil, fmt.Errorf("%w: %w", actors.ErrForgotten, err)
	}
	return r, err
}

// SKUs implements gateway.Books.
func (n *Node) SKUs(_ context.Context, after string, limit int) ([]string, error) {
	return n.Store.SKUs(after, limit)
}

// History implements gateway.Books.
func (n *Node) History(ctx context.Context, sku string, before uint64, limit int) (gateway.History, error) {
	type head struct {
		last uint64
		err  error
	}
	heads := make(chan head, 1)
	n.Head(sku, func(last uint64, err error) { heads <- head{last, err} })
	ctx, cancel := context.WithTimeout(ctx, headWait)
	defer cancel()
	select {
	case <-ctx.Done():
		return gateway.History{}, fmt.Errorf("wait for item %q: %w", sku, ctx.Err())
	case h := <-heads:
		if h.err != nil {
			return gateway.History{}, h.err
		}
		page, more, begins, err := n.Store.Ledger(sku, h.last, before, limit)
		return gateway.History{Movements: page, More: more, Begins: begins}, err
	}
}

// Bounds implements gateway.Feed.
func (n *Node) Bounds() (oldest, newest uint64) { return n.Store.Bounds() }

// Follow implements gateway.Feed.
func (n *Node) Follow(from uint64) gateway.Follower { return follower{n.Store.Follow(from)} }

type follower struct{ *persistence.Follower }

func (f follower) Next(ctx context.Context) (uint64, *engine.Record, error) {
	index, r, err := f.Follower.Next(ctx)
	if errors.Is(err, persistence.ErrGone) {
		return 0, nil, gateway.ErrGone
	}
	return index, r, err
}
