package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// still answers every reserve with the same answer at once, so that only the door is measured.
type still struct{ answer engine.Answer }

func (s *still) Submit(_ *engine.Command, answer func(*engine.Answer))   { answer(&s.answer) }
func (s *still) SubmitEach([]*engine.Command, func(int, *engine.Answer)) {}
func (s *still) SubmitAll([]*engine.Command, func([]engine.Answer))      {}
func (s *still) Reservation(string) (ref engine.ReservationRef, ok bool) { return ref, false }

func (s *still) AppendReservationID(b []byte, _ engine.ReservationRef) []byte {
	return append(b, "r1abcdefghijklmnop"...)
}

// nobody takes an answer and forgets it.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) WriteHeader(int)             {}
func (n *nobody) Write(b []byte) (int, error) { return len(b), nil }

// rewound is a body that can be read again.
type rewound struct {
	text string
	at   int
}

func (r *rewound) Read(b []byte) (int, error) {
	if r.at == len(r.text) {
		return 0, io.EOF
	}
	n := copy(b, r.text[r.at:])
	r.at += n
	return n, nil
}

func (r *rewound) Close() error { r.at = 0; return nil }

// BenchmarkReserve is the door alone, without sockets and without an engine.
func BenchmarkReserve(b *testing.B) {
	port := &still{engine.Answer{Op: engine.OpReserve, Reservation: engine.ReservationView{
		Ref: engine.ReservationRef{Home: "SKU-1", Nonce: 7}, State: engine.Active, Owner: "cart-7", ExpiresAt: 1_767_225_600_000,
		Lines: []engine.LineView{{SKU: "SKU-1", Location: "main", LineStatus: engine.LineStatus{Quantity: 1, Open: 1}, Sequence: 9}},
	}}}
	d := openBench(b, port)
	body := &rewound{text: `{"lines":[{"sku":"SKU-1","quantity":1,"location":"main"}],"ttl_ms":900000,"owner":"cart-7"}`}
	req := httptest.NewRequest(http.MethodPost, "/v1/reservations", body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "8e03978e-40d5-43dd-bc93-6894a57f9324")
	w := &nobody{header: make(http.Header)}
	h := d.Handler()
	b.ReportAllocs()
	for b.Loop() {
		body.at = 0
		clear(w.header)
		h.ServeHTTP(w, req)
	}
}

func openBench(b *testing.B, port gateway.Port) *Server {
	b.Helper()
	return New(Config{Port: port, Metrics: gateway.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler)})
}
