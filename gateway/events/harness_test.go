package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

// patience is how long a test waits for what has to come. It only bounds a failure.
const patience = time.Minute

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain waited for: %s", what)
		}
	}
}

// harness is an embedded server that can be stopped and started, with an outbox that can be, too.
type harness struct {
	t      testing.TB
	dir    string
	log    *ledger
	logger *slog.Logger
	logs   *logCatcher

	mu      sync.Mutex
	server  *Server
	process *process   // of the server, unless it is in this one
	last    *nats.Conn // the newest connection

	config   Config
	registry *prometheus.Registry
	tune     func(*Outbox) // changes an outbox before it runs
	outbox   *Outbox
	stop     func()
}

func newHarness(t testing.TB) *harness {
	h := &harness{t: t, dir: filepath.Join(t.TempDir(), "nats"), log: newLedger(), logs: &logCatcher{}}
	h.tune = func(o *Outbox) { o.doubtWait = 0 }
	h.logger = slog.New(h.logs)
	h.config = Config{
		Feed: h.log, Connect: h.connect, Node: "n1", Embedded: true, AppendReservationID: reservationID,
		SyncInterval: time.Millisecond, Logger: h.logger,
	}
	t.Cleanup(func() {
		if h.stop != nil {
			h.stop()
		}
		h.stopServer()
	})
	return h
}

// inBothModes runs a test with the outbox as beside its own server, and as beside another.
func inBothModes(t *testing.T, test func(t *testing.T, h *harness)) {
	for name, embedded := range map[string]bool{"embedded": true, "elsewhere": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.config.Embedded = embedded
			test(t, h)
		})
	}
}

func (h *harness) startServer() {
	h.t.Helper()
	s, err := Embedded(ServerConfig{Addr: "127.0.0.1:0", Dir: h.dir, Logger: h.logger})
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.server = s
	h.mu.Unlock()
}

func (h *harness) stopServer() {
	h.mu.Lock()
	s := h.server
	h.server = nil
	h.mu.Unlock()
	if s != nil {
		s.Shutdown()
	}
}

func (h *harness) connect(opts ...nats.Option) (*nats.Conn, error) {
	h.mu.Lock()
	s := h.server
	h.mu.Unlock()
	if s == nil {
		return nil, errors.New("the server is away")
	}
	nc, err := s.Connect(opts...)
	h.mu.Lock()
	h.last = nc
	h.mu.Unlock()
	return nc, err
}

// breakConnection closes the newest connection, as the end of a process does: what the client has
// not sent yet is gone, what the server has not read yet may still come.
func (h *harness) breakConnection() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil {
		h.last.Close()
	}
}

// copyStore copies the store of a server that is stopped, as a disk would have it that lost what
// came later.
func (h *harness) copyStore(to string) {
	h.t.Helper()
	if err := os.CopyFS(to, os.DirFS(h.dir)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) restoreStore(from string) {
	h.t.Helper()
	if err := os.RemoveAll(h.dir); err != nil {
		h.t.Fatal(err)
	}
	if err := os.CopyFS(h.dir, os.DirFS(from)); err != nil {
		h.t.Fatal(err)
	}
}

// startOutbox starts a new outbox, as a new process would.
func (h *harness) startOutbox() {
	h.t.Helper()
	h.registry = prometheus.NewRegistry()
	h.config.Registerer = h.registry
	o, err := New(h.config)
	if err != nil {
		h.t.Fatal(err)
	}
	h.tune(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- o.Run(ctx) }()
	h.outbox = o
	h.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			h.t.Error(err)
		}
		h.stop = nil
	}
}

// published waits until the outbox says that everything is published.
func (h *harness) published() {
	h.t.Helper()
	eventually(h.t, "everything to be published", func() bool {
		_, newest := h.log.Bounds()
		return h.outbox.Published() == newest
	})
}

func (h *harness) metric(name string) float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() // It is one of them.
		}
	}
	h.t.Fatalf("there is no metric %s", name)
	return 0
}

// client is a connection of the server's own user.
func (h *harness) client() (*nats.Conn, jetstream.JetStream) {
	h.t.Helper()
	nc, err := h.connect()
	if err != nil {
		h.t.Fatal(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		h.t.Fatal(err)
	}
	return nc, js
}

// stored reads a whole stream.
func (h *harness) stored(stream string) (list []jetstream.Msg) {
	h.t.Helper()
	nc, js := h.client()
	defer nc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // The server has lost it, and the outbox has not made it again yet.
	}
	if err != nil {
		h.t.Fatal(err)
	}
	n := s.CachedInfo().State.Msgs
	if n == 0 {
		return nil
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		h.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		h.t.Fatal(err)
	}
	defer messages.Stop()
	for range n {
		m, err := messages.Next(jetstream.NextMaxWait(patience))
		if err != nil {
			h.t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

// summary is a message of the stream in the words of ledger.wants.
func (h *harness) summary(m jetstream.Msg) string {
	h.t.Helper()
	var e struct {
		ID   string
		Data struct {
			SKU      string
			Sequence uint64
		}
	}
	if err := json.Unmarshal(m.Data(), &e); err != nil {
		h.t.Fatal(err)
	}
	p, err := parsePlace(m.Headers().Get(HeaderPlace))
	if err != nil || string(p.appendID(nil)) != e.ID || m.Headers().Get(nats.MsgIdHdr) != e.ID {
		h.t.Fatalf("place %v (%v), id %q, header %v", p, err, e.ID, m.Headers())
	}
	return fmt.Sprintf("%s %s %d", p, e.Data.SKU, e.Data.Sequence)
}

// complete checks that the stream has every movement of the log from an index on, once and in
// order, and so without gaps in the sequences of each SKU.
func (h *harness) complete(from uint64) {
	h.t.Helper()
	var got []string
	for _, m := range h.stored(Stream) {
		got = append(got, h.summary(m))
	}
	if diff := cmp.Diff(h.log.wants(from), got); diff != "" {
		h.t.Fatalf("the stream is not the log (-log +stream): %s", diff)
	}
}

// logCatcher keeps what is logged.
type logCatcher struct {
	mu   sync.Mutex
	seen []slog.Record
}

func (l *logCatcher) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}
func (l *logCatcher) WithAttrs([]slog.Attr) slog.Handler { return l }
func (l *logCatcher) WithGroup(string) slog.Handler      { return l }
func (l *logCatcher) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, r)
	return nil
}

func (l *logCatcher) count(message string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.seen {
		if r.Message == message {
			n++
		}
	}
	return n
}
