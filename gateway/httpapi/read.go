package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

func (s *Server) getItem(x *exchange) *gateway.Problem {
	sku, p := x.parameter("sku")
	if p != nil {
		return p
	}
	w := s.takeSlot(engine.OpGetItem)
	w.message.Command.SKU, w.grant = sku, x.who.Grant
	if p := gateway.Check(s.cfg.Port, &x.who, &w.message.Command, ""); p != nil {
		w.free()
		return p
	}
	if p := s.ask(w); p != nil {
		return p
	}
	tag := string(gateway.AppendTag(nil, w.sequence))
	x.header("Etag", tag)
	if tagListed(x.Request().Header[gateway.NoneHeader], tag) {
		x.Response().WriteHeader(http.StatusNotModified)
	} else {
		x.reply(http.StatusOK, jsonType, w.text)
	}
	w.free()
	return nil
}

// tagListed compares weakly, as If-None-Match does (RFC 9110, 13.1.2).
func tagListed(lists []string, tag string) bool {
	for _, list := range lists {
		for one := range strings.SplitSeq(list, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

func (s *Server) getReservation(x *exchange) *gateway.Problem {
	id, p := x.parameter("id")
	if p != nil {
		return p
	}
	w := s.takeSlot(engine.OpGetReservation)
	w.grant = x.who.Grant
	if p := gateway.Check(s.cfg.Port, &x.who, &w.message.Command, id); p != nil {
		w.free()
		return p
	}
	return s.submit(x, gateway.GetReservation, w)
}

// page reads limit and cursor.
func (x *exchange) page() (limit gateway.Integer, cursor string, p *gateway.Problem) {
	query := x.QueryParams()
	for name, values := range query {
		switch {
		case name != "limit" && name != "cursor":
			return limit, "", gateway.Invalid(name, "the operation takes no parameter %.100q", name)
		case len(values) > 1:
			return limit, "", gateway.Invalid(name, "%s must be given once", name)
		}
	}
	if text, given := query["limit"]; given {
		n, err := strconv.ParseInt(text[0], 10, 64)
		if err != nil {
			return limit, "", gateway.Invalid("limit", "limit must be a whole number from 1 to %d", gateway.PageMax)
		}
		limit = gateway.Integer{N: n, Set: true}
	}
	return limit, query.Get("cursor"), nil
}

// replyPage writes a page, with a link to the next one (RFC 8288).
func (x *exchange) replyPage(body []byte, next string) {
	if next != "" {
		query := x.Request().URL.Query()
		query.Set("cursor", next)
		x.Response().Header().Set("Link", "<"+x.Request().URL.EscapedPath()+"?"+query.Encode()+`>; rel="next"`)
	}
	x.out.b = body // It may have grown; the longer memory is kept.
	x.reply(http.StatusOK, jsonType, body)
}

func (s *Server) listItems(x *exchange) *gateway.Problem {
	limit, cursor, p := x.page()
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(x.Request().Context(), s.cfg.AnswerWait)
	defer cancel()
	body, next, p := s.reader.Items(ctx, &x.who, x.out.b[:0], limit, cursor)
	if p != nil {
		return p
	}
	x.replyPage(body, next)
	return nil
}

func (s *Server) history(x *exchange) *gateway.Problem {
	sku, p := x.parameter("sku")
	if p != nil {
		return p
	}
	limit, cursor, p := x.page()
	if p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(x.Request().Context(), s.cfg.AnswerWait)
	defer cancel()
	body, next, p := s.reader.History(ctx, &x.who, x.out.b[:0], sku, limit, cursor)
	if p != nil {
		return p
	}
	x.replyPage(body, next)
	return nil
}

func (s *Server) batch(x *exchange) *gateway.Problem {
	if p := gateway.NoConditions(x.Request().Header); p != nil {
		return p
	}
	raw := takeBuffer()
	defer raw.free()
	if p := x.body(raw, gateway.BatchBytesMax); p != nil {
		return p
	}
	ctx, cancel := context.WithTimeout(x.Request().Context(), s.cfg.AnswerWait)
	defer cancel()
	body, p := s.reader.Batch(ctx, &x.who, x.out.b[:0], raw.b)
	if p != nil {
		return p
	}
	x.out.b = body // It may have grown; the longer memory is kept.
	x.reply(http.StatusOK, jsonType, body)
	return nil
}

// cut keeps a problem from repeating all of a long name.
func cut(name string) string { return name[:min(len(name), 100)] }
