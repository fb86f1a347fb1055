package httpapi

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/gateway"
)

const (
	requestIDHeader = "X-Request-Id"
	problemType     = "application/problem+json"
	jsonType        = "application/json"
)

// exchange is one request and its answer.
type exchange struct {
	echo.Context
	requestID string
	who       gateway.Caller
	out       *buffer
	// values are those of the headers of the answer, in one allocation.
	values []string
	// held are the bytes of large bodies that all exchanges hold, and holds how many this one does.
	held  *atomic.Int64
	holds int64
}

// headersUsual is how many headers an answer has at most, as a rule.
const headersUsual = 5

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func takeExchange(c echo.Context) *exchange {
	x := exchanges.Get().(*exchange)
	x.Context, x.requestID, x.out = c, requestID(c.Request()), takeBuffer()
	x.header(requestIDHeader, x.requestID)
	return x
}

func (x *exchange) free() {
	x.out.free()
	if x.holds > 0 {
		x.held.Add(-x.holds)
	}
	*x = exchange{}
	exchanges.Put(x)
}

// header sets a header of the answer, by its canonical name.
func (x *exchange) header(name, value string) {
	if x.values == nil {
		x.values = make([]string, 0, headersUsual)
	}
	n := len(x.values)
	x.values = append(x.values, value)
	x.Response().Header()[name] = x.values[n : n+1 : n+1]
}

// handle makes a handler of one operation (nil for what is none): it names the request, counts
// it, and writes the problem that do returns.
func (s *Server) handle(o *gateway.Operation, do func(x *exchange) *gateway.Problem) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := time.Now()
		s.inFlight.Add(1)
		defer s.inFlight.Add(-1)
		x := takeExchange(c)
		x.held = &s.held
		p := s.enter(x, o)
		if p == nil {
			p = s.guarded(x, do)
		}
		if p != nil {
			x.report(o, p)
			s.writeProblem(x, p)
		}
		took := time.Since(started)
		s.metrics.Answered(o, p, took)
		if ctx := c.Request().Context(); p == nil && s.log.Enabled(ctx, slog.LevelDebug) {
			s.log.LogAttrs(ctx, slog.LevelDebug, "request answered",
				slog.String("request_id", x.requestID), slog.String("method", c.Request().Method),
				slog.String("path", c.Request().URL.Path), slog.Int("status", c.Response().Status), slog.Duration("took", took))
		}
		x.free()
		return nil
	}
}

// guarded turns a panic of the handler into an internal problem: one bad request must not look
// like a network failure to its client.
func (s *Server) guarded(x *exchange, do func(x *exchange) *gateway.Problem) (p *gateway.Problem) {
	defer func() {
		if r := recover(); r != nil {
			p = gateway.Failed(fmt.Errorf("panic: %v\n%s", r, debug.Stack()))
		}
	}()
	return do(x)
}

// requestID takes the id that the client gave, if it is fit to be logged, or makes one.
func requestID(r *http.Request) string {
	id := first(r.Header[requestIDHeader])
	if id == "" || len(id) > gateway.RequestIDBytesMax {
		return newRequestID()
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] >= 0x7f {
			return newRequestID()
		}
	}
	return id
}

// first is the first of the values of a header, or empty.
func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func newRequestID() string {
	const digits = "0123456789abcdef"
	var b [16]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = digits[n&15]
		n >>= 4
	}
	return string(b[:])
}

// reply writes an answer.
func (x *exchange) reply(status int, contentType string, body []byte) {
	w := x.Response()
	x.header("Content-Type", contentType)
	x.header("Content-Length", strconv.Itoa(len(body)))
	if x.Request().Method == http.MethodGet {
		x.header("Cache-Control", "no-cache")
	}
	w.WriteHeader(status)
	// An error means that the client is gone: there is nobody to tell.
	_, _ = w.Write(body)
}

func (s *Server) writeProblem(x *exchange, p *gateway.Problem) {
	s.logProblem(x, p)
	if x.Response().Committed {
		return
	}
	h := x.Response().Header()
	h.Del("Etag")
	h.Del("Location")
	if p.Kind == gateway.Unauthenticated {
		x.header("Www-Authenticate", `Bearer realm="skua"`)
	}
	if p.Kind.Retry {
		h.Set("Retry-After", strconv.Itoa(int(gateway.RetryAfter/time.Second)))
	}
	x.out.b = gateway.AppendProblem(x.out.b[:0], p, x.requestID)
	x.reply(p.Kind.Status, problemType, x.out.b)
}

// logProblem logs what an operator has to know. What clients did wrong is theirs, and shown only
// when debugging.
func (s *Server) logProblem(x *exchange, p *gateway.Problem) {
	level := slog.LevelDebug
	switch {
	case p.Cause != nil:
		level = slog.LevelError
	case p.Kind == gateway.AnswerTimeout && x.Request().Context().Err() == nil: // Else the client left before.
		level = slog.LevelWarn
	}
	ctx := x.Request().Context()
	if !s.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.requestID), slog.String("method", x.Request().Method),
		slog.String("path", x.Request().URL.Path), slog.Int("status", p.Kind.Status),
		slog.String("code", p.Kind.Code), slog.String("detail", p.Detail),
	}
	if p.Cause != nil {
		attrs = append(attrs, slog.Any("error", p.Cause))
	}
	s.log.LogAttrs(ctx, level, "request refused", attrs...)
}

// handleError answers what echo itself refuses: unknown paths and methods.
func (s *Server) handleError(err error, c echo.Context) {
	p := gateway.Failed(err)
	var he *echo.HTTPError
	if errors.As(err, &he) {
		switch he.Code {
		case http.StatusNotFound:
			p = &gateway.Problem{Kind: gateway.NotFound, Detail: "there is nothing at this path"}
		case http.StatusMethodNotAllowed:
			p = &gateway.Problem{Kind: gateway.MethodNotAllowed, Detail: "the path does not take " + c.Request().Method}
		}
	}
	// The handler always answers by itself, so there is no error to pass on.
	_ = s.handle(nil, func(*exchange) *gateway.Problem { return p })(c)
}

// parameter is a part of the path. Where the path came with escapes that matter (a slash within a
// SKU), the router matched it escaped, and the part is decoded here; otherwise it was decoded
// before.
func (x *exchange) parameter(name string) (string, *gateway.Problem) {
	raw := x.Param(name)
	if x.Request().URL.RawPath == "" {
		return raw, nil
	}
	s, err := url.PathUnescape(raw)
	if err != nil {
		return "", gateway.Invalid(name, "%s is not escaped well in the path", name)
	}
	return s, nil
}

// body reads the whole body into a buffer.
func (x *exchange) body(into *buffer, bytesMax int) *gateway.Problem {
	r := x.Request()
	if r.ContentLength > int64(bytesMax) {
		// Whoever waits for a leave to send the body has not sent it.
		return x.tooLarge(bytesMax, strings.EqualFold(r.Header.Get("Expect"), "100-continue"))
	}
	b := into.b[:0]
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
			if p := x.hold(int64(cap(b))); p != nil {
				return p
			}
		}
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		into.b = b
		if len(b) > bytesMax {
			return x.tooLarge(bytesMax, false)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return gateway.Invalid("", "the body ended early: %s", err)
		}
	}
	if len(b) == 0 {
		return nil
	}
	return checkType(r.Header)
}

// hold has a large body counted, and refuses it when there are too many of them: they are in memory
// for as long as their clients take to send them.
func (x *exchange) hold(bytes int64) *gateway.Problem {
	if bytes <= bufferKeptMax || x.held == nil {
		return nil
	}
	more := bytes - x.holds
	x.holds = bytes
	if x.held.Add(more) <= bodiesBytesMax {
		return nil
	}
	x.Response().Header().Set("Connection", "close")
	return &gateway.Problem{Kind: gateway.Overloaded, Detail: "too many large bodies are being sent; nothing was done"}
}

// tooLarge refuses a body. Most clients send all of it before they look for an answer, and would
// see a broken connection and no answer if the rest were not taken: it is, up to a bound, and thrown
// away.
func (x *exchange) tooLarge(bytesMax int, unsent bool) *gateway.Problem {
	ended := false
	if !unsent {
		_, err := io.CopyN(io.Discard, x.Request().Body, bodyDrainedMax)
		ended = errors.Is(err, io.EOF)
	}
	if !ended {
		x.Response().Header().Set("Connection", "close")
	}
	return &gateway.Problem{
		Kind: gateway.PayloadTooLarge, Detail: fmt.Sprintf("the body must be at most %d bytes", bytesMax),
	}
}

// curlType is what curl -d says that anything is, unless it is told otherwise. It is taken for JSON:
// the key that every change needs in a header keeps a browser's forms out.
const curlType = "application/x-www-form-urlencoded"

func checkType(h http.Header) *gateway.Problem {
	if given := first(h["Content-Type"]); given != "" && given != jsonType {
		media, _, _ := strings.Cut(given, ";")
		if media = strings.TrimSpace(media); !strings.EqualFold(media, jsonType) && !strings.EqualFold(media, curlType) {
			return &gateway.Problem{
				Kind: gateway.UnsupportedMediaType, Field: "Content-Type",
				Detail: fmt.Sprintf("Content-Type must be application/json, is %.100q", given),
			}
		}
	}
	if coding := first(h["Content-Encoding"]); coding != "" && !strings.EqualFold(coding, "identity") {
		return &gateway.Problem{
			Kind: gateway.UnsupportedMediaType, Field: "Content-Encoding", Detail: "a body must not be compressed",
		}
	}
	return nil
}
