package httpapi

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// BenchmarkTokens is the door alone with tokens: a request that has one, and one of a flood that has
// a wrong one, most of which is refused without a line in the log.
func BenchmarkTokens(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tokens.json")
	r, token, err := access.NewRecord(access.Record{Name: "till", Scopes: []string{"sell"}}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if err := access.EditFile(path, func([]access.Record) ([]access.Record, error) { return []access.Record{r}, nil }); err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	tokens, err := access.Open(path, log)
	if err != nil {
		b.Fatal(err)
	}
	port := &still{engine.Answer{Op: engine.OpReserve, Reservation: engine.ReservationView{
		Ref: engine.ReservationRef{Home: "SKU-1", Nonce: 7}, State: engine.Active,
		Lines: []engine.LineView{{SKU: "SKU-1", Location: "main", LineStatus: engine.LineStatus{Quantity: 1, Open: 1}, Sequence: 9}},
	}}}
	reg := prometheus.NewRegistry()
	h := New(Config{Port: port, Guard: gateway.NewGuard(tokens, log, reg), Metrics: gateway.NewMetrics(reg), Logger: log}).Handler()
	for name, shown := range map[string]string{"good": token, "wrong": token[:len(token)-4] + "aaaa"} {
		b.Run(name, func(b *testing.B) {
			body := &rewound{text: `{"lines":[{"sku":"SKU-1","quantity":1,"location":"main"}]}`}
			req := httptest.NewRequest(http.MethodPost, "/v1/reservations", body)
			req.Header.Set("Authorization", "Bearer "+shown)
			req.Header.Set("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
			w := &nobody{header: make(http.Header)}
			b.ReportAllocs()
			for b.Loop() {
				body.at = 0
				clear(w.header)
				h.ServeHTTP(w, req)
			}
		})
	}
}
