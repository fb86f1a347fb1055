package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/gateway"
)

// Config is what the door needs.
type Config struct {
	Port  gateway.Port
	Books gateway.Books
	Feed  gateway.Feed
	// Guard lets callers in; nil lets everybody.
	Guard *gateway.Guard
	// Hosts are the names that requests may ask for, besides addresses of loopback; nil means any. A
	// server without authentication has some, or web pages could reach it by a name of their own.
	Hosts []string
	// Metrics are those of both doors.
	Metrics *gateway.Metrics
	// MetricsHandler is served at /metrics; nil leaves that out.
	MetricsHandler http.Handler
	// Ready says why the server is not ready to serve; nil means that it always is.
	Ready func() error
	// Logger gets what goes wrong; nil means the default one.
	Logger *slog.Logger
	// Version is that of the program, for /livez.
	Version string
	// AnswerWait bounds the wait for an answer; zero means gateway.AnswerWait.
	AnswerWait time.Duration
	// Heartbeat is how often a quiet event stream gets a comment; zero means every 15 seconds.
	Heartbeat time.Duration
	// StreamsMax bounds the open event streams; zero means gateway.StreamsMax.
	StreamsMax int
}

// Server is the HTTP door.
type Server struct {
	cfg     Config
	reader  gateway.Reader
	metrics *gateway.DoorMetrics
	log     *slog.Logger
	http    http.Server
	// stopping is done when event streams have to end.
	stopping context.Context
	stop     context.CancelFunc
	streams  atomic.Int64
	inFlight *atomic.Int64
	held     atomic.Int64 // see exchange.held
	origins  *http.CrossOriginProtection
	// intake is the port, for single commands.
	intake gateway.Intake
	// id is the port's, bound once.
	id gateway.AppendID
}

const doorName = "http"

// New makes the door. It listens to nothing yet.
func New(cfg Config) *Server {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.AnswerWait == 0 {
		cfg.AnswerWait = gateway.AnswerWait
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = heartbeatEvery
	}
	if cfg.StreamsMax == 0 {
		cfg.StreamsMax = gateway.StreamsMax
	}
	s := &Server{
		cfg: cfg, metrics: cfg.Metrics.Door(doorName), log: cfg.Logger, origins: http.NewCrossOriginProtection(),
	}
	s.reader = gateway.Reader{Port: cfg.Port, Books: cfg.Books, Metrics: s.metrics}
	s.id, s.intake.Port = cfg.Port.AppendReservationID, cfg.Port
	s.inFlight = s.metrics.InFlight()
	s.stopping, s.stop = context.WithCancel(context.Background())
	s.http = http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      readTimeout + cfg.AnswerWait + writeMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerBytesMax,
		ErrorLog:          slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(s.stop)
	return s
}

// Handler is the door without a listener, for tests and for servers of one's own.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Serve answers requests until Shutdown.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve http on %s: %w", l.Addr(), err)
	}
	return nil
}

// Shutdown takes no new requests, ends the event streams and waits for the requests under way.
// When ctx is done first, it cuts them off.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	if err := s.http.Shutdown(ctx); err != nil {
		if closed := s.http.Close(); closed != nil {
			err = errors.Join(err, closed)
		}
		return fmt.Errorf("stop http: %w", err)
	}
	return nil
}

func (s *Server) handler(o *gateway.Operation) echo.HandlerFunc {
	switch o {
	case gateway.GetItem:
		return s.handle(o, s.getItem)
	case gateway.GetReservation:
		return s.handle(o, s.getReservation)
	case gateway.ListItems:
		return s.handle(o, s.listItems)
	case gateway.HistoryOf:
		return s.handle(o, s.history)
	case gateway.Batch:
		return s.handle(o, s.batch)
	}
	return s.mutate(o)
}

func (s *Server) routes() http.Handler {
	e := echo.New()
	e.HTTPErrorHandler = s.handleError
	for _, o := range gateway.Operations() {
		handler := s.handler(o)
		path := echoPath(o.Path)
		e.Add(o.Method, path, handler)
		if o.Method == http.MethodGet {
			e.Add(http.MethodHead, path, handler)
		}
	}
	e.GET("/v1/events", s.events)
	e.Match([]string{http.MethodGet, http.MethodHead}, "/livez", s.livez)
	e.Match([]string{http.MethodGet, http.MethodHead}, "/readyz", s.readyz)
	e.Match([]string{http.MethodGet, http.MethodHead}, "/openapi.json", s.openAPI)
	e.GET(gateway.ProblemPath+":kind", s.problemPage)
	if s.cfg.MetricsHandler != nil {
		e.Match([]string{http.MethodGet, http.MethodHead}, "/metrics", s.metricsPage)
	}
	return e
}
