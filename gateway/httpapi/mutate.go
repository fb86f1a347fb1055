package httpapi

import (
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// mutate handles every operation that changes something.
func (s *Server) mutate(o *gateway.Operation) echo.HandlerFunc {
	return s.handle(o, func(x *exchange) *gateway.Problem {
		m := new(gateway.Message)
		c := &m.Command
		id, p := x.command(o, m)
		if p != nil {
			return p
		}
		if p := s.mustExist(x, o); p != nil {
			return p
		}
		if p := gateway.Check(s.cfg.Port, c, id); p != nil {
			return p
		}
		return s.submit(x, o, c)
	})
}

// command reads a request. The key comes first, since its lack comes before all other refusals.
func (x *exchange) command(o *gateway.Operation, m *gateway.Message) (id string, p *gateway.Problem) {
	c := &m.Command
	c.Op = o.Op
	if c.Key, p = x.key(); p != nil {
		return "", p
	}
	if c.Key == "" {
		r := c.Validate()
		return "", gateway.Refused(&r)
	}
	body := takeBuffer()
	defer body.free()
	if p = x.body(body, gateway.BodyBytesMax); p != nil {
		return "", p
	}
	if p = o.DecodeBody(body.b, m); p != nil {
		return "", p
	}
	if o.Item() {
		if c.SKU, p = x.parameter("sku"); p != nil {
			return "", p
		}
	} else if o.Op.Step() {
		if id, p = x.parameter("id"); p != nil {
			return "", p
		}
	}
	return id, x.conditions(o, c)
}

func (x *exchange) key() (string, *gateway.Problem) {
	values := x.Request().Header[gateway.KeyHeader]
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return gateway.Key(values[0])
	}
	return "", gateway.Invalid(gateway.KeyHeader, "an idempotency key must be given once")
}

// conditions reads If-Match and If-None-Match.
func (x *exchange) conditions(o *gateway.Operation, c *engine.Command) *gateway.Problem {
	h := x.Request().Header
	match, none := h[gateway.MatchHeader], h["If-None-Match"]
	switch {
	case match == nil && none == nil:
		return nil
	case !o.Item() && match != nil:
		return gateway.Invalid(gateway.MatchHeader, "If-Match is for items; a reservation has no ETag, and its steps say themselves when they come too late")
	case none != nil && (o != gateway.PutItem || match != nil || len(none) > 1 || none[0] != "*"):
		return gateway.Invalid("If-None-Match", "If-None-Match is for GET, and with * for PUT: create, never replace")
	case none != nil:
		c.HasIfMatch = true // At sequence 0: it does not exist.
		return nil
	case len(match) > 1:
		return gateway.Invalid(gateway.MatchHeader, "If-Match must be given once")
	}
	sequence, any, p := gateway.Match(match[0])
	c.IfMatch, c.HasIfMatch = sequence, !any
	if p != nil {
		c.HasIfMatch = false
	}
	return p
}

// mustExist answers a PUT with If-Match: *, which is for items that exist. Items are never
// deleted, so looking before is as good as looking within the turn.
func (s *Server) mustExist(x *exchange, o *gateway.Operation) *gateway.Problem {
	if match := x.Request().Header[gateway.MatchHeader]; o != gateway.PutItem || match == nil || match[0] != "*" {
		return nil
	}
	sku, p := x.parameter("sku")
	if p != nil {
		return p
	}
	a, p := s.ask(x, &engine.Command{Op: engine.OpGetItem, SKU: sku})
	if p != nil {
		return p
	}
	if a.Refusal.Code == engine.ItemNotFound {
		return gateway.Refused(&engine.Refusal{
			Code: engine.VersionConflict, Field: gateway.MatchHeader, Detail: "the item does not exist",
		})
	}
	return gateway.ProblemIn(&a)
}

// ask hands a command over and returns a copy of its answer.
func (s *Server) ask(x *exchange, c *engine.Command) (engine.Answer, *gateway.Problem) {
	w := slots.Get().(*slot)
	s.cfg.Port.Submit(c, w.put)
	if !w.wait(x.Request().Context(), s.cfg.AnswerWait) {
		return engine.Answer{}, s.timedOut()
	}
	a := w.answer
	w.free()
	return a, nil
}

// submit hands a command over and writes its answer.
func (s *Server) submit(x *exchange, o *gateway.Operation, c *engine.Command) *gateway.Problem {
	w := slots.Get().(*slot)
	s.cfg.Port.Submit(c, w.put)
	if !w.wait(x.Request().Context(), s.cfg.AnswerWait) {
		return s.timedOut()
	}
	defer w.free()
	a := &w.answer
	if p := gateway.ProblemIn(a); p != nil {
		return p
	}
	gateway.OrderLines(c, a)
	status := gateway.StatusOf(o.Op, a)
	h := x.Response().Header()
	if o.Item() {
		h["Etag"] = []string{string(gateway.AppendTag(nil, a.Sequence))}
	}
	if a.Replayed {
		h[gateway.ReplayedHeader] = []string{"true"}
	}
	switch {
	case status != 201:
	case o.Item():
		h["Location"] = []string{"/v1/items/" + url.PathEscape(a.SKU)}
	default:
		h["Location"] = []string{string(s.cfg.Port.AppendReservationID([]byte("/v1/reservations/"), a.Reservation.Ref))}
	}
	x.reply(status, jsonType, gateway.AppendAnswer(x.out.b[:0], o.Op, a, s.cfg.Port.AppendReservationID))
	return nil
}

func (s *Server) timedOut() *gateway.Problem {
	return gateway.TimedOut(s.cfg.AnswerWait)
}
