package natsapi

import (
	"strings"

	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// tokenHeader has the token of a request. The service protocol does not tell who the connection of a
// request belongs to, and on a server of the user's own that could not be believed: so every request
// says who it is from, on whichever server it comes.
const tokenHeader = "Authorization"

// enter finds who sent a request, and whether he may do the operation at all.
func (s *Server) enter(o *gateway.Operation, req micro.Request, c *call) *gateway.Problem {
	if s.cfg.Guard == nil {
		return nil
	}
	c.who = gateway.Caller{Guard: s.cfg.Guard, Door: doorName, RequestID: c.requestID}
	if !s.cfg.Guard.Closed() {
		return nil
	}
	values := req.Headers()[tokenHeader]
	header := ""
	if len(values) > 0 {
		header = values[0]
	}
	grant, p := s.cfg.Guard.Enter(header, len(values))
	if p != nil {
		return p
	}
	c.who.Grant = grant
	return gateway.Denied(grant.Allows(o.Scopes()))
}

// look reads the reservation of a step, and goes on with the step if the caller may take it.
func (s *Server) look(c *call) {
	s.cfg.Port.Submit(gateway.Look(&c.message.Command), func(a *engine.Answer) {
		if _, p := gateway.Seen(c.who.Grant, engine.OpGetReservation, a); p != nil {
			c.finish(p, nil, nil)
			return
		}
		s.in.put(c)
	})
}

// answerable reports whether an answer may go to a subject. The subjects of Skua and of JetStream
// are not for answers: who asks there would have Skua, which may, say what he may not.
func answerable(reply string) bool {
	return !strings.HasPrefix(reply, "stock.") && !strings.HasPrefix(reply, "$")
}

// mayHaveID keeps what is no request id out of the log.
func mayHaveID(id string) bool {
	return len(id) <= gateway.RequestIDBytesMax && strings.IndexFunc(id, func(r rune) bool { return r <= ' ' || r >= 0x7f }) < 0
}
