package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/events"
	"github.com/skua-stock/skua/gateway/httpapi"
	"github.com/skua-stock/skua/gateway/natsapi"
	"github.com/skua-stock/skua/persistence"
)

// gcPercent lets the heap grow further between two collections than Go does by default: most of it
// is stock and holds, which stay, and looking at them again and again is what costs. GOGC says
// otherwise.
const gcPercent = 300

// serveCmd is the configuration of a server: flag > environment > file > default.
type serveCmd struct {
	Data       string `help:"Data directory; made where there is none." default:"./data" placeholder:"DIR"`
	HTTP       string `name:"http" help:"Address of the HTTP door." default:"127.0.0.1:8080" placeholder:"ADDR"`
	NATSListen string `name:"nats-listen" help:"Address of the embedded NATS server." default:"127.0.0.1:4222" placeholder:"ADDR"`
	NATS       string `name:"nats" help:"Use this NATS server, with JetStream, instead of the embedded one." placeholder:"URL"`

	SnapshotEvery time.Duration `help:"How often what changed is written to the snapshots." default:"10s"`
	Partitions    int           `help:"Partitions of a new data directory; fixed from then on." default:"64"`
	IdleAfter     time.Duration `help:"Passivate items that were not used for so long." default:"10m"`
	Resident      int           `help:"Items kept in memory; beyond, the least recently used are passivated." default:"4000000"`
	InFlight      int           `help:"Commands admitted at once; more are refused as OVERLOADED." default:"65536"`

	DiskReserve  int64         `help:"Bytes of disk left free; below, new changes are refused." default:"536870912"`
	LogBytesMax  int64         `help:"Bytes that the log may grow to when events cannot be published; beyond, new changes are refused." default:"8589934592"`
	LogKeep      int64         `help:"Bytes of log kept so that event streams can resume." default:"268435456"`
	KeyWindow    time.Duration `help:"How long idempotency keys are remembered at the least." default:"10m"`
	KeyBytes     int64         `help:"Bytes of memory for idempotency keys." default:"1073741824"`
	HistoryAge   time.Duration `help:"How long movements are kept." default:"8760h"`
	HistoryBytes int64         `help:"Bytes of movements kept." default:"68719476736"`

	EventsAge        time.Duration `help:"How long change events are kept in JetStream." default:"168h"`
	EventsBytes      int64         `help:"Bytes of change events kept in JetStream." default:"4294967296"`
	NATSSyncInterval time.Duration `name:"nats-sync-interval" help:"sync_interval of the NATS server of --nats." default:"2m"`

	StopWait time.Duration `help:"How long a stop may take to finish what is in flight and publish what is durable." default:"15s"`
	Log      string        `help:"Log format: text or json." enum:"text,json" default:"text"`
	LogLevel slog.Level    `help:"Least level that is logged." default:"INFO"`
	Profile  string        `help:"Write a CPU profile of the whole run here." placeholder:"FILE"`
}

// Run serves until SIGINT or SIGTERM. A second signal ends the process at once.
func (c *serveCmd) Run(o output) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // From here on a signal has its usual effect.
	}()
	end, err := startProfile(c.Profile)
	if err != nil {
		return err
	}
	return errors.Join(c.serve(ctx, c.logger(o)), end())
}

func (c *serveCmd) logger(o output) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel}
	if c.Log == "json" {
		return slog.New(slog.NewJSONHandler(o.err, opts))
	}
	return slog.New(slog.NewTextHandler(o.err, opts))
}

// server is what serve has started, in the order in which it did.
type server struct {
	cfg      *serveCmd
	log      *slog.Logger
	metrics  *prometheus.Registry
	doors    *gateway.Metrics
	gate     *gate
	http     *httpapi.Server
	node     *node.Node
	embedded *events.Server
	nc       *nats.Conn
	natsapi  *natsapi.Server
	outbox   *events.Outbox
	publish  context.CancelFunc
	ended    chan error // the outbox or a listener ended before it was told to
}

func (c *serveCmd) serve(ctx context.Context, log *slog.Logger) error {
	for _, addr := range []string{c.HTTP, c.NATSListen} {
		if err := loopback(addr); err != nil {
			return err
		}
	}
	s := &server{cfg: c, log: log, metrics: prometheus.NewRegistry(), gate: &gate{}, ended: make(chan error, 4)}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.doors = gateway.NewMetrics(s.metrics)
	err := s.start(ctx)
	if err == nil {
		log.Info("ready", "http", "http://"+c.HTTP, "nats", s.natsURL(), "data", c.Data)
		select {
		case <-ctx.Done():
		case err = <-s.ended:
		}
	}
	return errors.Join(err, s.stop())
}

// loopback refuses to listen to the world: there is no authentication yet to keep it out.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("listen address %q is not on loopback: without authentication nothing else is served", addr)
	}
	return nil
}

// start brings everything up. HTTP listens first, so that /livez and /readyz tell how far it is.
func (s *server) start(ctx context.Context) error {
	c := s.cfg
	listener, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	c.HTTP = listener.Addr().String()
	s.http = httpapi.New(httpapi.Config{
		Port: s.gate, Books: s.gate, Feed: s.gate, Metrics: s.doors, Ready: s.gate.Ready, Logger: s.log,
		MetricsHandler: promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}), Version: versionText(),
	})
	go func() {
		if err := s.http.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.ended <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	if s.node, err = node.Open(c.node(s)); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	if err := s.publishEvents(); err != nil {
		return err
	}
	s.natsapi, err = natsapi.New(s.nc, natsapi.Config{
		Port: s.node, Books: s.node, Metrics: s.doors, Logger: s.log, Version: versionText(),
	})
	if err != nil {
		return fmt.Errorf("serve NATS: %w", err)
	}
	s.gate.open(s.node)
	return ctx.Err()
}

func (c *serveCmd) node(s *server) node.Config {
	return node.Config{
		Dir: c.Data, SnapshotEvery: c.SnapshotEvery, Logger: s.log, Metrics: s.metrics,
		Limits: actors.Limits{InFlight: c.InFlight, Resident: c.Resident, IdleAfter: c.IdleAfter},
		Store: persistence.Options{
			Partitions: c.Partitions, DiskReserve: uint64(c.DiskReserve), LogBytesMax: c.LogBytesMax, LogKeep: c.LogKeep,
			KeyBytes: c.KeyBytes, KeyWindowMin: c.KeyWindow, HistoryAge: c.HistoryAge, HistoryBytes: c.HistoryBytes,
			OnFailure: func(err error) {
				// What is in memory may not be on disk any more, and must not be believed.
				s.log.Error("the disk failed; stopping at once", "error", err)
				os.Exit(exitError)
			},
		},
	}
}

// connect starts the embedded NATS server unless there is another, and connects to it.
func (s *server) connect() (err error) {
	if s.cfg.NATS == "" {
		s.embedded, err = events.Embedded(events.ServerConfig{
			Addr: s.cfg.NATSListen, Dir: filepath.Join(s.cfg.Data, "nats"), Name: "skua-" + s.node.Store.Manifest.Node, Logger: s.log,
		})
		if err != nil {
			return fmt.Errorf("start the embedded NATS server: %w", err)
		}
	}
	if s.nc, err = s.dial(nats.Name("skua requests")); err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	return nil
}

func (s *server) dial(opts ...nats.Option) (*nats.Conn, error) {
	if s.embedded != nil {
		return s.embedded.Connect(opts...)
	}
	return nats.Connect(s.cfg.NATS, append([]nats.Option{nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true)}, opts...)...)
}

func (s *server) natsURL() string {
	if s.embedded != nil {
		return s.embedded.ClientURL()
	}
	return s.cfg.NATS
}

// outboxReader names the outbox among the readers of the log.
const outboxReader = "outbox"

// publishEvents starts the outbox, and has the log kept for it.
func (s *server) publishEvents() (err error) {
	interval := s.cfg.NATSSyncInterval
	if s.embedded != nil {
		interval = s.embedded.SyncInterval()
	}
	cursor, err := s.node.Store.ReaderAt(outboxReader)
	if err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	s.outbox, err = events.New(events.Config{
		Cursor: cursor,
		Feed:   s.node, Connect: s.dial, Node: s.node.Store.Manifest.Node, ReservationID: s.node.ReservationID,
		SyncInterval: interval, MaxAge: s.cfg.EventsAge, EventBytesMax: s.cfg.EventsBytes,
		StopWait: s.cfg.StopWait / 2, Logger: s.log, Registerer: s.metrics,
	})
	if err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	s.node.Store.KeepLog(outboxReader, func() uint64 { return s.outbox.Settled(time.Now()) })
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.publish = func() { cancel(); <-done }
	go func() {
		defer close(done)
		if err := s.outbox.Run(ctx); err != nil && ctx.Err() == nil {
			s.ended <- fmt.Errorf("publish events: %w", err)
		}
	}()
	return nil
}

// stop ends everything in order: refuse, finish, snapshot, publish, close. What a step cannot
// finish in time is in the log, and goes on at the next start.
func (s *server) stop() error {
	s.log.Info("stopping")
	s.gate.close()
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.StopWait)
	defer cancel()
	var errs []error
	if s.natsapi != nil {
		errs = append(errs, s.natsapi.Stop(ctx))
	}
	if s.http != nil {
		errs = append(errs, s.http.Shutdown(ctx))
	}
	if s.node != nil {
		errs = append(errs, s.node.Shut(ctx, s.publish))
	}
	if s.nc != nil {
		s.nc.Close()
	}
	if s.embedded != nil {
		s.embedded.Shutdown()
	}
	s.log.Info("stopped")
	return errors.Join(errs...)
}
