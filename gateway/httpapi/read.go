package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

func (s *Server) getItem(c echo.Context) error {
	return s.handle(gateway.GetItem, func(x *exchange) *gateway.Problem {
		sku, p := x.parameter("sku")
		if p != nil {
			return p
		}
		cmd := &engine.Command{Op: engine.OpGetItem, SKU: sku}
		if p := gateway.Check(s.cfg.Port, cmd, ""); p != nil {
			return p
		}
		a, p := s.ask(x, cmd)
		if p == nil {
			p = gateway.ProblemIn(&a)
		}
		if p != nil {
			return p
		}
		tag := string(gateway.AppendTag(nil, a.Item.Sequence))
		x.Response().Header()["Etag"] = []string{tag}
		if tagListed(x.Request().Header.Values("If-None-Match"), tag) {
			x.Response().WriteHeader(http.StatusNotModified)
			return nil
		}
		x.reply(http.StatusOK, jsonType, gateway.AppendItem(x.out.b[:0], a.Item))
		return nil
	})(c)
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

func (s *Server) getReservation(c echo.Context) error {
	return s.handle(gateway.GetReservation, func(x *exchange) *gateway.Problem {
		id, p := x.parameter("id")
		if p != nil {
			return p
		}
		cmd := &engine.Command{Op: engine.OpGetReservation}
		if p := gateway.Check(s.cfg.Port, cmd, id); p != nil {
			return p
		}
		return s.submit(x, gateway.GetReservation, cmd)
	})(c)
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
	x.reply(http.StatusOK, jsonType, body)
}

func (s *Server) listItems(c echo.Context) error {
	return s.handle(gateway.ListItems, func(x *exchange) *gateway.Problem {
		limit, cursor, p := x.page()
		if p != nil {
			return p
		}
		ctx, cancel := context.WithTimeout(x.Request().Context(), s.cfg.AnswerWait)
		defer cancel()
		body, next, p := s.reader.Items(ctx, x.out.b[:0], limit, cursor)
		if p != nil {
			return p
		}
		x.replyPage(body, next)
		return nil
	})(c)
}

func (s *Server) history(c echo.Context) error {
	return s.handle(gateway.HistoryOf, func(x *exchange) *gateway.Problem {
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
		body, next, p := s.reader.History(ctx, x.out.b[:0], sku, limit, cursor)
		if p != nil {
			return p
		}
		x.replyPage(body, next)
		return nil
	})(c)
}

func (s *Server) batch(c echo.Context) error {
	return s.handle(gateway.Batch, func(x *exchange) *gateway.Problem {
		raw := takeBuffer()
		defer raw.free()
		if p := x.body(raw, gateway.BatchBytesMax); p != nil {
			return p
		}
		ctx, cancel := context.WithTimeout(x.Request().Context(), s.cfg.AnswerWait)
		defer cancel()
		body, p := s.reader.Batch(ctx, x.out.b[:0], raw.b)
		if p != nil {
			return p
		}
		x.reply(http.StatusOK, jsonType, body)
		return nil
	})(c)
}

// cut keeps a problem from repeating all of a long name.
func cut(name string) string { return name[:min(len(name), 100)] }
