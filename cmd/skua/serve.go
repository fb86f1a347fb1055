package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
	"github.com/skua-stock/skua/gateway/events"
	"github.com/skua-stock/skua/gateway/httpapi"
	"github.com/skua-stock/skua/gateway/natsapi"
)

// Run serves until SIGINT or SIGTERM. A second signal ends the process at once.
func (c *serveCmd) Run(o output) error {
	tuneRuntime()
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

// server is what serve has started, in the order in which it did.
type server struct {
	cfg     *serveCmd
	log     *slog.Logger
	metrics *prometheus.Registry
	// nodeMetrics are those of the engine, which join the others when it has recovered: before, they
	// have nothing to look at.
	nodeMetrics *prometheus.Registry
	doors       *gateway.Metrics
	tokens      *access.Tokens // nil where none are asked for
	guard       *gateway.Guard
	tls         *certificate // nil where there is none
	watch       context.CancelFunc
	gate        *gate
	http        *httpapi.Server
	node        *node.Node
	embedded    *events.Server
	nc          *nats.Conn
	natsLines   gateway.Lines
	natsapi     *natsapi.Server
	outbox      *events.Outbox
	socket      *socket // takes orders for backups
	publish     context.CancelFunc
	ended       chan error // the outbox or a listener ended before it was told to
}

func newServer(c *serveCmd, log *slog.Logger) *server {
	s := &server{
		cfg: c, log: log, metrics: prometheus.NewRegistry(), nodeMetrics: prometheus.NewRegistry(),
		gate: &gate{}, ended: make(chan error, 4),
	}
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s.doors = gateway.NewMetrics(s.metrics)
	return s
}

func (c *serveCmd) serve(ctx context.Context, log *slog.Logger) error {
	s := newServer(c, log)
	err := s.start()
	if err == nil {
		log.Info("ready", "http", s.httpURL(), "nats", s.natsURL(), "data", c.Data)
		select {
		case <-ctx.Done():
		case err = <-s.ended:
		}
	}
	return errors.Join(err, s.stop())
}

// start brings everything up. HTTP listens first, so that /livez and /readyz tell how far it is, and
// serves as soon as the engine has recovered; NATS may take longer.
func (s *server) start() error {
	c := s.cfg
	if err := s.secure(); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.HTTP)
	if err != nil {
		return fmt.Errorf("listen for HTTP: %w", err)
	}
	c.HTTP = listener.Addr().String()
	listener = httpapi.Bounded(listener, min(httpapi.ConnectionsMax, descriptors()/2))
	if s.tls != nil {
		listener = tls.NewListener(listener, s.tls.config("http/1.1"))
	}
	s.http = httpapi.New(httpapi.Config{
		Port: s.gate, Books: s.gate, Feed: s.gate, Metrics: s.doors, Ready: s.gate.Ready, Logger: s.log,
		Guard: s.guard, Hosts: s.hosts(), MetricsHandler: promhttp.HandlerFor(s.metrics, promhttp.HandlerOpts{}), Version: versionText(),
	})
	go func() {
		if err := s.http.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.ended <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	if s.node, err = node.Open(c.node(s)); err != nil {
		return err
	}
	s.metrics.MustRegister(s.nodeMetrics)
	if err := s.keepEvents(); err != nil {
		return err
	}
	s.gate.open(s.node)
	if s.socket, err = openSocket(c.Data, s.node.Store, s.log); err != nil {
		return err
	}
	if err := s.connect(); err != nil {
		return err
	}
	s.publishEvents()
	s.natsapi, err = natsapi.New(s.nc, natsapi.Config{
		Port: s.node, Books: s.node, Guard: s.natsGuard(), Metrics: s.doors, Logger: s.log, Version: versionText(),
	})
	if err != nil {
		return fmt.Errorf("serve NATS: %w", err)
	}
	s.gate.ready()
	return nil
}

// connect starts the embedded NATS server unless there is another, and connects to it.
func (s *server) connect() (err error) {
	if s.cfg.NATS == "" {
		s.embedded, err = events.Embedded(events.ServerConfig{
			Addr: s.cfg.NATSListen, Dir: filepath.Join(s.cfg.Data, "nats"), Name: "skua-" + s.node.Store.Manifest.Node, Logger: s.log,
			Tokens: s.tokens, Refused: s.natsRefused, TLS: s.tls.config(), Plaintext: s.cfg.InsecurePlaintext,
			ConnectionsMax: min(events.EmbeddedConnectionsMax, descriptors()/4),
		})
		if err != nil {
			return err
		}
	}
	s.nc, err = s.dialDoor(nats.Name("skua requests"),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.log.Warn("NATS is away; requests over it wait", "error", err)
			}
		}),
		nats.ErrorHandler(s.natsError), nats.ConnectHandler(s.arrived), nats.ReconnectHandler(s.arrived))
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	if !s.nc.IsConnected() {
		s.log.Warn("NATS is away; HTTP is served, requests over NATS and events wait until it comes", "nats", s.natsURL())
	}
	return nil
}

// natsError hears of answers that the NATS server did not take, as those to subjects that only the
// outbox writes to. Left to itself the library prints each.
func (s *server) natsError(_ *nats.Conn, _ *nats.Subscription, err error) {
	if suppressed, ok := s.natsLines.Take(); ok {
		s.log.Warn("NATS refuses", "error", err, "suppressed", suppressed)
	}
}

func (s *server) arrived(*nats.Conn) { s.log.Info("connected to NATS", "nats", s.natsURL()) }

func (s *server) dial(opts ...nats.Option) (*nats.Conn, error) {
	if s.embedded != nil {
		return s.embedded.Connect(opts...)
	}
	own := append(s.cfg.natsCredentials(), nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	return nats.Connect(s.cfg.NATS, append(own, opts...)...)
}

func (s *server) dialDoor(opts ...nats.Option) (*nats.Conn, error) {
	if s.embedded != nil {
		return s.embedded.ConnectDoor(opts...)
	}
	return s.dial(opts...)
}

func (s *server) natsURL() string {
	if s.embedded != nil {
		return s.embedded.ClientURL()
	}
	return withoutPasswords(s.cfg.NATS)
}

// outboxReader names the outbox among the readers of the log.
const outboxReader = "outbox"

// keepEvents makes the outbox and has the log kept for it, which has to be before the first change.
func (s *server) keepEvents() error {
	interval := s.cfg.NATSSyncInterval
	if s.cfg.NATS == "" {
		interval = events.EmbeddedSyncInterval
	}
	cursor, err := s.node.Store.ReaderAt(outboxReader)
	if err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	s.outbox, err = events.New(events.Config{
		Cursor: cursor,
		Feed:   s.node, Connect: s.dial, Node: s.node.Store.Manifest.Node, AppendReservationID: s.node.AppendReservationID,
		SyncInterval: interval, MaxAge: s.cfg.EventsAge, EventBytesMax: s.cfg.EventsBytes,
		Embedded: s.cfg.NATS == "", Pace: events.PaceDefault, StopWait: s.cfg.StopWait / 2, Logger: s.log, Registerer: s.metrics,
	})
	if err != nil {
		return fmt.Errorf("publish events: %w", err)
	}
	s.node.Store.KeepLog(outboxReader, func() uint64 { return s.outbox.Settled(time.Now()) })
	return nil
}

// publishEvents starts the outbox.
func (s *server) publishEvents() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.publish = func() { cancel(); <-done }
	go func() {
		defer close(done)
		if err := s.outbox.Run(ctx); err != nil && ctx.Err() == nil {
			s.ended <- fmt.Errorf("publish events: %w", err)
		}
	}()
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
	errs = append(errs, s.socket.close())
	if s.node != nil {
		errs = append(errs, s.node.Shut(ctx, s.publish))
	}
	if s.nc != nil {
		s.nc.Close()
	}
	if s.embedded != nil {
		s.embedded.Shutdown()
	}
	if s.watch != nil {
		s.watch()
	}
	s.log.Info("stopped")
	return errors.Join(errs...)
}
