package natsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/gatewaytest"
)

// door is the NATS door before a whole engine in memory, and a client of it.
type door struct {
	testing.TB
	shop   *gatewaytest.Shop
	nats   *server.Server
	server *Server
	client *nats.Conn
	keys   int
}

func open(t testing.TB, change ...func(*Config)) *door {
	t.Helper()
	ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true, MaxPayload: 2 << 20})
	if err != nil {
		t.Fatal(err)
	}
	ns.Start()
	t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
	if !ns.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	dial := func() *nats.Conn {
		nc, err := nats.Connect(ns.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		return nc
	}
	shop := gatewaytest.New()
	cfg := Config{
		Port: shop, Books: shop, Metrics: gateway.NewMetrics(prometheus.NewRegistry()), Logger: slog.New(slog.DiscardHandler), Version: "v1.2.3",
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(dial(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &door{TB: t, nats: ns, shop: shop, server: s, client: dial()}
}

func (d *door) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := d.server.Stop(ctx); err != nil {
		d.Error(err)
	}
}

// ask sends one request. Headers are "Name: value".
func (d *door) ask(operation, payload string, headers ...string) *nats.Msg {
	d.Helper()
	m := nats.NewMsg(Subject + "." + operation)
	m.Data = []byte(payload)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		m.Header.Add(name, value)
	}
	r, err := d.client.RequestMsg(m, 20*time.Second)
	if err != nil {
		d.Fatalf("%s %.200s: %v", operation, payload, err)
	}
	return r
}

// do sends one request with a key of its own and checks "code status field", or "" for a success.
func (d *door) do(want, operation, payload string, headers ...string) map[string]any {
	d.Helper()
	d.keys++
	r := d.ask(operation, payload, append(headers, fmt.Sprintf("Idempotency-Key: key-%d", d.keys))...)
	return d.check(want, operation, payload, r)
}

func (d *door) check(want, operation, payload string, r *nats.Msg) map[string]any {
	d.Helper()
	var body map[string]any
	if err := json.Unmarshal(r.Data, &body); err != nil {
		d.Fatalf("%s: the answer is not JSON: %v\n%s", operation, err, r.Data)
	}
	got := ""
	if code := r.Header.Get(micro.ErrorHeader); code != "" {
		got = strings.TrimSpace(fmt.Sprintf("%s %s %v", code, r.Header.Get(micro.ErrorCodeHeader), body["field"]))
		if body["code"] != code || fmt.Sprint(body["status"]) != r.Header.Get(micro.ErrorCodeHeader) {
			d.Errorf("%s: headers %v, body %s", operation, r.Header, r.Data)
		}
	}
	if got != want {
		d.Errorf("%s %.200s: %q, want %q: %s", operation, payload, got, want, r.Data)
	}
	return body
}

func TestOperations(t *testing.T) {
	d := open(t)
	defer d.stop()
	d.do("", "put_item", `{"sku":"A b/c","backorder_limit":1}`)
	d.do("", "receive", `{"sku":"A b/c","location":"main","quantity":10,"reason":"received"}`)
	d.do("", "adjust", `{"sku":"A b/c","location":"main","delta":-1,"reason":"shrinkage"}`)
	d.do("", "set", `{"sku":"A b/c","location":"main","quantity":20,"change_from_quantity":9}`)
	d.do("", "move", `{"sku":"A b/c","location":"main","quantity":2,"from":"available","to":"damaged"}`)
	d.do("", "restock", `{"sku":"A b/c","location":"main","quantity":1}`, `If-Match: "5"`)
	d.do("", "restock", `{"sku":"A b/c","location":"main","quantity":1,"if_match":6}`)
	if got := d.do("", "get_item", `{"sku":"A b/c"}`); fmt.Sprint(got["sequence"]) != "7" {
		t.Errorf("get_item: %v", got)
	}
	if got := d.do("", "list_items", ``); len(got["items"].([]any)) != 1 {
		t.Errorf("list_items: %v", got)
	}
	page := d.do("", "history", `{"sku":"A b/c","limit":5}`)
	rest := d.do("", "history", fmt.Sprintf(`{"sku":"A b/c","cursor":%q}`, page["next_cursor"]))
	if len(page["movements"].([]any)) != 5 || len(rest["movements"].([]any)) != 2 || rest["next_cursor"] != nil {
		t.Errorf("history: %v, %v", page, rest)
	}
	id := d.do("", "reserve", `{"lines":[{"sku":"A b/c","quantity":3}],"ttl_ms":1000}`)["id"].(string)
	step := fmt.Sprintf(`{"id":%q}`, id)
	for _, s := range []struct{ operation, state string }{
		{"get_reservation", "active"}, {"extend", "active"}, {"confirm", "confirmed"}, {"fulfill", "fulfilled"},
	} {
		if got := d.do("", s.operation, step); got["state"] != s.state {
			t.Errorf("%s: %v", s.operation, got)
		}
	}
	d.do("RESERVATION_ALREADY_FULFILLED 409 id", "cancel", step)
	id = d.do("", "commit", `{"lines":[{"sku":"A b/c","quantity":1}]}`)["id"].(string)
	d.do("", "cancel", fmt.Sprintf(`{"id":%q}`, id))
	id = d.do("", "reserve", `{"lines":[{"sku":"A b/c","quantity":1}]}`)["id"].(string)
	d.do("", "release", fmt.Sprintf(`{"id":%q}`, id))
	batch := d.do("", "batch", `{"operations":[{"op":"receive","idempotency_key":"b","sku":"A b/c","location":"main","quantity":1},{"op":"nope"}]}`)
	results := batch["results"].([]any)
	if results[0].(map[string]any)["status"] != 200.0 || results[1].(map[string]any)["code"] != "INVALID_REQUEST" {
		t.Errorf("batch: %v", batch)
	}
}

func TestRefusals(t *testing.T) {
	d := open(t)
	defer d.stop()
	d.do("", "put_item", `{"sku":"A"}`)
	before := d.shop.Records()
	for _, c := range []struct{ want, operation, payload string }{
		{"ITEM_NOT_FOUND 404 sku", "get_item", `{"sku":"B"}`},
		{"ITEM_NOT_FOUND 404 sku", "history", `{"sku":"B"}`},
		{"INVALID_REQUEST 400 sku", "get_item", ``},
		{"INVALID_REQUEST 400 idempotency_key", "get_item", `{"sku":"A","idempotency_key":"k"}`},
		{"INVALID_REQUEST 400 sku", "receive", `{"location":"main","quantity":1}`},
		{"INVALID_REQUEST 400 op", "receive", `{"op":"receive","sku":"A","location":"main","quantity":1}`},
		{"INVALID_REQUEST 400 quantity", "receive", `{"sku":"A","location":"main","quantity":1.5}`},
		{"INVALID_QUANTITY_TOO_LOW 400 quantity", "receive", `{"sku":"A","location":"main","quantity":-1}`},
		{"INVALID_REQUEST 400 if_match", "receive", `{"sku":"A","location":"main","quantity":1,"if_match":-1}`},
		{"VERSION_CONFLICT 412 If-Match", "receive", `{"sku":"A","location":"main","quantity":1,"if_match":9}`},
		{"INVALID_REQUEST 400 Idempotency-Key", "receive", `{"sku":"A","location":"main","quantity":1,"idempotency_key":"other"}`},
		{"RESERVATION_NOT_FOUND 404 id", "confirm", `{"id":"made-up"}`},
		{"INVALID_REQUEST 400 id", "confirm", `{}`},
		{"INVALID_REQUEST 400 limit", "list_items", `{"limit":0}`},
		{"INVALID_REQUEST 400 cursor", "list_items", `{"cursor":"x"}`},
		{"INVALID_REQUEST 400 operations", "batch", `{}`},
		{"PAYLOAD_TOO_LARGE 413 <nil>", "receive", strings.Repeat(" ", gateway.BodyBytesMax+1)},
	} {
		d.do(c.want, c.operation, c.payload)
	}
	d.do("VERSION_CONFLICT 412 If-Match", "put_item", `{"sku":"A","reorder_point":1}`, "If-None-Match: *")
	d.do("INVALID_REQUEST 400 If-None-Match", "put_item", `{"sku":"A"}`, `If-None-Match: "1"`)
	d.do("INVALID_REQUEST 400 If-None-Match", "put_item", `{"sku":"A","if_match":2}`, "If-None-Match: *")
	d.do("INVALID_REQUEST 400 If-None-Match", "receive", `{"sku":"A","location":"main","quantity":1}`, "If-None-Match: *")
	d.do("INVALID_REQUEST 400 If-Match", "batch", `{"operations":[{"op":"put_item","idempotency_key":"b","sku":"A"}]}`, `If-Match: "2"`)
	if d.shop.Records() != before {
		t.Error("refused requests changed something")
	}
	d.do("", "put_item", `{"sku":"new"}`, "If-None-Match: *")
	const receive = `{"sku":"A","location":"main","quantity":1}`
	d.check("IDEMPOTENCY_KEY_REQUIRED 400 Idempotency-Key", "receive", receive, d.ask("receive", receive))
	for _, failed := range []struct {
		want string
		err  error
	}{
		{"OVERLOADED 503 <nil>", engine.ErrOverloaded},
		{"SERVICE_UNAVAILABLE 503 <nil>", engine.ErrUnavailable},
		{"INTERNAL 500 <nil>", engine.ErrInternal},
	} {
		d.shop.Fail(func(*engine.Command) error { return failed.err })
		d.do(failed.want, "receive", receive)
	}
	if err := d.client.Publish(Subject+".receive", []byte(receive)); err != nil {
		t.Fatal(err) // Nobody waits for the answer; it must not upset the door.
	}
	d.shop.Fail(nil)
	d.do("", "receive", receive)
}

func TestRetries(t *testing.T) {
	d := open(t)
	defer d.stop()
	d.do("", "put_item", `{"sku":"A"}`)
	first := d.ask("receive", `{"sku":"A","location":"main","quantity":1}`, "Idempotency-Key: k")
	for _, again := range []*nats.Msg{
		d.ask("receive", `{"sku":"A","location":"main","quantity":1}`, `Idempotency-Key: "k"`),
		d.ask("receive", `{"sku":"A","location":"main","quantity":1,"idempotency_key":"k"}`),
	} {
		if string(again.Data) != string(first.Data) || again.Header.Get(gateway.ReplayedHeader) != "true" {
			t.Errorf("%v %s, want %s", again.Header, again.Data, first.Data)
		}
	}
	if first.Header != nil {
		t.Errorf("a plain answer has headers: %v", first.Header)
	}
}

// TestDiscovery asks what `nats micro ls`, `info` and `stats` ask.
func TestDiscovery(t *testing.T) {
	d := open(t)
	defer d.stop()
	d.do("", "put_item", `{"sku":"A"}`)
	d.do("ITEM_NOT_FOUND 404 sku", "get_item", `{"sku":"B"}`)
	request := func(subject string, into any) {
		t.Helper()
		r, err := d.client.Request(subject, nil, 20*time.Second)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		if err := json.Unmarshal(r.Data, into); err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
	}
	var ping micro.Ping
	request("$SRV.PING", &ping)
	if ping.Name != "skua" || ping.Version != "1.2.3" || ping.Type != micro.PingResponseType {
		t.Errorf("%+v", ping)
	}
	var info micro.Info
	request("$SRV.INFO.skua", &info)
	var want, got []string
	for _, o := range gateway.Operations() {
		want = append(want, "stock.v1."+o.Name+" q")
	}
	for _, e := range info.Endpoints {
		got = append(got, e.Subject+" "+e.QueueGroup)
		for _, name := range []string{"request_schema", "response_schema"} {
			if !json.Valid([]byte(e.Metadata[name])) {
				t.Errorf("%s of %s: %s", name, e.Name, e.Metadata[name])
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var stats micro.Stats
	request("$SRV.STATS.skua."+ping.ID, &stats)
	for _, e := range stats.Endpoints {
		var s Stats
		if err := json.Unmarshal(e.Data, &s); err != nil {
			t.Fatal(err)
		}
		want := map[string]Stats{"put_item": {Answered: 1}, "get_item": {Answered: 1, Refused: 1}}[e.Name]
		if (s.AverageReply > 0) != (s.Answered > 0) || s.LongestReply < s.AverageReply {
			t.Errorf("latency of %s: %+v", e.Name, s)
		}
		s.AverageReply, s.LongestReply = 0, 0
		if s != want {
			t.Errorf("%s: %+v, want %+v", e.Name, s, want)
		}
	}
}

// TestManyAtOnce: handlers wait for nothing, so that requests whose answers are held back do not
// keep others of the same endpoint from being taken; and stopping waits for every answer.
func TestManyAtOnce(t *testing.T) {
	var mu sync.Mutex
	var held []func()
	d := open(t)
	d.do("", "put_item", `{"sku":"A"}`)
	d.shop.Answer(func(give func()) { mu.Lock(); held = append(held, give); mu.Unlock() })
	const n = 500
	inbox := d.client.NewInbox()
	answers, err := d.client.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		payload := fmt.Sprintf(`{"sku":"A","location":"main","quantity":1,"idempotency_key":"k%d"}`, i)
		if err := d.client.PublishRequest(Subject+".receive", inbox, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	taken := func() int { mu.Lock(); defer mu.Unlock(); return len(held) }
	for deadline := time.Now().Add(20 * time.Second); taken() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d requests were taken", taken(), n)
		}
	}
	stopped := make(chan struct{})
	go func() { d.stop(); close(stopped) }()
	for !d.server.stopped.Load() {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-stopped:
		t.Fatal("stopped with requests in flight")
	default:
	}
	for _, give := range held {
		give()
	}
	<-stopped
	seen := make(map[string]bool)
	for range n {
		m, err := answers.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(m.Data)] = true
	}
	if len(seen) != n {
		t.Errorf("%d different answers to %d requests", len(seen), n)
	}
}

func TestSlowRequestsAreBounded(t *testing.T) {
	d := open(t)
	d.do("", "put_item", `{"sku":"A"}`)
	var mu sync.Mutex
	var held []func()
	d.shop.Answer(func(give func()) { mu.Lock(); held = append(held, give); mu.Unlock() })
	inbox := d.client.NewInbox()
	answers, err := d.client.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	for range slowMax + 3 {
		if err := d.client.PublishRequest(Subject+".list_items", inbox, nil); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		m, err := answers.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		d.check("OVERLOADED 503 <nil>", "list_items", "", m)
	}
	for n := 0; n < slowMax; time.Sleep(time.Millisecond) {
		mu.Lock()
		for _, give := range held[n:] {
			give()
			n++
		}
		mu.Unlock()
	}
	for range slowMax {
		m, err := answers.NextMsg(20 * time.Second)
		if err != nil {
			t.Fatal(err)
		}
		d.check("", "list_items", "", m)
	}
	d.stop()
}
