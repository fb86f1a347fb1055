package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/alecthomas/kong"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/cmd/skua/node"
)

// contender is a system to measure: Skua in this process, a server of Skua, or a peer.
type contender struct {
	name string
	ways []way
	open opener
}

// opener opens a contender for a workload.
type opener func(ctx context.Context, dir string, w bench.Workload) (site, error)

// way is a way in: how many operations are kept in flight, a measurement each, and what it is good
// for. on says what else is done meanwhile.
type way struct {
	name, on string
	windows  []int
	takes    func(bench.Workload) bool
	// paced has the way measured in the open loop too.
	paced bool
	// workers is how many workers share a window; nil is one for each core. waits says that each
	// waits for its answers, on a connection of its own.
	workers func(window int) int
	waits   bool
	// most is how many operations its connections can have in flight, where that is bounded.
	most int
	// judged are the windows that are measured at length, see [benchCompareCmd.brief].
	judged []int
	// peer is nil for Skua's own; floor is the way that this one explains.
	peer  *bench.Peer
	floor string
}

// row is what a load on the way took.
func (w *way) row(l load, res *bench.Result) *bench.Row {
	return &bench.Row{
		Workload: l.workload.Name, SKUs: l.workload.SKUs, Way: w.name, Peer: w.peer != nil, Lossy: w.peer != nil && w.peer.Lossy, Floor: w.floor,
		On: w.on, InFlight: l.window, Result: res,
	}
}

// site is a contender that is up.
type site interface {
	target(way string, window int) (*bench.Target, func(), error)
	shut() error
}

// The ways in, and what they stand for in the tables.
const (
	wayInProcess       = "in process"
	wayInProcessBatch  = "in process, batches"
	wayInProcessEvents = "in process, batches, events"
	wayNATS            = "NATS"
	wayNATSBatch       = "NATS, batches"
	wayHTTP            = "HTTP"
	wayHTTPBatch       = "HTTP, batches"
	onAll              = "snapshots, history, events"
	onButEvents        = "snapshots, history"
)

// stopSoon is how long a server takes at most to stop: nobody needs what it would publish meanwhile.
const stopSoon = "1s"

// everything is what a way in is good for.
func everything(bench.Workload) bool { return true }

// connectionsMost bounds the connections over HTTP. A longer window waits for one.
const connectionsMost = 256

// connections is how many connections over HTTP so many requests in flight take.
func connections(requests int) int { return min(max(1, requests), connectionsMost) }

// inProcessSite is Skua in this process.
type inProcessSite struct {
	node   *node.Node
	server *server // with events only
	dir    string
	tell   bool
	batch  int
	// metrics are those of the node where there is no server.
	metrics *prometheus.Registry
	audit
}

func (f *benchFlags) openInProcess(_ context.Context, dir string, w bench.Workload) (site, error) {
	metrics := prometheus.NewRegistry()
	n, err := node.Open(node.Config{Dir: dir, SnapshotEvery: f.SnapshotEvery, Metrics: metrics})
	if err != nil {
		return nil, err
	}
	return &inProcessSite{node: n, dir: dir, tell: w.Steps(), batch: f.Batch, metrics: metrics, audit: audit{workload: w}}, nil
}

// openInProcessEvents has a whole server in this process, so that events are published meanwhile.
func (f *benchFlags) openInProcessEvents(_ context.Context, dir string, w bench.Workload) (site, error) {
	var p struct {
		Serve serveCmd `cmd:""`
	}
	parser, err := kong.New(&p)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--snapshot-every", f.SnapshotEvery.String(), "--stop-wait", stopSoon, "--log-level", "ERROR"}
	if _, err := parser.Parse(args); err != nil {
		return nil, err
	}
	s := newServer(&p.Serve, p.Serve.logger(output{os.Stdout, os.Stderr}))
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return &inProcessSite{
		node: s.node, server: s, dir: dir, tell: w.Steps(), batch: f.Batch, metrics: s.metrics, audit: audit{workload: w},
	}, nil
}

func (s *inProcessSite) target(way string, _ int) (*bench.Target, func(), error) {
	t := &bench.Target{Driver: inProcess{s.node, s.tell}, Dir: s.dir, Told: &s.told, Verify: func() error { return s.verify(s.books) }}
	if s.metrics != nil {
		t.Saved = func() (int64, error) { return gathered(s.metrics, savedMetric) }
	}
	if way == wayInProcessBatch || way == wayInProcessEvents {
		t.Driver = together{inProcess{s.node, s.tell}, s.batch}
	}
	if s.server != nil {
		p := &process{http: s.server.cfg.HTTP}
		t.Lag, t.Published, t.Settle = p.lag, p.published, p.settle
	}
	return t, func() {}, nil
}

func (s *inProcessSite) shut() error {
	if s.server != nil {
		if err := s.server.stop(); !errors.Is(err, context.DeadlineExceeded) { // Nobody needs what it had no time for.
			return err
		}
		return nil
	}
	return s.node.Shut(context.Background(), nil)
}

// servedSite is a server of Skua, a process of its own.
type servedSite struct {
	*process
	flags *benchFlags
	dir   string
	tell  bool
	audit
}

func (f *benchFlags) openServed(_ context.Context, dir string, w bench.Workload) (site, error) {
	p, err := spawn(dir, "--snapshot-every", f.SnapshotEvery.String(), "--stop-wait", stopSoon, "--profile", f.Served)
	if err != nil {
		return nil, err
	}
	return &servedSite{process: p, flags: f, dir: dir, tell: w.Steps(), audit: audit{workload: w}}, nil
}

func (s *servedSite) shut() error { s.stop(); return nil }

func (s *servedSite) target(way string, window int) (*bench.Target, func(), error) {
	t := &bench.Target{
		PIDs: []int{s.cmd.Process.Pid}, Dir: s.dir, Seed: s.seed, Settle: s.settle, Lag: s.lag, Published: s.published,
		Mallocs: func() (int64, error) { return s.metric("go_memstats_mallocs_total") },
		Saved:   func() (int64, error) { return s.metric(savedMetric) },
		Told:    &s.told, Verify: func() error { return s.verify(s.books) },
	}
	var d interface {
		bench.Driver
		Close()
	}
	var err error
	switch way {
	case wayNATS:
		d, err = bench.NewNATS(s.nats, s.flags.Connections, s.tell)
	case wayNATSBatch:
		d, err = bench.NewNATSBatch(s.nats, s.flags.Connections, s.flags.Batch, s.tell)
	case wayHTTP:
		d, err = bench.NewHTTP(s.http, connections(window), 1, s.tell)
	case wayHTTPBatch:
		d, err = bench.NewHTTP(s.http, connections(window/s.flags.Batch), s.flags.Batch, s.tell)
	default:
		return nil, nil, fmt.Errorf("there is no way in %q", way)
	}
	if err != nil {
		return nil, nil, err
	}
	t.Driver = d
	return t, d.Close, nil
}

// seed makes the items in batches, whatever way is measured then.
func (s *servedSite) seed(ctx context.Context, w bench.Workload) error {
	d, err := bench.NewNATSBatch(s.nats, 1, bench.BatchDefault, false)
	if err != nil {
		return err
	}
	defer d.Close()
	return bench.Seed(ctx, d, w)
}

func (p *process) lag() (int64, error) { return p.metric("skua_outbox_lag_events") }

// published is how many events were.
func (p *process) published() (int64, error) { return p.metric("skua_outbox_published_total") }

// settleWait bounds the wait for the events of what came before a measurement.
const settleWait = 5 * time.Second

// settle waits until the server has published all events, so that one measurement does not pay
// for another, but not for long: those that are left then are few, see lagMost.
func (p *process) settle(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < settleWait; {
		lag, err := p.lag()
		if err != nil || lag == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d events: %w", lag, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// peerSite is a peer.
type peerSite struct{ *bench.Target }

func (s peerSite) target(string, int) (*bench.Target, func(), error) { return s.Target, func() {}, nil }
func (s peerSite) shut() error                                       { return s.Close() }

func peerContender(p bench.Peer) contender {
	return contender{
		name: p.Name, ways: []way{{name: p.Name, on: "", windows: p.Windows, takes: everything, paced: !p.Lossy, peer: &p}},
		open: func(ctx context.Context, dir string, w bench.Workload) (site, error) {
			t, err := p.Open(ctx, dir, w)
			if err != nil {
				return nil, err
			}
			return peerSite{t}, nil
		},
	}
}

// tuneProcess has this process run as a server does, which the engine in it is.
func tuneProcess() {
	tuneRuntime()
	runtime.GC()
}
