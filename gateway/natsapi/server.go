package natsapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/openapi"
)

const doorName = "nats"

// Subject is what the subjects of the operations begin with.
const Subject = "stock.v1"

// Config is what the door needs.
type Config struct {
	Port  gateway.Port
	Books gateway.Books
	// Guard lets callers in; nil lets everybody.
	Guard *gateway.Guard
	// Metrics are those of both doors.
	Metrics *gateway.Metrics
	// Logger gets what goes wrong; nil means the default one.
	Logger *slog.Logger
	// Version is that of the program; what is no semantic version is shown as 0.0.0.
	Version string
	// QueueGroup shares the requests between servers that have the same; empty means micro's own.
	QueueGroup string
	// AnswerWait bounds the wait for a batch or a list; zero means gateway.AnswerWait.
	AnswerWait time.Duration
}

// Server is the NATS door.
type Server struct {
	conn    *nats.Conn
	cfg     Config
	reader  gateway.Reader
	metrics *gateway.DoorMetrics
	log     *slog.Logger
	service micro.Service
	// endpoints finds the counts of an operation by its name.
	endpoints map[string]*endpoint
	in        incoming
	out       outgoing
	slow      chan struct{}
	slowBytes atomic.Int64
	inFlight  *atomic.Int64
	stopped   atomic.Bool
	lines     gateway.Lines // of what goes wrong in the service, which who asks without a reply brings about
	// id is the port's, bound once.
	id             gateway.AppendID
	problemHeaders map[*gateway.ProblemKind]nats.Header
}

var semantic = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// New opens the door on a connection.
func New(conn *nats.Conn, cfg Config) (*Server, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.AnswerWait == 0 {
		cfg.AnswerWait = gateway.AnswerWait
	}
	version := strings.TrimPrefix(cfg.Version, "v")
	if !semantic.MatchString(version) {
		version = "0.0.0"
	}
	metrics := cfg.Metrics.Door(doorName)
	s := &Server{
		conn: conn, cfg: cfg, reader: gateway.Reader{Port: cfg.Port, Books: cfg.Books, Metrics: metrics}, metrics: metrics,
		log: cfg.Logger, endpoints: make(map[string]*endpoint),
		inFlight: metrics.InFlight(), slow: make(chan struct{}, slowMax), id: cfg.Port.AppendReservationID, problemHeaders: problemHeaders(),
	}
	s.in.wake, s.out.wake = make(chan struct{}, 1), make(chan struct{}, 1)
	for _, o := range gateway.Operations() {
		s.endpoints[o.Name] = &endpoint{operation: o}
	}
	service, err := micro.AddService(conn, micro.Config{
		Name: "skua", Version: version, Description: "Stock: items, reservations, movements",
		QueueGroup: cfg.QueueGroup,
		StatsHandler: func(e *micro.Endpoint) any {
			if counts := s.endpoints[e.Name]; counts != nil {
				return counts.stats()
			}
			return nil
		},
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) {
			if suppressed, ok := s.lines.Take(); ok {
				s.log.Warn("nats door", "subject", err.Subject, "error", err.Description, "suppressed", suppressed)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("add the nats service: %w", err)
	}
	s.service = service
	go s.submit()
	go s.respond()
	if err := s.addEndpoints(); err != nil {
		s.end()
		return nil, errors.Join(err, service.Stop())
	}
	return s, nil
}

func (s *Server) addEndpoints() error {
	group := s.service.AddGroup(Subject)
	for _, o := range gateway.Operations() {
		request, answer, err := openapi.Schemas(o)
		if err != nil {
			return fmt.Errorf("describe %s: %w", o.Name, err)
		}
		err = group.AddEndpoint(o.Name, micro.HandlerFunc(s.handler(s.endpoints[o.Name])),
			micro.WithEndpointPendingLimits(pendingMessagesMax, pendingBytesMax),
			micro.WithEndpointMetadata(map[string]string{
				"description": o.Summary, "request_schema": request, "response_schema": answer,
			}))
		if err != nil {
			return fmt.Errorf("add the nats endpoint %s: %w", o.Name, err)
		}
	}
	// A request that is sent as soon as New returned must find the endpoints.
	if !s.conn.IsConnected() {
		return nil
	}
	if err := s.conn.Flush(); err != nil {
		return fmt.Errorf("add the nats endpoints: %w", err)
	}
	return nil
}

// Stop takes no new requests and waits for the answers to those under way. Requests that still
// come in by then are refused with SERVICE_UNAVAILABLE. The connection is left open.
func (s *Server) Stop(ctx context.Context) error {
	err := s.service.Stop()
	if err != nil {
		err = fmt.Errorf("stop the nats service: %w", err)
	}
	s.stopped.Store(true)
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	for s.inFlight.Load() > 0 {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return errors.Join(err, fmt.Errorf("stop the nats service: %d requests are not answered: %w", s.inFlight.Load(), ctx.Err()))
		}
	}
	s.end()
	return errors.Join(err, s.flush(ctx))
}

// end ends the goroutines, when nothing is in flight.
func (s *Server) end() {
	close(s.in.wake)
	close(s.out.wake)
}

// flush sends the last answers. While NATS is away nobody waits for them, and what else has to
// stop must not either.
func (s *Server) flush(ctx context.Context) error {
	if !s.conn.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, flushWait)
	defer cancel()
	if err := s.conn.FlushWithContext(ctx); err != nil && s.conn.IsConnected() {
		return fmt.Errorf("send the last answers: %w", err)
	}
	return nil
}
