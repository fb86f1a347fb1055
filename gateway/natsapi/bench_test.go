//go:build unix

package natsapi

import (
	"log/slog"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// still answers every reserve at once and does nothing, so that only the door is measured.
type still struct{}

func (still) Submit(c *engine.Command, answer func(*engine.Answer)) {
	l := &c.Lines[0]
	lines := [1]engine.LineView{{
		SKU: l.SKU, Location: l.Location, LineStatus: engine.LineStatus{Quantity: l.Quantity, Open: l.Quantity}, Sequence: 9,
	}}
	answer(&engine.Answer{Op: c.Op, Reservation: engine.ReservationView{
		Ref: engine.ReservationRef{Home: l.SKU, Nonce: 7}, State: engine.Active, ExpiresAt: 1_767_225_600_000, Lines: lines[:],
	}})
}

func (s still) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	for i, c := range cs {
		s.Submit(c, func(a *engine.Answer) { answer(i, a) })
	}
}

func (still) SubmitAll([]*engine.Command, func([]engine.Answer))      {}
func (still) Reservation(string) (ref engine.ReservationRef, ok bool) { return ref, false }
func (still) AppendReservationID(b []byte, _ engine.ReservationRef) []byte {
	return append(b, "AQAAAAAAAAAAAAAAAFNLVS0xMDAwMDAx"...)
}

// BenchmarkReserve is a request over NATS with 256 in flight: server, door and client in one
// process. BenchmarkMicro is the same without the door: the difference is what the door costs.
func BenchmarkReserve(b *testing.B) { benchmark(b, Subject+".reserve") }

func BenchmarkMicro(b *testing.B) { benchmark(b, "floor") }

func benchmark(b *testing.B, subject string) {
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		b.Fatal(err)
	}
	ns.Start()
	defer func() { ns.Shutdown(); ns.WaitForShutdown() }()
	if !ns.ReadyForConnections(10 * time.Second) {
		b.Fatal("the NATS server does not start")
	}
	dial := func() *nats.Conn {
		nc, err := nats.Connect(ns.ClientURL())
		if err != nil {
			b.Fatal(err)
		}
		return nc
	}
	doors, client := dial(), dial()
	defer doors.Close()
	defer client.Close()
	if _, err := New(doors, Config{
		Port: still{}, Metrics: gateway.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler),
	}); err != nil {
		b.Fatal(err)
	}
	floor(b, doors)
	const window = 256
	slots := make(chan struct{}, window)
	var refused atomic.Int64
	inbox := nats.NewInbox()
	if _, err := client.Subscribe(inbox, func(m *nats.Msg) {
		if m.Header != nil {
			refused.Add(1)
		}
		<-slots
	}); err != nil {
		b.Fatal(err)
	}
	if err := client.Flush(); err != nil {
		b.Fatal(err)
	}
	var payload []byte
	before := cpuTime(b)
	n := 0
	for b.Loop() {
		n++
		slots <- struct{}{}
		payload = append(payload[:0], `{"idempotency_key":"run-1-`...)
		payload = strconv.AppendInt(payload, int64(n), 10)
		payload = append(payload, `","lines":[{"sku":"SKU-1000001","location":"main","quantity":1}],"ttl_ms":900000}`...)
		if err := client.PublishRequest(subject, inbox, payload); err != nil {
			b.Fatal(err)
		}
	}
	for range window {
		slots <- struct{}{}
	}
	b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(n), "cpu-ns/op")
	if refused.Load() > 0 {
		b.Fatalf("%d requests were refused", refused.Load())
	}
}

// floor adds an endpoint that answers with as many bytes and does nothing.
func floor(b *testing.B, doors *nats.Conn) {
	service, err := micro.AddService(doors, micro.Config{Name: "floor", Version: "1.0.0"})
	if err != nil {
		b.Fatal(err)
	}
	answer := make([]byte, 250)
	err = service.AddEndpoint("floor", micro.HandlerFunc(func(r micro.Request) {
		if err := r.Respond(answer); err != nil {
			b.Error(err)
		}
	}))
	if err != nil {
		b.Fatal(err)
	}
	if err := doors.Flush(); err != nil {
		b.Fatal(err)
	}
}

// cpuTime is what this process has used so far.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
