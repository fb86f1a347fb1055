package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// FuzzRequests sends what any client might: a method, a path, headers and a body. Whatever comes is
// answered, a refusal is a problem with a code and changes nothing, and nothing is our fault.
func FuzzRequests(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/v1/items/A", "If-None-Match: \"2\"", ""},
		{"GET", "/v1/items?limit=5&cursor=x", "", ""},
		{"PUT", "/v1/items/A%2FB", "If-None-Match: *", `{"reorder_point":1}`},
		{"POST", "/v1/items/A/receive", "If-Match: \"2\"", `{"location":"main","quantity":1}`},
		{"POST", "/v1/reservations", "Content-Type: text/plain", `{"lines":[{"sku":"A","quantity":1}]}`},
		{"POST", "/v1/reservations/r1x/confirm", "Expect: 100-continue", ""},
		{"POST", "/v1/batch", "Content-Encoding: gzip", `{"operations":[]}`},
		{"GET", "/v1/events?from=oldest&sku=A", "Last-Event-ID: 1-1", ""},
		{"GET", "/v1/items/A/history?limit=1", "Host: example.com", ""},
		{"OPTIONS", "*", "Origin: http://a", ""},
		{"DELETE", "/v1/items/..", "Idempotency-Key: \"a\\\"b\"", "{"},
		{"HEAD", "/openapi.json", "X-Request-Id: \x7f", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		d := stocked(t, func(c *Config) { c.StreamsMax = 1 })
		raw := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
			method, target, freshKey(), strings.TrimSpace(header), len(body), body)
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			t.Skip() // The server of net/http answers those.
		}
		wait := time.Minute
		if strings.HasPrefix(req.URL.Path, "/v1/events") {
			wait = 20 * time.Millisecond // An event stream ends with its client.
		}
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		before := d.shop.Records()
		rec := httptest.NewRecorder()
		d.server.Handler().ServeHTTP(rec, req.WithContext(ctx))
		if rec.Code < 400 {
			return
		}
		var p struct {
			Code   string `json:"code"`
			Status int    `json:"status"`
		}
		if err := json.Unmarshal(rec.Body.Bytes(), &p); method != http.MethodHead && (err != nil || p.Code == "" || p.Status != rec.Code) {
			t.Fatalf("%q: %d %q", raw, rec.Code, rec.Body)
		}
		if rec.Code >= 500 {
			t.Fatalf("%q: %d %s", raw, rec.Code, rec.Body)
		}
		if now := d.shop.Records(); now != before {
			t.Fatalf("%q: refused with %s, but %d records were written", raw, rec.Body, now-before)
		}
	})
}
