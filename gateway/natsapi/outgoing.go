package natsapi

import (
	"context"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// outgoing is where answers wait for the responder, as the bytes that they are sent as. They come
// in bursts, many from one goroutine that must not wait: it writes each while it is lent, and wakes
// the responder for the first. There is room for as many as can be in flight.
type outgoing struct {
	mu sync.Mutex
	burst
	wake chan struct{}
}

// burst is a number of answers. text has those of single commands, one after the other.
type burst struct {
	answers []answer
	text    []byte
}

// answer is one request that is over.
type answer struct {
	endpoint  *endpoint
	reply     string
	requestID string
	started   time.Time
	// problem is nil for a success, and body nil where text has the answer.
	problem  *gateway.Problem
	replayed bool
	body     *[]byte
	from, to int
}

// put files what a call came to: a problem, a body that is written already, or an answer.
func (o *outgoing) put(c *call, p *gateway.Problem, body *[]byte, a *engine.Answer) {
	if a != nil {
		a, p = gateway.Seen(c.who.Grant, c.endpoint.operation.Op, a)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := answer{
		endpoint: c.endpoint, reply: c.reply, requestID: c.requestID, started: c.started, problem: p, body: body, from: len(o.text),
	}
	switch {
	case p != nil:
		o.text = gateway.AppendProblem(o.text, p, c.requestID)
	case a != nil:
		gateway.OrderLines(&c.message.Command, a)
		o.text = gateway.AppendAnswer(o.text, c.endpoint.operation.Op, a, c.server.id)
		out.replayed = a.Replayed
	}
	out.to = len(o.text)
	o.answers = append(o.answers, out)
	if len(o.answers) == 1 {
		select {
		case o.wake <- struct{}{}: // While locked: once the answer is taken the channel may be closed.
		default: // It was not seen yet, and will be.
		}
	}
}

// swap takes what there is, and leaves an empty burst.
func (o *outgoing) swap(empty burst) burst {
	o.mu.Lock()
	defer o.mu.Unlock()
	full := o.burst
	o.burst = empty
	return full
}

// reset empties a burst, to be used again.
func (b *burst) reset() {
	clear(b.answers)
	b.answers, b.text = b.answers[:0], b.text[:0]
	if cap(b.answers) > answersKeptMax {
		b.answers = nil
	}
	if cap(b.text) > textKeptMax {
		b.text = nil
	}
}

// respond sends answers as they come.
func (s *Server) respond() {
	var b burst
	for range s.out.wake {
		runtime.Gosched() // As in submit: a burst is sent at once.
		b = s.out.swap(b)
		now, most := time.Now(), s.conn.MaxPayload()
		for i := range b.answers {
			a := &b.answers[i]
			body := b.text[a.from:a.to]
			if a.body != nil {
				body = *a.body
			}
			s.send(a, body, most)
			s.count(a, now.Sub(a.started))
			if a.body != nil {
				freeBody(a.body)
			}
		}
		n := int64(len(b.answers))
		b.reset()
		s.inFlight.Add(-n)
	}
}

func (s *Server) count(a *answer, took time.Duration) {
	s.metrics.Answered(a.endpoint.operation, a.problem, took)
	a.endpoint.count(a.problem, took)
}

// send sends one answer, or the problem that it is too large.
func (s *Server) send(a *answer, body []byte, most int64) {
	if a.problem == nil && most > 0 && int64(len(body)+headerBytes) > most {
		a.problem = gateway.AnswerTooLarge(len(body), most)
		body = gateway.AppendProblem(nil, a.problem, a.requestID)
	}
	if a.problem != nil {
		s.logProblem(a)
	}
	if a.reply == "" {
		return
	}
	var err error
	switch {
	case a.problem != nil:
		err = s.conn.PublishMsg(&nats.Msg{Subject: a.reply, Header: s.problemHeaders[a.problem.Kind], Data: body})
	case a.replayed:
		err = s.conn.PublishMsg(&nats.Msg{Subject: a.reply, Header: replayedHeader, Data: body})
	default:
		err = s.conn.Publish(a.reply, body)
	}
	if err != nil {
		s.log.Warn("answer not sent", "operation", a.endpoint.operation.Name, "error", err)
	}
}

var replayedHeader = nats.Header{gateway.ReplayedHeader: {"true"}}

// problemHeaders are the headers of every kind of problem. They are only read.
func problemHeaders() map[*gateway.ProblemKind]nats.Header {
	headers := make(map[*gateway.ProblemKind]nats.Header)
	for _, k := range gateway.Kinds() {
		headers[k] = nats.Header{micro.ErrorHeader: {k.Code}, micro.ErrorCodeHeader: {strconv.Itoa(k.Status)}}
	}
	return headers
}

// logProblem logs what an operator has to know.
func (s *Server) logProblem(a *answer) {
	level := slog.LevelDebug
	if a.problem.Cause != nil {
		level = slog.LevelError
	}
	if !s.log.Enabled(context.Background(), level) {
		return
	}
	s.log.LogAttrs(context.Background(), level, "request refused",
		slog.String("request_id", a.requestID), slog.String("operation", a.endpoint.operation.Name),
		slog.String("code", a.problem.Kind.Code), slog.String("detail", a.problem.Detail), slog.Any("error", a.problem.Cause))
}

// bodies are buffers for answers that are written before they are filed, as those of batches.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

func takeBody() *[]byte { return bodies.Get().(*[]byte) }

func freeBody(b *[]byte) {
	if cap(*b) <= textKeptMax {
		*b = (*b)[:0]
		bodies.Put(b)
	}
}
