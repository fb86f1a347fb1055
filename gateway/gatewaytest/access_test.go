package gatewaytest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
	"github.com/skua-stock/skua/gateway/events"
	"github.com/skua-stock/skua/gateway/gatewaytest"
	"github.com/skua-stock/skua/gateway/httpapi"
	"github.com/skua-stock/skua/gateway/natsapi"
)

// doors are both doors before one shop, with a guard.
type doors struct {
	*testing.T
	shop   *gatewaytest.Shop
	http   *httptest.Server
	nc     *nats.Conn
	path   string
	admin  string
	metric *prometheus.Registry
	log    *lockedBuffer
	keys   int
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func openDoors(t *testing.T) *doors {
	t.Helper()
	d := &doors{
		T: t, shop: gatewaytest.New(), path: filepath.Join(t.TempDir(), "tokens.json"), metric: prometheus.NewRegistry(), log: new(lockedBuffer),
	}
	return d
}

// serve opens the doors with the tokens that were made.
func (d *doors) serve() {
	d.Helper()
	d.admin = d.token("operator", "admin")
	log := slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	tokens, err := access.Open(d.path, log)
	if err != nil {
		d.Fatal(err)
	}
	guard, metrics := gateway.NewGuard(tokens, log, d.metric), gateway.NewMetrics(d.metric)
	server := httpapi.New(httpapi.Config{
		Port: d.shop, Books: d.shop, Feed: d.shop, Guard: guard, Metrics: metrics, Logger: log,
		MetricsHandler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
	})
	d.http = httptest.NewServer(server.Handler())
	d.Cleanup(d.http.Close)
	ns, err := events.Embedded(events.ServerConfig{Addr: "127.0.0.1:0", Dir: d.TempDir()})
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(ns.Shutdown)
	own, err := ns.ConnectDoor()
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(own.Close)
	if _, err := natsapi.New(own, natsapi.Config{Port: d.shop, Books: d.shop, Guard: guard, Metrics: metrics, Logger: log}); err != nil {
		d.Fatal(err)
	}
	if d.nc, err = nats.Connect(ns.ClientURL()); err != nil {
		d.Fatal(err)
	}
	d.Cleanup(d.nc.Close)
}

// token makes a token with scopes, by their names with commas, and changes to its record.
func (d *doors) token(name, scopes string, change ...func(*access.Record)) string {
	d.Helper()
	r := access.Record{Name: name, Scopes: strings.Split(scopes, ",")}
	for _, f := range change {
		f(&r)
	}
	r, token, err := access.NewRecord(r, time.Now())
	if err != nil {
		d.Fatal(err)
	}
	if err := access.EditFile(d.path, func(all []access.Record) ([]access.Record, error) { return append(all, r), nil }); err != nil {
		d.Fatal(err)
	}
	return token
}

func (d *doors) key() string { d.keys++; return fmt.Sprintf("key-%d", d.keys) }

// outcome is what came of a request: its status, the code of a problem, and the answer.
type outcome struct {
	status int
	code   string
	body   map[string]any
}

// way is one of the ways in.
type way struct {
	name string
	// does reports whether the way has an operation; ask sends it, with what it says in one object.
	does func(*gateway.Operation) bool
	ask  func(d *doors, token string, o *gateway.Operation, says map[string]any) outcome
}

var ways = []way{
	{"HTTP", everything, (*doors).overHTTP},
	{"HTTP batch", (*gateway.Operation).Batchable, (*doors).inHTTPBatch},
	{"NATS", everything, (*doors).overNATS},
	{"NATS batch", (*gateway.Operation).Batchable, (*doors).inNATSBatch},
}

func everything(*gateway.Operation) bool { return true }

func (d *doors) overHTTP(token string, o *gateway.Operation, says map[string]any) outcome {
	d.Helper()
	body, path := maps.Clone(says), o.Path
	for _, name := range []string{"sku", "id"} {
		if v, ok := body[name].(string); ok && strings.Contains(path, "{"+name+"}") {
			path = strings.Replace(path, "{"+name+"}", url.PathEscape(v), 1)
			delete(body, name)
		}
	}
	key, _ := body["idempotency_key"].(string)
	delete(body, "idempotency_key")
	var in io.Reader
	if o.Method != http.MethodGet {
		b, err := json.Marshal(body)
		if err != nil {
			d.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequest(o.Method, d.http.URL+path, in)
	if err != nil {
		d.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return d.send(req, token)
}

func (d *doors) send(req *http.Request, token string) outcome {
	d.Helper()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		d.Fatal(err)
	}
	out := outcome{status: resp.StatusCode}
	if strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(b, &out.body); err != nil {
			d.Fatal(err)
		}
		out.code, _ = out.body["code"].(string)
	}
	if challenge := resp.Header.Get("WWW-Authenticate"); (out.status == 401) != strings.HasPrefix(challenge, "Bearer") {
		d.Errorf("%s %s: %d with the challenge %q", req.Method, req.URL, out.status, challenge)
	}
	if id := resp.Header.Get("X-Request-Id"); id == "" || out.code != "" && out.body["request_id"] != id {
		d.Errorf("%s %s: request id %q, in the problem %v", req.Method, req.URL, id, out.body["request_id"])
	}
	return out
}

func (d *doors) overNATS(token string, o *gateway.Operation, says map[string]any) outcome {
	d.Helper()
	b, err := json.Marshal(says)
	if err != nil {
		d.Fatal(err)
	}
	m := &nats.Msg{Subject: "stock.v1." + o.Name, Data: b}
	if token != "" {
		m.Header = nats.Header{"Authorization": {"Bearer " + token}}
	}
	reply, err := d.nc.RequestMsg(m, 20*time.Second)
	if err != nil {
		d.Fatalf("%s: %v", o.Name, err)
	}
	out := outcome{status: 200, code: reply.Header.Get("Nats-Service-Error")}
	if text := reply.Header.Get("Nats-Service-Error-Code"); text != "" {
		if _, err := fmt.Sscan(text, &out.status); err != nil {
			d.Fatal(err)
		}
	}
	if err := json.Unmarshal(reply.Data, &out.body); err != nil {
		d.Fatal(err)
	}
	return out
}

// inBatch makes a batch of one operation, and takes its result out of the answer.
func inBatch(d *doors, token string, o *gateway.Operation, says map[string]any,
	send func(*doors, string, *gateway.Operation, map[string]any) outcome,
) outcome {
	member := maps.Clone(says)
	member["op"] = o.Name
	whole := send(d, token, gateway.Batch, map[string]any{"operations": []any{member}})
	results, ok := whole.body["results"].([]any)
	if !ok {
		return whole
	}
	out := outcome{body: results[0].(map[string]any)}
	out.status = int(out.body["status"].(float64))
	out.code, _ = out.body["code"].(string)
	return out
}

func (d *doors) inHTTPBatch(token string, o *gateway.Operation, says map[string]any) outcome {
	return inBatch(d, token, o, says, (*doors).overHTTP)
}

func (d *doors) inNATSBatch(token string, o *gateway.Operation, says map[string]any) outcome {
	return inBatch(d, token, o, says, (*doors).overNATS)
}

// must has the operator do something.
func (d *doors) must(o *gateway.Operation, says map[string]any) map[string]any {
	d.Helper()
	if o.Mutates() {
		says["idempotency_key"] = d.key()
	}
	out := d.overHTTP(d.admin, o, says)
	if out.status > 299 {
		d.Fatalf("%s: %+v", o.Name, out)
	}
	return out.body
}

// stock creates an item with much of it at some locations.
func (d *doors) stock(sku string, locations ...string) {
	d.Helper()
	d.must(gateway.PutItem, map[string]any{"sku": sku})
	for _, l := range locations {
		d.must(gateway.Receive, map[string]any{"sku": sku, "location": l, "quantity": 100_000})
	}
}

// hold reserves a unit, and returns the id.
func (d *doors) hold(lines ...any) string {
	d.Helper()
	return d.must(gateway.Reserve, map[string]any{"lines": lines})["id"].(string)
}

func line(sku, location string) map[string]any {
	return map[string]any{"sku": sku, "location": location, "quantity": 1}
}

// row is an operation in the matrix: which single scopes are enough, and what to send.
type row struct {
	scopes string
	says   func(d *doors) map[string]any
}

func (d *doors) order(lines ...any) string {
	d.Helper()
	id := d.hold(lines...)
	d.must(gateway.Confirm, map[string]any{"id": id})
	return id
}

func level(more ...any) func(*doors) map[string]any {
	return func(*doors) map[string]any {
		says := map[string]any{"sku": "A", "location": "main"}
		for i := 0; i < len(more); i += 2 {
			says[more[i].(string)] = more[i+1]
		}
		return says
	}
}

// matrix says which scopes are enough for every operation. It is written by hand: what the product
// says has to agree with it, and an operation that is not here is a decision not taken.
var matrix = map[string]row{
	"put_item":        {"stock admin", func(*doors) map[string]any { return map[string]any{"sku": "A"} }},
	"get_item":        {"read admin", func(*doors) map[string]any { return map[string]any{"sku": "A"} }},
	"history":         {"read admin", func(*doors) map[string]any { return map[string]any{"sku": "A"} }},
	"receive":         {"stock admin", level("quantity", 1)},
	"restock":         {"stock admin", level("quantity", 1)},
	"set":             {"stock admin", level("quantity", 100_000)},
	"adjust":          {"stock admin", level("delta", 1, "reason", "other")},
	"move":            {"stock admin", level("quantity", 1, "from", "available", "to", "damaged")},
	"reserve":         {"sell admin", func(*doors) map[string]any { return map[string]any{"lines": []any{line("A", "main")}} }},
	"commit":          {"sell admin", func(*doors) map[string]any { return map[string]any{"lines": []any{line("A", "main")}} }},
	"confirm":         {"sell admin", func(d *doors) map[string]any { return map[string]any{"id": d.hold(line("A", "main"))} }},
	"release":         {"sell admin", func(d *doors) map[string]any { return map[string]any{"id": d.hold(line("A", "main"))} }},
	"extend":          {"sell admin", func(d *doors) map[string]any { return map[string]any{"id": d.hold(line("A", "main"))} }},
	"fulfill":         {"sell admin", func(d *doors) map[string]any { return map[string]any{"id": d.order(line("A", "main"))} }},
	"cancel":          {"sell admin", func(d *doors) map[string]any { return map[string]any{"id": d.order(line("A", "main"))} }},
	"list_items":      {"read admin", func(*doors) map[string]any { return map[string]any{} }},
	"get_reservation": {"read admin", func(d *doors) map[string]any { return map[string]any{"id": d.hold(line("A", "main"))} }},
	"batch": {"sell stock admin", func(d *doors) map[string]any {
		return map[string]any{"operations": []any{map[string]any{"op": "receive", "idempotency_key": d.key(), "sku": "A", "location": "main", "quantity": 1}}}
	}},
}

// TestAuthorizationMatrix: every operation, by every set of scopes and by nobody, through every way in.
func TestAuthorizationMatrix(t *testing.T) {
	d := openDoors(t)
	names := []string{"read", "sell", "stock", "admin"}
	tokens := map[string]string{"": ""}
	for set := 1; set < 1<<len(names); set++ {
		var some []string
		for i, name := range names {
			if set&(1<<i) != 0 {
				some = append(some, name)
			}
		}
		scopes := strings.Join(some, ",")
		tokens[scopes] = d.token(strings.ReplaceAll(scopes, ",", "-"), scopes)
	}
	d.serve()
	d.stock("A", "main")
	asked := 0
	for _, o := range gateway.Operations() {
		r, ok := matrix[o.Name]
		if !ok {
			t.Errorf("%s has no row in the matrix", o.Name)
			continue
		}
		for scopes, token := range tokens {
			enough := slices.ContainsFunc(strings.Split(scopes, ","), func(s string) bool { return s != "" && slices.Contains(strings.Fields(r.scopes), s) })
			for _, w := range ways {
				if !w.does(o) {
					continue
				}
				says := r.says(d)
				if o.Mutates() {
					says["idempotency_key"] = d.key()
				}
				before := d.shop.Records()
				out := w.ask(d, token, o, says)
				asked++
				what := fmt.Sprintf("%s of a token for %q over %s", o.Name, scopes, w.name)
				changed := d.shop.Records() - before
				switch {
				case token == "":
					if out.status != 401 || out.code != "UNAUTHENTICATED" || changed != 0 {
						t.Errorf("%s: %+v, and %d records", what, out, changed)
					}
				case !enough:
					if out.status != 403 || out.code != "PERMISSION_DENIED" || changed != 0 || !strings.Contains(out.body["detail"].(string), "scope") {
						t.Errorf("%s: %+v, and %d records", what, out, changed)
					}
				case out.status > 299:
					t.Errorf("%s: %+v", what, out)
				}
			}
		}
	}
	for name, r := range matrix {
		if !slices.ContainsFunc(gateway.Operations(), func(o *gateway.Operation) bool { return o.Name == name }) {
			t.Errorf("there is no operation %s: %v", name, r.scopes)
		}
	}
	// What is no operation.
	for path, scopes := range map[string]string{
		"/v1/events": "read admin", "/metrics": "read admin", "/livez": "*", "/readyz": "*", "/openapi.json": "*", "/problems/unauthenticated": "*",
	} {
		for set, token := range tokens {
			enough := scopes == "*" || slices.ContainsFunc(strings.Split(set, ","), func(s string) bool { return s != "" && slices.Contains(strings.Fields(scopes), s) })
			status := d.get(path, token)
			asked++
			want := 200
			if !enough {
				want = 403
				if token == "" {
					want = 401
				}
			}
			if status != want {
				t.Errorf("GET %s of a token for %q: %d, want %d", path, set, status, want)
			}
		}
	}
	t.Logf("%d requests", asked)
}

// get asks for a page, and does not wait for its end.
func (d *doors) get(path, token string) int {
	d.Helper()
	req, err := http.NewRequest(http.MethodGet, d.http.URL+path, nil)
	if err != nil {
		d.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func berlin(r *access.Record) { r.Locations = []string{"berlin"} }
func shoes(r *access.Record)  { r.Prefixes = []string{"SHOES-"} }

// TestRestrictions: what is outside of the locations and the items of a token is refused, whole or in
// part, over every way in, and nothing is changed.
func TestRestrictions(t *testing.T) {
	d := openDoors(t)
	tokens := map[string]string{
		"berlin": d.token("berlin", "read,sell,stock", berlin), "shoes": d.token("shoes", "read,sell,stock", shoes),
		"admin": d.token("berlin-admin", "admin", berlin),
	}
	d.serve()
	for _, sku := range []string{"SHOES-1", "SHOES-2", "HAT-1", "SHOES", "SHOET"} {
		d.stock(sku, "berlin", "rome")
	}
	lines := func(all ...any) map[string]any { return map[string]any{"lines": all} }
	anywhere := map[string]any{"sku": "SHOES-1", "quantity": 1}
	at := func(sku, location string) map[string]any {
		return map[string]any{"sku": sku, "location": location, "quantity": 1}
	}
	type expect map[string]bool
	for _, c := range []struct {
		o    *gateway.Operation
		says func() map[string]any
		want expect
	}{
		{gateway.Receive, func() map[string]any { return at("SHOES-1", "berlin") }, expect{"berlin": true, "shoes": true, "admin": true}},
		{gateway.Receive, func() map[string]any { return at("SHOES-1", "rome") }, expect{"berlin": false, "shoes": true, "admin": false}},
		{gateway.Restock, func() map[string]any { return at("HAT-1", "berlin") }, expect{"berlin": true, "shoes": false, "admin": true}},
		{gateway.Set, func() map[string]any { return at("HAT-1", "nowhere") }, expect{"berlin": false, "shoes": false}},
		{gateway.PutItem, func() map[string]any { return map[string]any{"sku": "SHOES-3"} }, expect{"berlin": false, "shoes": true, "admin": false}},
		{gateway.PutItem, func() map[string]any { return map[string]any{"sku": "SHOES"} }, expect{"berlin": false, "shoes": false}},
		{gateway.Reserve, func() map[string]any { return lines(at("SHOES-1", "berlin"), at("HAT-1", "berlin")) }, expect{"berlin": true, "shoes": false}},
		{gateway.Reserve, func() map[string]any { return lines(at("SHOES-1", "berlin"), at("SHOES-2", "rome")) }, expect{"berlin": false, "shoes": true}},
		{gateway.Reserve, func() map[string]any { return lines(anywhere) }, expect{"berlin": false, "shoes": true}},
		{gateway.Commit, func() map[string]any { return lines(anywhere) }, expect{"berlin": false, "shoes": true, "admin": false}},
		{gateway.GetItem, func() map[string]any { return map[string]any{"sku": "HAT-1"} }, expect{"berlin": true, "shoes": false}},
		{gateway.HistoryOf, func() map[string]any { return map[string]any{"sku": "HAT-1"} }, expect{"berlin": true, "shoes": false}},
		{gateway.HistoryOf, func() map[string]any { return map[string]any{"sku": "SHOES-1"} }, expect{"berlin": true, "shoes": true}},
		{gateway.GetReservation, func() map[string]any { return map[string]any{"id": d.hold(at("SHOES-1", "rome"))} }, expect{"berlin": false, "shoes": true, "admin": false}},
		{gateway.GetReservation, func() map[string]any { return map[string]any{"id": d.hold(at("HAT-1", "berlin"))} }, expect{"berlin": true, "shoes": false}},
		{gateway.Confirm, func() map[string]any {
			return map[string]any{"id": d.hold(at("SHOES-1", "berlin"), at("HAT-1", "berlin"))}
		}, expect{"berlin": true, "shoes": false}},
		{gateway.Confirm, func() map[string]any {
			return map[string]any{"id": d.hold(at("SHOES-1", "berlin"), at("SHOES-1", "rome")), "lines": []any{at("SHOES-1", "berlin")}}
		}, expect{"berlin": false, "shoes": true}},
		{gateway.Release, func() map[string]any { return map[string]any{"id": d.hold(at("SHOES-2", "rome"))} }, expect{"berlin": false, "shoes": true}},
		{gateway.Extend, func() map[string]any { return map[string]any{"id": d.hold(at("SHOET", "berlin"))} }, expect{"berlin": true, "shoes": false}},
		{gateway.Fulfill, func() map[string]any { return map[string]any{"id": d.order(at("SHOES-2", "rome"))} }, expect{"berlin": false, "shoes": true, "admin": false}},
		{gateway.Cancel, func() map[string]any { return map[string]any{"id": d.order(at("HAT-1", "berlin"))} }, expect{"berlin": true, "shoes": false}},
	} {
		for who, allowed := range c.want {
			for _, w := range ways {
				if !w.does(c.o) {
					continue
				}
				says := c.says()
				if c.o.Mutates() {
					says["idempotency_key"] = d.key()
				}
				before := d.shop.Records()
				out := w.ask(d, tokens[who], c.o, says)
				what := fmt.Sprintf("%s %v of %s over %s", c.o.Name, says, who, w.name)
				if allowed && out.status > 299 || !allowed && (out.status != 403 || out.code != "PERMISSION_DENIED") {
					t.Errorf("%s: %+v", what, out)
				}
				if changed := d.shop.Records() - before; !allowed && changed != 0 {
					t.Errorf("%s: refused, and the log has %d records more", what, changed)
				}
			}
		}
	}
	d.partly(tokens)
}

// partly looks at what is shown in part.
func (d *doors) partly(tokens map[string]string) {
	d.Helper()
	for _, w := range ways {
		item := w.ask(d, tokens["berlin"], gateway.GetItem, map[string]any{"sku": "SHOES-1"}).body
		levels := item["levels"].([]any)
		if len(levels) != 1 || levels[0].(map[string]any)["location"] != "berlin" ||
			item["totals"].(map[string]any)["on_hand"] != levels[0].(map[string]any)["on_hand"] {
			d.Errorf("berlin sees %v over %s", item, w.name)
		}
	}
	for _, ask := range []func(*doors, string, *gateway.Operation, map[string]any) outcome{(*doors).overHTTP, (*doors).overNATS} {
		for _, m := range ask(d, tokens["berlin"], gateway.HistoryOf, map[string]any{"sku": "SHOES-1"}).body["movements"].([]any) {
			if l := m.(map[string]any)["location"]; l != "berlin" && l != "" {
				d.Errorf("berlin sees %v", m)
			}
		}
		all := ask(d, tokens["berlin"], gateway.ListItems, map[string]any{}).body["items"].([]any)
		some := ask(d, tokens["shoes"], gateway.ListItems, map[string]any{}).body["items"].([]any)
		var names []string
		for _, it := range some {
			names = append(names, it.(map[string]any)["sku"].(string))
		}
		if len(all) != 6 || strings.Join(names, " ") != "SHOES-1 SHOES-2 SHOES-3" {
			d.Errorf("berlin lists %d, shoes lists %v", len(all), names)
		}
		for _, it := range all {
			for _, l := range it.(map[string]any)["levels"].([]any) {
				if l.(map[string]any)["location"] != "berlin" {
					d.Errorf("berlin lists %v", it)
				}
			}
		}
	}
	for path, want := range map[string]int{
		"/v1/events?sku=HAT-1": 403, "/v1/events?sku=SHOES-1": 200, "/v1/events": 200,
	} {
		if got := d.get(path, tokens["shoes"]); got != want {
			d.Errorf("%s: %d", path, got)
		}
	}
	for path, want := range map[string]int{"/v1/events?location=rome": 403, "/v1/events?location=berlin": 200} {
		if got := d.get(path, tokens["berlin"]); got != want {
			d.Errorf("%s: %d", path, got)
		}
	}
	told := 0
	for _, c := range []struct {
		who  string
		fits func(m map[string]any) bool
	}{
		{"berlin", func(m map[string]any) bool { return m["location"] == "berlin" || m["location"] == "" }},
		{"shoes", func(m map[string]any) bool { return strings.HasPrefix(m["sku"].(string), "SHOES-") }},
	} {
		d.stream(tokens[c.who], func(m map[string]any) bool {
			told++
			if !c.fits(m) {
				d.Errorf("%s is told of %v", c.who, m)
			}
			return m["sku"] != "SHOES-2" || m["type"] != "stock.fulfilled" && m["type"] != "stock.received"
		})
	}
	if told == 0 {
		d.Error("no events")
	}
}

// stream reads events from the oldest on, until f has had enough.
func (d *doors) stream(token string, f func(map[string]any) bool) {
	d.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.http.URL+"/v1/events?from=oldest", nil)
	if err != nil {
		d.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		var m map[string]any
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			d.Fatal(err)
		}
		if !f(m) {
			return
		}
	}
	d.Errorf("the stream ended before what was looked for: %v", in.Err())
}

// TestListInPages: the pages of a token with prefixes have all of its items and no other, in order.
func TestListInPages(t *testing.T) {
	d := openDoors(t)
	token := d.token("some", "read", func(r *access.Record) { r.Prefixes = []string{"c", "a", "bb", "zz"} })
	d.serve()
	var want []string
	for _, sku := range []string{"a", "a1", "aa", "b", "ba", "bb", "bb1", "bc", "c", "c\u00e9", "ca", "d", "zy\u00ff", "zz", "zz9"} {
		d.stock(sku)
		if strings.HasPrefix(sku, "a") || strings.HasPrefix(sku, "bb") || strings.HasPrefix(sku, "c") || strings.HasPrefix(sku, "zz") {
			want = append(want, sku)
		}
	}
	slices.Sort(want)
	for limit := 1; limit <= len(want)+1; limit++ {
		var got []string
		for cursor := any(nil); ; {
			says := map[string]any{"limit": limit}
			if cursor != nil {
				says["cursor"] = cursor
			}
			page := d.overNATS(token, gateway.ListItems, says).body
			for _, it := range page["items"].([]any) {
				got = append(got, it.(map[string]any)["sku"].(string))
			}
			if cursor = page["next_cursor"]; cursor == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %d: %v, want %v", limit, got, want)
		}
	}
}

// TestPrincipal: keys are the token's own, and the movement says who did it, whoever else the request
// names; another token of the same name is the same principal.
func TestPrincipal(t *testing.T) {
	d := openDoors(t)
	till, till2, other := d.token("till-7", "sell,stock,read"), d.token("till-7", "stock"), d.token("other", "stock")
	d.serve()
	d.stock("A", "main")
	for i, w := range ways {
		says := level("quantity", 1+i, "actor", "mallory", "idempotency_key", "same"+w.name)(d)
		replayed := func(token string) bool {
			before := d.shop.Records()
			if out := w.ask(d, token, gateway.Receive, says); out.status > 299 {
				t.Fatalf("%s: %+v", w.name, out)
			}
			return d.shop.Records() == before
		}
		for _, c := range []struct {
			token string
			want  bool
		}{{till, false}, {till, true}, {till2, true}, {other, false}, {other, true}} {
			if got := replayed(c.token); got != c.want {
				t.Errorf("%s: replayed %v, want %v", w.name, got, c.want)
			}
		}
		movements := d.overHTTP(till, gateway.HistoryOf, map[string]any{"sku": "A"}).body["movements"].([]any)
		for j, want := range []string{"other", "till-7"} {
			if got := movements[j].(map[string]any)["actor"]; got != want {
				t.Errorf("%s: the actor is %v, want %s", w.name, got, want)
			}
		}
	}
	seen := false
	d.stream(till, func(m map[string]any) bool {
		seen = m["actor"] == "till-7"
		return !seen
	})
	if !seen {
		t.Error("no event has the actor")
	}
}

// TestBatchOfManyRights: each operation is decided by itself; all or nothing is refused whole.
func TestBatchOfManyRights(t *testing.T) {
	d := openDoors(t)
	token := d.token("till", "sell", berlin)
	d.serve()
	d.stock("A", "berlin", "rome")
	mine, theirs := d.hold(line("A", "berlin")), d.hold(line("A", "rome"))
	for _, policy := range []string{"ignore_failed", "reject_everything"} {
		for _, w := range []func(*doors, string, *gateway.Operation, map[string]any) outcome{(*doors).overHTTP, (*doors).overNATS} {
			operations := []any{
				map[string]any{"op": "reserve", "idempotency_key": d.key(), "lines": []any{line("A", "berlin")}},
				map[string]any{"op": "receive", "idempotency_key": d.key(), "sku": "A", "location": "berlin", "quantity": 1},
				map[string]any{"op": "extend", "idempotency_key": d.key(), "id": mine},
				map[string]any{"op": "release", "idempotency_key": d.key(), "id": theirs},
				map[string]any{"op": "commit", "idempotency_key": d.key(), "lines": []any{line("A", "rome")}},
			}
			before := d.shop.Records()
			out := w(d, token, gateway.Batch, map[string]any{"error_policy": policy, "operations": operations})
			var codes []string
			for _, r := range out.body["results"].([]any) {
				code, _ := r.(map[string]any)["code"].(string)
				codes = append(codes, code)
			}
			want := []string{"", "PERMISSION_DENIED", "", "PERMISSION_DENIED", "PERMISSION_DENIED"}
			changed := 2
			if policy == "reject_everything" {
				want[0], want[2], changed = "LINKED_LINE_FAILED", "LINKED_LINE_FAILED", 0
			}
			if !slices.Equal(codes, want) || d.shop.Records()-before != changed {
				t.Errorf("%s: %q, and %d records", policy, codes, d.shop.Records()-before)
			}
		}
	}
}

// TestReplayedStep: a step of a restricted token gets its answer again, also when the reservation is
// over, and another's does not become known by it.
func TestReplayedStep(t *testing.T) {
	d := openDoors(t)
	token := d.token("till", "sell", berlin)
	d.serve()
	d.stock("A", "berlin", "rome")
	for _, w := range ways {
		says := map[string]any{"id": d.hold(line("A", "berlin")), "idempotency_key": d.key()}
		first := w.ask(d, token, gateway.Release, says)
		before := d.shop.Records()
		again := w.ask(d, token, gateway.Release, says)
		if first.status != 200 || again.status != 200 || d.shop.Records() != before {
			t.Errorf("%s: %+v, then %+v", w.name, first, again)
		}
		if out := w.ask(d, token, gateway.Release, map[string]any{"id": "r1nonsense", "idempotency_key": d.key()}); out.code != "RESERVATION_NOT_FOUND" {
			t.Errorf("%s: %+v", w.name, out)
		}
	}
}

// TestPutIfThere: whether an item exists is not told to whom it is not for.
func TestPutIfThere(t *testing.T) {
	d := openDoors(t)
	token := d.token("shoes", "stock", shoes)
	d.serve()
	d.stock("HAT-1", "berlin")
	for _, sku := range []string{"HAT-1", "HAT-2"} {
		req, err := http.NewRequest(http.MethodPut, d.http.URL+"/v1/items/"+sku, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("If-Match", "*")
		req.Header.Set("Idempotency-Key", d.key())
		if out := d.send(req, token); out.status != 403 {
			t.Errorf("%s: %+v", sku, out)
		}
	}
}

// TestAudit: each refusal is counted, by its reason, and is a line in the log that says who and what,
// but not the token; beyond a number of lines a second it is counted alone.
func TestAudit(t *testing.T) {
	d := openDoors(t)
	token := d.token("till", "read")
	d.serve()
	d.stock("A", "main")
	_, secret, _ := strings.Cut(strings.TrimPrefix(token, "skua_"), "_")
	forged := token[:len(token)-4] + "aaaa"
	for _, ask := range []func(*doors, string, *gateway.Operation, map[string]any) outcome{(*doors).overHTTP, (*doors).overNATS} {
		ask(d, token, gateway.Receive, map[string]any{"sku": "A", "location": "main", "quantity": 1, "idempotency_key": "k"})
		ask(d, forged, gateway.GetItem, map[string]any{"sku": "A"})
		ask(d, "", gateway.GetItem, map[string]any{"sku": "A"})
	}
	log := d.log.String()
	for want, n := range map[string]int{
		`reason=scope `: 2, `reason=wrong_secret `: 2, `reason=no_token `: 2, `principal=till `: 2, `operation=receive `: 2, `operation=get_item `: 4,
		`door=http `: 3, `door=nats `: 3, `remote=127.0.0.1:`: 3,
	} {
		if got := strings.Count(log, want); got < n {
			t.Errorf("%q is in the log %d times, want %d:\n%s", want, got, n, log)
		}
	}
	for range 50 {
		d.overHTTP("", gateway.GetItem, map[string]any{"sku": "A"})
	}
	if got := d.refused("no_token"); got != 52 {
		t.Errorf("%v refusals are counted", got)
	}
	if n := strings.Count(d.log.String(), "access refused"); n > 6+3*gateway.ClientLinesMax || n < 6+gateway.ClientLinesMax/2 {
		t.Errorf("%d lines", n)
	}
	for _, never := range []string{token, secret, forged, secret[:20]} {
		if strings.Contains(d.log.String(), never) {
			t.Errorf("the log has %s", never)
		}
	}
}

func (d *doors) refused(reason string) float64 {
	d.Helper()
	families, err := d.metric.Gather()
	if err != nil {
		d.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "skua_access_refused_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == reason {
				return m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

// TestAnswersGoToInboxes: nobody has Skua say something on a subject that means something.
func TestAnswersGoToInboxes(t *testing.T) {
	d := openDoors(t)
	d.serve()
	for _, subject := range []string{"stock.events.v1.main.A", "stock.alerts.v1.x.main.A", "stock.v1.receive", "$JS.API.STREAM.DELETE.STOCK_EVENTS"} {
		sub, err := d.nc.SubscribeSync(subject)
		if err != nil {
			t.Fatal(err)
		}
		m := &nats.Msg{Subject: "stock.v1.get_item", Reply: subject, Data: []byte(`{"sku":"A"}`), Header: nats.Header{"Authorization": {"Bearer " + d.admin}}}
		if err := d.nc.PublishMsg(m); err != nil {
			t.Fatal(err)
		}
		// The next request comes after it, and so does its answer.
		d.overNATS(d.admin, gateway.GetItem, map[string]any{"sku": "A"})
		if err := d.nc.Flush(); err != nil {
			t.Fatal(err)
		}
		if n, _, err := sub.Pending(); err != nil || n != 0 {
			t.Errorf("%s has an answer: %d, %v", subject, n, err)
		}
	}
}

// TestAskingForNoAnswer: who asks the service what it is, and to be told nowhere, does not fill the log.
func TestAskingForNoAnswer(t *testing.T) {
	d := openDoors(t)
	d.serve()
	const many = 200
	for range many {
		if err := d.nc.Publish("$SRV.PING", nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.nc.Request("$SRV.PING", nil, 20*time.Second); err != nil { // It comes after them.
		t.Fatal(err)
	}
	d.overNATS(d.admin, gateway.GetItem, map[string]any{"sku": "A"})
	if n := strings.Count(d.log.String(), "nats door"); n == 0 || n > many/2 {
		t.Errorf("%d lines of %d questions", n, many)
	}
}
