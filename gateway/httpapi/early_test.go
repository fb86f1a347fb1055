package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/skua-stock/skua/gateway"
)

// TestTooLargeABodyIsStillAnswered: a client that sends all of its body before it looks for an
// answer gets the answer, and can use the connection again.
func TestTooLargeABodyIsStillAnswered(t *testing.T) {
	l := listen(stocked(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	ask := func(head string, body []byte) *http.Response {
		t.Helper()
		_, err := conn.Write([]byte(head + "\r\n\r\n"))
		if err == nil {
			_, err = conn.Write(body)
		}
		if err != nil {
			t.Fatalf("the server takes no more of a body that is too large: %v", err)
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		return res
	}
	const size = 20 << 20
	head := "POST /v1/batch HTTP/1.1\r\nHost: skua\r\nIdempotency-Key: k\r\n"
	for _, framing := range []struct {
		header string
		body   []byte
	}{
		{fmt.Sprintf("Content-Length: %d", size), make([]byte, size)},
		{"Transfer-Encoding: chunked", fmt.Appendf(nil, "%x\r\n%s\r\n0\r\n\r\n", size, bytes.Repeat([]byte(" "), size))},
	} {
		if res := ask(head+framing.header, framing.body); res.StatusCode != http.StatusRequestEntityTooLarge || res.Close {
			t.Errorf("%s: %d, close %v", framing.header, res.StatusCode, res.Close)
		}
	}
	if res := ask("GET /livez HTTP/1.1\r\nHost: skua", nil); res.StatusCode != http.StatusOK {
		t.Errorf("after it: %d", res.StatusCode)
	}
	// Who asks before sending is told at once.
	if res := ask(head+fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d", size), nil); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("with Expect: %d", res.StatusCode)
	}
}

// TestEventsAreNotGoneWhileTheServerStarts: what is kept is not known then, and a client that
// resumes would give up its place for nothing.
func TestEventsAreNotGoneWhileTheServerStarts(t *testing.T) {
	why := errors.New("recovering")
	d := open(t, func(c *Config) { c.Ready = func() error { return why } })
	r := d.refused(503, "SERVICE_UNAVAILABLE", "", "GET", "/v1/events", "", "Last-Event-ID: "+gateway.EventCursor(700, 0))
	if r.Header().Get("Retry-After") == "" {
		t.Error("without Retry-After")
	}
	why = nil
	d.refused(410, "EVENTS_GONE", "Last-Event-ID", "GET", "/v1/events", "", "Last-Event-ID: "+gateway.EventCursor(700, 0))
}

// TestBatchesAreCounted: a refusal within a batch is a refusal, for those who watch.
func TestBatchesAreCounted(t *testing.T) {
	reg := prometheus.NewRegistry()
	d := stocked(t, func(c *Config) {
		c.Metrics = gateway.NewMetrics(reg)
		c.MetricsHandler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	})
	d.must(200, "POST", "/v1/batch", `{"operations":[
		{"op":"receive","idempotency_key":"b1","sku":"A","location":"main","quantity":1},
		{"op":"receive","idempotency_key":"b2","sku":"A","location":"main","quantity":1},
		{"op":"reserve","idempotency_key":"b3","lines":[{"sku":"A","quantity":1000}]},
		{"op":"nonsense"}]}`)
	page := d.do("GET", "/metrics", "").Body.String()
	for _, line := range []string{
		`skua_door_batch_operations_total{code="OK",door="http",operation="receive"} 2`,
		`skua_door_batch_operations_total{code="INSUFFICIENT_STOCK",door="http",operation="reserve"} 1`,
		`skua_door_batch_operations_total{code="INVALID_REQUEST",door="http",operation="other"} 1`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
}

// TestLinesComeAsAsked: in the order of the request, few and many, alone and within a batch, and
// again in a replayed answer.
func TestLinesComeAsAsked(t *testing.T) {
	d := open(t)
	names := strings.Fields("zebra apple mango berry")
	var few, many, want, wantMany []string
	for _, name := range names {
		d.must(201, "PUT", "/v1/items/"+name, "")
		d.must(200, "POST", "/v1/items/"+name+"/receive", `{"location":"main","quantity":1000}`)
		few = append(few, `{"sku":"`+name+`","quantity":1}`)
		want = append(want, name)
	}
	for i := range 30 {
		many = append(many, `{"sku":"`+names[(i*3)%4]+`","quantity":1,"location":"main"}`)
	}
	wantMany = []string{"zebra", "berry", "mango", "apple"}
	check := func(lines any, want []string) {
		t.Helper()
		var got []string
		for _, l := range lines.([]any) {
			got = append(got, l.(map[string]any)["sku"].(string))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the lines are of %v, want %v", got, want)
		}
	}
	for range 2 {
		body := `{"lines":[` + strings.Join(few, ",") + `]}`
		check(d.must(201, "POST", "/v1/reservations", body, "Idempotency-Key: few").body["lines"], want)
		body = `{"lines":[` + strings.Join(many, ",") + `]}`
		check(d.must(201, "POST", "/v1/commitments", body, "Idempotency-Key: many").body["lines"], wantMany)
	}
	r := d.must(200, "POST", "/v1/batch", `{"operations":[{"op":"reserve","idempotency_key":"b","lines":[`+strings.Join(few, ",")+`]}]}`)
	check(r.body["results"].([]any)[0].(map[string]any)["lines"], want)
}

// TestRefusedItemSaysNothingOfUnits: where no units were asked for, none are named.
func TestRefusedItemSaysNothingOfUnits(t *testing.T) {
	d := open(t)
	d.refused(404, "ITEM_NOT_FOUND", "sku", "POST", "/v1/items/A/receive", `{"location":"main","quantity":7}`).
		has(t, `{"lines":[{"sku":"A","location":"main"}]}`)
	d.refused(404, "ITEM_NOT_FOUND", "lines", "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":7}]}`).
		has(t, `{"lines":[{"sku":"A","requested":7,"available":0}]}`)
}

// TestMetricsThatBreakAreAnInternalProblem: whoever watches is told, and so is the log.
func TestMetricsThatBreakAreAnInternalProblem(t *testing.T) {
	d := open(t, func(c *Config) {
		c.MetricsHandler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no metrics") })
	})
	if r := d.do("GET", "/metrics", ""); r.Code != 500 || r.body["code"] != "INTERNAL" {
		t.Errorf("%d %s", r.Code, r.Body)
	}
}
