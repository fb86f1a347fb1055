package httpapi

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/gatewaytest"
)

// door is the HTTP door before a whole engine in memory.
type door struct {
	*testing.T
	shop   *gatewaytest.Shop
	server *Server
	config Config
}

func open(t *testing.T, change ...func(*Config)) *door {
	t.Helper()
	shop := gatewaytest.New()
	cfg := Config{
		Port: shop, Books: shop, Feed: shop, Metrics: gateway.NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), Version: "1.2.3",
	}
	for _, f := range change {
		f(&cfg)
	}
	return &door{T: t, shop: shop, server: New(cfg), config: cfg}
}

type reply struct {
	*httptest.ResponseRecorder
	body map[string]any
}

// do sends one request. Headers are "Name: value"; a mutation gets the key "k" plus the number of
// records, unless there is one.
func (d *door) do(method, path, body string, headers ...string) reply {
	d.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method != http.MethodGet {
		req.Header.Set("Idempotency-Key", freshKey())
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ":")
		if value = strings.TrimSpace(value); value == "" {
			req.Header.Del(name)
		} else {
			req.Header.Set(name, value)
		}
	}
	rec := httptest.NewRecorder()
	d.server.Handler().ServeHTTP(rec, req)
	r := reply{ResponseRecorder: rec}
	if strings.Contains(rec.Header().Get("Content-Type"), "json") {
		dec := json.NewDecoder(strings.NewReader(rec.Body.String()))
		dec.UseNumber()
		if err := dec.Decode(&r.body); err != nil {
			d.Fatalf("%s %s: the answer is not JSON: %v\n%s", method, path, err, rec.Body)
		}
	}
	return r
}

var keys int

func freshKey() string { keys++; return "key-" + string(rune('a'+keys%26)) + newRequestID() }

// must sends a request that has to succeed with a status.
func (d *door) must(status int, method, path, body string, headers ...string) reply {
	d.Helper()
	r := d.do(method, path, body, headers...)
	if r.Code != status {
		d.Fatalf("%s %s %s: status %d, want %d: %s", method, path, body, r.Code, status, r.Body)
	}
	return r
}

// refused sends a request that has to be refused in an exact way and to change nothing.
func (d *door) refused(status int, code, field, method, path, body string, headers ...string) reply {
	d.Helper()
	before := d.shop.Records()
	r := d.do(method, path, body, headers...)
	got := []any{r.Code, r.body["code"], r.body["field"]}
	want := []any{status, code, any(field)}
	if field == "" {
		want[2] = nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		d.Errorf("%s %s %.200q: status, code, field (-want +got):\n%s%s", method, path, body, diff, r.Body)
	}
	if after := d.shop.Records(); after != before {
		d.Errorf("%s %s %.200q: refused, but the log has %d records more", method, path, body, after-before)
	}
	if got := r.Header().Get("Content-Type"); got != "application/problem+json" {
		d.Errorf("%s %s: a problem of type %q", method, path, got)
	}
	if r.body["request_id"] != r.Header().Get("X-Request-Id") || r.body["request_id"] == nil {
		d.Errorf("%s %s: request_id %v, header %q", method, path, r.body["request_id"], r.Header().Get("X-Request-Id"))
	}
	return r
}

// has compares some members of an answer, given as JSON.
func (r reply) has(t testing.TB, want string) {
	t.Helper()
	var w map[string]any
	dec := json.NewDecoder(strings.NewReader(want))
	dec.UseNumber()
	if err := dec.Decode(&w); err != nil {
		t.Fatal(err)
	}
	got := maps.Clone(r.body)
	maps.DeleteFunc(got, func(k string, _ any) bool { _, asked := w[k]; return !asked })
	if diff := cmp.Diff(w, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s%s", diff, r.Body)
	}
}

// stocked is a door with an item A that has 10 at main.
func stocked(t *testing.T, change ...func(*Config)) *door {
	d := open(t, change...)
	d.must(201, "PUT", "/v1/items/A", "")
	d.must(200, "POST", "/v1/items/A/receive", `{"location":"main","quantity":10}`)
	return d
}
