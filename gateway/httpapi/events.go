package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// stream is one open event stream.
type stream struct {
	server *Server
	out    *exchange
	to     *http.ResponseController
	filter filter
	// index and n are the next movement to look at: n of the record at index.
	index uint64
	n     int
	// told is the index at the last id that the client has.
	told uint64
	// pending is what was written and not flushed.
	pending []byte
}

// filter says which movements a stream tells; an empty one says all. The grant shows some in part.
type filter struct {
	sku       string
	locations []string
	grant     *access.Grant
}

func (f *filter) shown(m *engine.Movement) *engine.Movement {
	if f.sku != "" && f.sku != m.SKU || len(f.locations) > 0 && !slices.Contains(f.locations, m.Level.Location) {
		return nil
	}
	return f.grant.Movement(m)
}

// flushAt is how much is gathered, in bytes, while more events are at hand.
const flushAt = 32 << 10

// events follows the durable log for one client, until it goes away.
func (s *Server) events(c echo.Context) error {
	started := time.Now()
	x := takeExchange(c)
	defer x.free()
	if p := s.guarded(x, s.stream); p != nil {
		x.reportAs("events", p)
		s.writeProblem(x, p)
		s.metrics.Answered(nil, p, time.Since(started))
	}
	return nil
}

func (s *Server) stream(x *exchange) *gateway.Problem {
	if p := s.admit(x, gateway.EventsScope); p != nil {
		return p
	}
	// What is kept is not known before the server is ready: a client that resumes must not be told
	// then that its events are gone.
	if p := s.unready(); p != nil {
		return p
	}
	st := &stream{server: s, out: x, to: http.NewResponseController(x.Response())}
	st.filter.grant = x.who.Grant
	if p := st.parse(); p != nil {
		return p
	}
	if s.streams.Add(1) > int64(s.cfg.StreamsMax) {
		s.streams.Add(-1)
		return &gateway.Problem{
			Kind: gateway.Overloaded, Detail: fmt.Sprintf("%d event streams are open, which is the most", s.cfg.StreamsMax),
		}
	}
	defer s.streams.Add(-1)
	s.metrics.Streams.Inc()
	defer s.metrics.Streams.Dec()

	ctx, cancel := context.WithCancel(x.Request().Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	if over := x.who.Grant.Over(); over != nil {
		go func() {
			select {
			case <-over: // The client finds out by its next request.
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	follower := s.cfg.Feed.Follow(st.index)
	err := st.run(ctx, follower)
	if closed := follower.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close the follower of the log: %w", closed))
	}
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, gateway.ErrGone) || errors.Is(err, errClientGone):
		// The client finds out by its next request, which resumes where this one ended.
		return nil
	}
	return gateway.Failed(err)
}

// parse reads what the client wants, and from where.
func (st *stream) parse() *gateway.Problem {
	query := st.out.QueryParams()
	for name, values := range query {
		switch {
		case name != "sku" && name != "location" && name != "from":
			return gateway.Invalid(cut(name), "the operation takes no parameter %.100q", name)
		case name != "location" && len(values) > 1:
			return gateway.Invalid(name, "%s must be given once", name)
		}
	}
	if values := query["sku"]; values != nil {
		if bad := engine.ValidName(values[0]); bad != "" {
			return gateway.Invalid("sku", "sku %s", bad)
		}
		if p := gateway.Denied(st.filter.grant.Item("sku", values[0])); p != nil {
			return p
		}
		st.filter.sku = values[0]
	}
	st.filter.locations = query["location"]
	if n := len(st.filter.locations); n > locationFiltersMax {
		return gateway.Invalid("location", "at most %d locations, there are %d", locationFiltersMax, n)
	}
	for _, location := range st.filter.locations {
		if bad := engine.ValidName(location); bad != "" {
			return gateway.Invalid("location", "location %s", bad)
		}
		if p := gateway.Denied(st.filter.grant.At("location", location)); p != nil {
			return p
		}
	}
	from := query.Get("from")
	if last := st.out.Request().Header.Get("Last-Event-ID"); last != "" {
		return st.resume("Last-Event-ID", last)
	}
	oldest, newest := st.server.cfg.Feed.Bounds()
	switch from {
	case "", "now":
		st.index = newest + 1
	case "oldest":
		st.index = max(1, oldest)
	default:
		return st.resume("from", from)
	}
	return nil
}

// resume begins right after an event.
func (st *stream) resume(field, id string) (p *gateway.Problem) {
	if st.index, st.n, p = gateway.ParseEventCursor(field, id); p != nil {
		return p
	}
	oldest, newest := st.server.cfg.Feed.Bounds()
	switch {
	case st.index < oldest:
		return &gateway.Problem{Kind: gateway.EventsGone, Field: field, Detail: "the events right after this one are not kept any more"}
	case st.index > newest+1:
		return &gateway.Problem{Kind: gateway.EventsGone, Field: field, Detail: "the log has not come so far: this is the id of an event of another log"}
	}
	st.told = st.index
	return nil
}

var errClientGone = errors.New("the client does not take its events")

func (st *stream) run(ctx context.Context, follower gateway.Follower) error {
	// The server's read deadline would end the stream: nothing more is to be read.
	if err := st.to.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	h := st.out.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	st.out.Response().WriteHeader(http.StatusOK)
	st.pending = append(st.pending, ": the stream is open\nretry: "...)
	st.pending = strconv.AppendInt(st.pending, streamRetry.Milliseconds(), 10)
	st.pending = append(st.pending, "\n\n"...)
	if err := st.flush(); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := st.between(ctx, follower); err != nil {
			return err
		}
		st.heartbeat()
		if err := st.flush(); err != nil {
			return err
		}
	}
	return nil
}

// between tells events until the next heartbeat is due. It looks at the time itself, since while there
// is much to catch up with the follower does not wait, and so does not.
func (st *stream) between(ctx context.Context, follower gateway.Follower) error {
	beat, cancel := context.WithTimeout(ctx, st.server.cfg.Heartbeat)
	defer cancel()
	for beat.Err() == nil {
		index, r, err := follower.Next(beat)
		if beat.Err() != nil && err != nil {
			return nil
		}
		if err != nil {
			return errors.Join(err, st.flush())
		}
		st.tell(index, r)
		if _, newest := st.server.cfg.Feed.Bounds(); index >= newest || len(st.pending) >= flushAt {
			if err := st.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// tell writes the movements of a record. The id of an event is the place after it, so that a
// client that has the last one of a record does not need the record any more.
func (st *stream) tell(index uint64, r *engine.Record) {
	skip := 0
	if index == st.index {
		skip = st.n
	}
	count := 0
	r.Movements(func(int, *engine.Movement) bool { count++; return true })
	r.Movements(func(n int, m *engine.Movement) bool {
		if n < skip {
			return true
		}
		shown := st.filter.shown(m)
		if shown == nil {
			return true
		}
		id := gateway.EventCursor(index, n+1)
		if n+1 == count {
			id = gateway.EventCursor(index+1, 0)
		}
		st.told = index + 1
		b := append(st.pending, "id: "...)
		b = append(b, id...)
		b = append(b, "\nevent: "...)
		b = append(b, shown.Type.String()...)
		b = append(b, "\ndata: "...)
		b = gateway.AppendMovement(b, shown, st.server.cfg.Port.AppendReservationID)
		st.pending = append(b, "\n\n"...)
		return true
	})
	st.index, st.n = index+1, 0
}

// heartbeat writes a comment. Where a filter let much pass by since the last event, it moves the
// client's place too, so that resuming does not read it all again.
func (st *stream) heartbeat() {
	st.pending = append(st.pending, ": still here\n"...)
	if st.told != 0 && st.index > st.told {
		st.pending = append(st.pending, "id: "+gateway.EventCursor(st.index, 0)+"\n"...)
		st.told = st.index
	}
	st.pending = append(st.pending, '\n')
}

// flush sends what is pending. A client that takes longer than the deadline is cut off.
func (st *stream) flush() error {
	if len(st.pending) == 0 {
		return nil
	}
	if err := st.to.SetWriteDeadline(time.Now().Add(streamWriteMax)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if _, err := st.out.Response().Write(st.pending); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	if err := st.to.Flush(); err != nil {
		return fmt.Errorf("%w: %w", errClientGone, err)
	}
	st.pending = st.pending[:0]
	return nil
}
