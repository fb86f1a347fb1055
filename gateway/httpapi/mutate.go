package httpapi

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// mutate handles every operation that changes something.
func (s *Server) mutate(o *gateway.Operation) echo.HandlerFunc {
	return s.handle(o, func(x *exchange) *gateway.Problem {
		w := s.takeSlot(o.Op)
		id, p := x.command(o, &w.message)
		if p == nil {
			p = s.mustExist(x, o)
		}
		if p == nil {
			p = gateway.Check(s.cfg.Port, &x.who, &w.message.Command, id)
		}
		if p == nil && x.who.MustLook(o.Op) {
			p = s.look(x, &w.message.Command)
		}
		if p != nil {
			w.free()
			return p
		}
		return s.submit(x, o, w)
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
	match, none := h[gateway.MatchHeader], h[gateway.NoneHeader]
	switch {
	case match == nil && none == nil:
		return nil
	case !o.Item() && match != nil:
		return gateway.Invalid(gateway.MatchHeader, "If-Match is for items; a reservation has no ETag, and its steps say themselves when they come too late")
	case none != nil && (o != gateway.PutItem || match != nil || len(none) > 1 || none[0] != "*"):
		return gateway.Invalid(gateway.NoneHeader, "If-None-Match is for GET, and with * for PUT: create, never replace")
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
	if p := x.who.Admit(&engine.Command{Op: o.Op, SKU: sku}); p != nil {
		return p
	}
	w := s.takeSlot(engine.OpGetItem)
	w.message.Command.SKU = sku
	if p = s.ask(w); p != nil && p.Kind == gateway.KindOf(engine.ItemNotFound) {
		p = gateway.Refused(&engine.Refusal{
			Code: engine.VersionConflict, Field: gateway.MatchHeader, Detail: "the item does not exist",
		})
	}
	if p == nil {
		w.free()
	}
	return p
}

// look says whether the caller may step on a reservation.
func (s *Server) look(x *exchange, step *engine.Command) *gateway.Problem {
	w := s.takeSlot(engine.OpGetReservation)
	w.message.Command, w.grant = *gateway.Look(step), x.who.Grant
	p := s.ask(w)
	if p == nil {
		w.free()
	}
	return p
}

// ask hands over the command of a slot and waits for what comes of it. After a problem the slot is
// not to be used again.
func (s *Server) ask(w *slot) *gateway.Problem {
	s.intake.Submit(&w.message.Command, w.put)
	if !w.wait(s.cfg.AnswerWait) {
		return s.timedOut()
	}
	p := w.problem
	if p != nil {
		w.free()
	}
	return p
}

// submit hands over the command of a slot and writes its answer.
func (s *Server) submit(x *exchange, o *gateway.Operation, w *slot) *gateway.Problem {
	if p := s.ask(w); p != nil {
		if p.Field == gateway.MatchHeader && x.Request().Header[gateway.NoneHeader] != nil {
			p.Field = gateway.NoneHeader // The engine knows one condition: the sequence.
		}
		return p
	}
	if o.Item() {
		x.header("Etag", string(gateway.AppendTag(nil, w.sequence)))
	}
	if w.replayed {
		x.header(gateway.ReplayedHeader, "true")
	}
	switch {
	case w.status != http.StatusCreated:
	case o.Item():
		x.header("Location", "/v1/items/"+url.PathEscape(w.message.Command.SKU))
	default:
		b := append(x.out.b[:0], "/v1/reservations/"...)
		x.header("Location", string(s.id(b, w.ref)))
	}
	x.reply(w.status, jsonType, w.text)
	w.free()
	return nil
}

func (s *Server) timedOut() *gateway.Problem {
	return gateway.TimedOut(s.cfg.AnswerWait)
}
