package natsapi

import (
	"context"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// call is one request under way.
type call struct {
	server    *Server
	endpoint  *endpoint
	reply     string
	requestID string
	started   time.Time
	message   gateway.Message
	who       gateway.Caller
	// put is the method answered, bound once so that handing it over allocates nothing.
	put func(*engine.Answer)
}

var calls = sync.Pool{New: func() any { return new(call) }}

// answered files the answer while it is lent.
func (c *call) answered(a *engine.Answer) { c.finish(nil, nil, a) }

// finish files what the call came to, and ends it. It never waits for the connection.
func (c *call) finish(p *gateway.Problem, body *[]byte, a *engine.Answer) {
	if p != nil && (p.Cause != nil || p.Access != access.None) && c.requestID == "" {
		c.requestID = nats.NewInbox()[len(nats.InboxPrefix):]
	}
	if p != nil && p.Access != access.None {
		c.who.RequestID = c.requestID
		c.who.Report(c.endpoint.operation.Name, p)
	}
	c.server.out.put(c, p, body, a)
	c.message.Reset()
	c.reply, c.requestID, c.who = "", "", gateway.Caller{}
	calls.Put(c)
}

// refuse answers at once, past the responder, which may have stopped, and for whom there may be too
// much already. The handler waits for the connection then, and takes no more requests meanwhile.
func (c *call) refuse(kind *gateway.ProblemKind, detail string) {
	a := answer{
		endpoint: c.endpoint, reply: c.reply, requestID: c.requestID, started: c.started,
		problem: &gateway.Problem{Kind: kind, Detail: detail},
	}
	c.server.send(&a, gateway.AppendProblem(nil, a.problem, a.requestID), 0)
	c.server.count(&a, time.Since(a.started))
	c.server.inFlight.Add(-1)
}

const requestIDHeader = "X-Request-Id"

// handler decodes the requests of one operation and hands them over.
func (s *Server) handler(e *endpoint) func(micro.Request) {
	o := e.operation
	return func(req micro.Request) {
		c := s.begin(e, req)
		if c == nil {
			return
		}
		p := guarded(func() *gateway.Problem { return s.decode(o, req, c) })
		switch {
		case p != nil:
			c.finish(p, nil, nil)
		case c.who.MustLook(o.Op):
			s.look(c)
		case o == gateway.ListItems || o == gateway.HistoryOf || o == gateway.Batch:
			s.goSlowly(c, req.Data())
		default:
			s.in.put(c)
		}
	}
}

// begin takes a request, or refuses it at once and returns nil.
func (s *Server) begin(e *endpoint, req micro.Request) *call {
	c := calls.Get().(*call)
	if c.put == nil {
		c.put = c.answered
	}
	c.server, c.endpoint, c.reply, c.started = s, e, req.Reply(), time.Now()
	if !answerable(c.reply) {
		c.reply = "" // Nobody is answered there.
	}
	if h := req.Headers(); h != nil {
		if id := h.Get(requestIDHeader); mayHaveID(id) {
			c.requestID = id
		}
	}
	n := s.inFlight.Add(1)
	switch {
	case s.stopped.Load():
		c.refuse(gateway.Unavailable, "the server is stopping")
	case n > inFlightMax:
		c.refuse(gateway.Overloaded, "too many requests are in flight over NATS; nothing was done")
	default:
		return c
	}
	return nil
}

// decode reads payload and headers, of those who may send them.
func (s *Server) decode(o *gateway.Operation, req micro.Request, c *call) *gateway.Problem {
	if p := s.enter(o, req, c); p != nil {
		return p
	}
	m := &c.message
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
		return gateway.NoConditions(req.Headers())
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
	return gateway.Check(s.cfg.Port, &c.who, &m.Command, m.ID.S)
}

// readHeaders reads the key and the conditions, which may be in the headers or in the payload.
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
	return conditions(o, h, c)
}

// conditions reads If-Match, and If-None-Match: * of put_item.
func conditions(o *gateway.Operation, h nats.Header, c *engine.Command) *gateway.Problem {
	values, none := h[gateway.MatchHeader], h[gateway.NoneHeader]
	switch {
	case len(none) > 0 && (o != gateway.PutItem || len(none) > 1 || none[0] != "*" || len(values) > 0 || c.HasIfMatch):
		return gateway.Invalid(gateway.NoneHeader, "If-None-Match is * for put_item, and no other condition with it: create, never replace")
	case len(none) > 0:
		c.HasIfMatch = true // At sequence 0: it does not exist.
		return nil
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

// admitSlow lets in a request of so many bytes that is to be done slowly, if there is room. One
// alone always has room for its bytes.
func (s *Server) admitSlow(size int64) bool {
	if s.slowBytes.Add(size) <= slowBytesMax || len(s.slow) == 0 {
		select {
		case s.slow <- struct{}{}:
			return true
		default:
		}
	}
	s.slowBytes.Add(-size)
	return false
}

// goSlowly does what takes many commands or reads the disk, on a goroutine of its own.
func (s *Server) goSlowly(c *call, raw []byte) {
	size := int64(len(raw))
	if !s.admitSlow(size) {
		p := &gateway.Problem{Kind: gateway.Overloaded, Detail: "too many batches and lists are under way over NATS; nothing was done"}
		c.finish(p, nil, nil)
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.AnswerWait)
		defer cancel()
		body := takeBody()
		p := guarded(func() (p *gateway.Problem) {
			m := &c.message
			switch c.endpoint.operation {
			case gateway.Batch:
				*body, p = s.reader.Batch(ctx, &c.who, *body, raw)
			case gateway.ListItems:
				*body, _, p = s.reader.Items(ctx, &c.who, *body, m.Limit, m.Cursor.S)
			case gateway.HistoryOf:
				*body, _, p = s.reader.History(ctx, &c.who, *body, m.SKU.S, m.Limit, m.Cursor.S)
			}
			return p
		})
		<-s.slow
		s.slowBytes.Add(-size)
		if p != nil {
			freeBody(body)
			body = nil
		}
		c.finish(p, body, nil)
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
