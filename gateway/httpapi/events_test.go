package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/gateway"
)

// event is one event as a client reads it.
type event struct {
	id, name string
	data     gateway.Movement
}

// listener serves the door on a socket and reads one stream of it.
type listener struct {
	*door
	url string
}

func listen(d *door) *listener {
	d.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.server.Serve(l) }()
	d.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := d.server.Shutdown(ctx); err != nil {
			d.Error(err)
		}
		if err := <-done; err != nil {
			d.Error(err)
		}
	})
	return &listener{d, "http://" + l.Addr().String()}
}

// follow opens a stream. The channel is closed when the stream ends.
func (l *listener) follow(query string, headers ...string) (<-chan event, func()) {
	l.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+"/v1/events"+query, nil)
	if err != nil {
		l.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		l.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		l.Fatalf("open a stream: %d %v", res.StatusCode, res.Header)
	}
	events := make(chan event, 100)
	go func() {
		defer close(events)
		defer res.Body.Close()
		var e event
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.name = value
			case "data":
				if err := json.Unmarshal([]byte(value), &e.data); err != nil {
					l.Error(err)
				}
			case "":
				if e.name != "" || e.id != "" {
					events <- e
				}
				e = event{}
			}
		}
	}()
	return events, cancel
}

func next(t *testing.T, events <-chan event) event {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
	}
	panic("unreachable")
}

func TestEvents(t *testing.T) {
	d := stocked(t)
	l := listen(d)
	live, stop := l.follow("")
	defer stop()
	d.must(201, "PUT", "/v1/items/B", "")
	d.must(200, "POST", "/v1/items/B/receive", `{"location":"back","quantity":9}`)
	r := d.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":1},{"sku":"B","quantity":2}]}`)
	d.must(200, "POST", "/v1/reservations/"+r.body["id"].(string)+"/confirm", "")

	var all []event
	for range 6 {
		all = append(all, next(t, live))
	}
	var got []string
	for _, e := range all {
		if e.name != e.data.Type || e.id == "" {
			t.Errorf("%+v", e)
		}
		got = append(got, e.name+" "+e.data.SKU+"@"+e.data.Location)
	}
	want := []string{
		"stock.item_created B@", "stock.received B@back", "stock.reserved A@main", "stock.reserved B@back",
		"stock.reservation_confirmed A@main", "stock.reservation_confirmed B@back",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if all[2].data.ReservationID != r.body["id"] {
		t.Errorf("reservation_id %q", all[2].data.ReservationID)
	}
	// Resuming after any event, in the middle of a record too, tells exactly the rest.
	for i := range all[:5] {
		for _, open := range []func() (<-chan event, func()){
			func() (<-chan event, func()) { return l.follow("", "Last-Event-ID: "+all[i].id) },
			func() (<-chan event, func()) { return l.follow("?from=" + all[i].id) },
		} {
			rest, stop := open()
			for j := i + 1; j < len(all); j++ {
				if diff := cmp.Diff(all[j], next(t, rest), cmp.AllowUnexported(event{})); diff != "" {
					t.Errorf("resumed after %d:\n%s", i, diff)
				}
			}
			stop()
		}
	}
	oldest, stop := l.follow("?from=oldest&sku=A")
	defer stop()
	for i, name := range []string{"stock.item_created", "stock.received", "stock.reserved", "stock.reservation_confirmed"} {
		if e := next(t, oldest); e.name != name || e.data.SKU != "A" || e.data.Sequence != uint64(i+1) {
			t.Errorf("event %d of A: %+v", i, e)
		}
	}
	back, stop := l.follow("?from=oldest&location=back&location=elsewhere")
	defer stop()
	for _, name := range []string{"stock.received", "stock.reserved", "stock.reservation_confirmed"} {
		if e := next(t, back); e.name != name || e.data.Location != "back" {
			t.Errorf("events at back: %+v", e)
		}
	}
}

func TestEventsThatAreGone(t *testing.T) {
	d := stocked(t)
	l := listen(d)
	events, stop := l.follow("?from=oldest")
	first, second := next(t, events), next(t, events)
	stop()
	d.shop.Forget(2)
	d.refused(410, "EVENTS_GONE", "Last-Event-ID", "GET", "/v1/events", "", "Last-Event-ID: "+first.id)
	d.refused(410, "EVENTS_GONE", "from", "GET", "/v1/events?from="+gateway.EventCursor(4, 0), "")
	// The client that had them all misses nothing, though its last record is gone.
	events, stop = l.follow("", "Last-Event-ID: "+second.id)
	defer stop()
	d.must(201, "PUT", "/v1/items/C", "")
	if e := next(t, events); e.data.SKU != "C" {
		t.Errorf("%+v", e)
	}
}

// TestHeartbeats: a quiet stream gets comments, and one whose filter lets much pass by moves on.
func TestHeartbeats(t *testing.T) {
	d := stocked(t, func(c *Config) { c.Heartbeat = 5 * time.Millisecond })
	l := listen(d)
	events, stop := l.follow("?from=oldest&sku=A")
	next(t, events)
	next(t, events)
	d.must(201, "PUT", "/v1/items/B", "")
	e := next(t, events)
	if e.name != "" || e.id != gateway.EventCursor(4, 0) {
		t.Fatalf("a place without an event: %+v", e)
	}
	stop()
	events, stop = l.follow("?sku=A", "Last-Event-ID: "+e.id)
	defer stop()
	d.must(200, "POST", "/v1/items/A/receive", `{"location":"main","quantity":1}`)
	if e := next(t, events); e.data.SKU != "A" || e.data.Sequence != 3 {
		t.Errorf("%+v", e)
	}
}

func TestStreamsAreBoundedAndEnd(t *testing.T) {
	d := stocked(t, func(c *Config) { c.StreamsMax = 2 })
	l := listen(d)
	one, stop := l.follow("")
	two, stopTwo := l.follow("")
	defer stopTwo()
	d.refused(503, "OVERLOADED", "", "GET", "/v1/events", "")
	stop()
	for range one {
	}
	deadline := time.Now().Add(20 * time.Second)
	for d.server.streams.Load() > 1 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	three, stopThree := l.follow("")
	defer stopThree()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := d.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	for range two {
	}
	for range three {
	}
	d.refused(503, "SERVICE_UNAVAILABLE", "", "GET", "/v1/events", "")
	d.refused(503, "SERVICE_UNAVAILABLE", "", "GET", "/readyz", "")
}
