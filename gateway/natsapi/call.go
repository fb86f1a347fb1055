package natsapi

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// call is one request and its answer.
type call struct {
	server    *Server
	endpoint  *endpoint
	reply     string
	requestID string
	started   time.Time
	// problem is set when the request was refused before it was handed over; body when the
	// answer is written already. Otherwise answer has it.
	problem *gateway.Problem
	body    []byte
	answer  engine.Answer
	// command is what answer answers.
	command *engine.Command
	// put is the method fill, bound once so that handing it over allocates nothing.
	put func(*engine.Answer)
}

var calls = sync.Pool{New: func() any {
	c := new(call)
	c.put = c.fill
	return c
}}

func (c *call) fill(a *engine.Answer) {
	c.answer = *a
	c.finish()
}

// finish passes the call on to a responder. It never blocks: there is room for all in flight.
func (c *call) finish() { c.server.done <- c }

const requestIDHeader = "X-Request-Id"

// handler decodes the requests of one operation and hands them over.
func (s *Server) handler(e *endpoint) func(micro.Request) {
	o := e.operation
	return func(req micro.Request) {
		c := s.begin(e, req)
		if c == nil {
			return
		}
		m := new(gateway.Message)
		c.problem = guarded(func() *gateway.Problem { return s.decode(o, req, m) })
		switch {
		case c.problem != nil:
			c.finish()
		case o == gateway.ListItems || o == gateway.HistoryOf || o == gateway.Batch:
			s.goSlowly(c, m, req.Data())
		default:
			c.command = &m.Command
			s.cfg.Port.Submit(&m.Command, c.put)
		}
	}
}

// begin takes a request, or refuses it at once and returns nil.
func (s *Server) begin(e *endpoint, req micro.Request) *call {
	c := calls.Get().(*call)
	c.server, c.endpoint, c.reply, c.started = s, e, req.Reply(), time.Now()
	c.requestID = ""
	if h := req.Headers(); h != nil {
		if id := h.Get(requestIDHeader); len(id) <= gateway.RequestIDBytesMax {
			c.requestID = id
		}
	}
	n := s.inFlight.Add(1)
	s.metrics.InFlight.Inc()
	switch {
	case s.stopped.Load():
		c.problem = &gateway.Problem{Kind: gateway.Unavailable, Detail: "the server is stopping"}
	case n > inFlightMax:
		c.problem = &gateway.Problem{Kind: gateway.Overloaded, Detail: "too many requests are in flight over NATS; nothing was done"}
	default:
		return c
	}
	c.send(nil)
	return nil
}

// decode reads payload and headers.
func (s *Server) decode(o *gateway.Operation, req micro.Request, m *gateway.Message) *gateway.Problem {
	most := gateway.BodyBytesMax
	if o == gateway.Batch {
		most = gateway.BatchBytesMax
	}
	if len(req.Data()) > most {
		return &gateway.Problem{
			Kind: gateway.PayloadTooLarge, Detail: "the payload must be at most " + strconv.Itoa(most) + " bytes",
		}
	}
	if o == gateway.Batch {
		return nil
	}
	if p := o.DecodeMessage(req.Data(), m); p != nil {
		return p
	}
	if m.Op.Set {
		return gateway.Invalid("op", `the operation takes no member "op"; the subject says it`)
	}
	if o.Op == engine.OpNone {
		return nil
	}
	if o.Mutates() {
		if p := readHeaders(o, nats.Header(req.Headers()), m); p != nil {
			return p
		}
	}
	return gateway.Check(s.cfg.Port, &m.Command, m.ID.S)
}

// readHeaders reads the key and If-Match, which may be in the headers or in the payload.
func readHeaders(o *gateway.Operation, h nats.Header, m *gateway.Message) *gateway.Problem {
	c := &m.Command
	c.Key = m.Key.S
	if values := h[gateway.KeyHeader]; len(values) > 0 {
		key, p := gateway.Key(values[0])
		switch {
		case p != nil:
			return p
		case len(values) > 1 || m.Key.Set && m.Key.S != key:
			return gateway.Invalid(gateway.KeyHeader, "an idempotency key must be given once, in the header or in the payload")
		}
		c.Key = key
	}
	values := h[gateway.MatchHeader]
	switch {
	case len(values) == 0:
		return nil
	case !o.Item() || len(values) > 1 || c.HasIfMatch:
		return gateway.Invalid(gateway.MatchHeader, "If-Match is for changes of one item, given once, in the header or in the payload")
	}
	sequence, any, p := gateway.Match(values[0])
	if any && o == gateway.PutItem {
		return gateway.Invalid(gateway.MatchHeader, "put_item over NATS takes one tag in If-Match, not *")
	}
	c.IfMatch, c.HasIfMatch = sequence, !any && p == nil
	return p
}

// goSlowly does what takes many commands or reads the disk, on a goroutine of its own.
func (s *Server) goSlowly(c *call, m *gateway.Message, raw []byte) {
	select {
	case s.slow <- struct{}{}:
	default:
		c.problem = &gateway.Problem{Kind: gateway.Overloaded, Detail: "too many batches and lists are under way over NATS; nothing was done"}
		c.finish()
		return
	}
	go func() {
		defer func() { <-s.slow; c.finish() }()
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.AnswerWait)
		defer cancel()
		c.problem = guarded(func() (p *gateway.Problem) {
			switch c.endpoint.operation {
			case gateway.Batch:
				c.body, p = s.reader.Batch(ctx, nil, raw)
			case gateway.ListItems:
				c.body, _, p = s.reader.Items(ctx, nil, m.Limit, m.Cursor.S)
			case gateway.HistoryOf:
				c.body, _, p = s.reader.History(ctx, nil, m.SKU.S, m.Limit, m.Cursor.S)
			}
			return p
		})
	}()
}

// guarded turns a panic into an internal problem: one bad request must not end the process.
func guarded(do func() *gateway.Problem) (p *gateway.Problem) {
	defer func() {
		if r := recover(); r != nil {
			p = gateway.Failed(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return do()
}

// respond writes answers as they come.
func (s *Server) respond() {
	var b []byte
	for c := range s.done {
		b = c.send(b[:0])
		if cap(b) > bufferKeptMax {
			b = nil
		}
	}
}

// send writes the answer with the help of a buffer, which it returns, and ends the call.
func (c *call) send(b []byte) []byte {
	s, o := c.server, c.endpoint.operation
	if c.problem == nil && c.body == nil {
		c.problem = gateway.ProblemIn(&c.answer)
	}
	var header nats.Header
	if c.problem == nil {
		b, header = c.success(b)
		if most := s.conn.MaxPayload(); most > 0 && int64(len(b)+headerBytes) > most {
			c.problem = gateway.AnswerTooLarge(len(b), most)
		}
	}
	if c.problem != nil {
		s.logProblem(c)
		b = gateway.AppendProblem(b[:0], c.problem, c.requestID)
		header = nats.Header{
			micro.ErrorHeader:     {c.problem.Kind.Code},
			micro.ErrorCodeHeader: {strconv.Itoa(c.problem.Kind.Status)},
		}
	}
	if c.reply != "" {
		err := s.conn.PublishMsg(&nats.Msg{Subject: c.reply, Header: header, Data: b})
		if err != nil {
			s.log.Warn("answer not sent", "operation", o.Name, "error", err)
		}
	}
	took := time.Since(c.started)
	s.metrics.Answered(o, c.problem, took)
	c.endpoint.count(c.problem, took)
	c.problem, c.body, c.answer, c.command = nil, nil, engine.Answer{}, nil
	calls.Put(c)
	s.metrics.InFlight.Dec()
	s.inFlight.Add(-1)
	return b
}

// success writes the answer to a request that was neither refused nor failed.
func (c *call) success(b []byte) ([]byte, nats.Header) {
	if c.body != nil {
		return append(b, c.body...), nil
	}
	gateway.OrderLines(c.command, &c.answer)
	b = gateway.AppendAnswer(b, c.endpoint.operation.Op, &c.answer, c.server.cfg.Port.AppendReservationID)
	if c.answer.Replayed {
		return b, nats.Header{gateway.ReplayedHeader: {"true"}}
	}
	return b, nil
}

// logProblem logs what an operator has to know.
func (s *Server) logProblem(c *call) {
	level := slog.LevelDebug
	if c.problem.Cause != nil {
		level = slog.LevelError
		if c.requestID == "" {
			c.requestID = nats.NewInbox()[len(nats.InboxPrefix):]
		}
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	s.log.LogAttrs(context.Background(), level, "request refused",
		slog.String("request_id", c.requestID), slog.String("operation", c.endpoint.operation.Name),
		slog.String("code", c.problem.Kind.Code), slog.String("detail", c.problem.Detail), slog.Any("error", c.problem.Cause))
}
