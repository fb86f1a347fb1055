package httpapi

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/gatewaytest"
)

// results are the results of a batch, each as "status code-or-sequence".
func results(t *testing.T, r reply) []string {
	t.Helper()
	list, ok := r.body["results"].([]any)
	if r.Code != 200 || !ok {
		t.Fatalf("batch: %d %s", r.Code, r.Body)
	}
	var out []string
	for _, one := range list {
		m := one.(map[string]any)
		what := m["code"]
		for _, name := range []string{"sequence", "state"} {
			if what == nil {
				what = m[name]
			}
		}
		s := fmt.Sprintf("%v %v", m["status"], what)
		if m["field"] != nil {
			s += fmt.Sprintf(" %v", m["field"])
		}
		if m["replayed"] == true {
			s += " replayed"
		}
		out = append(out, s)
	}
	return out
}

func wantResults(t *testing.T, r reply, want ...string) {
	t.Helper()
	if got := strings.Join(results(t, r), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("results:\n%s\nwant:\n%s\n%s", got, strings.Join(want, "\n"), r.Body)
	}
}

func TestBatch(t *testing.T) {
	for _, policy := range []string{"", `"error_policy":"ignore_failed",`, `"error_policy":"reject_failed_rows",`} {
		d := stocked(t)
		id := d.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":1}]}`).body["id"].(string)
		body := `{` + policy + `"operations":[
			{"op":"put_item","idempotency_key":"b0","sku":"B","backorder_limit":1},
			{"op":"receive","idempotency_key":"b1","sku":"B","location":"main","quantity":5,"reason":"received"},
			{"op":"reserve","idempotency_key":"b2","lines":[{"sku":"A","quantity":2},{"sku":"B","quantity":3}],"ttl_ms":1000},
			{"op":"adjust","idempotency_key":"b3","sku":"B","location":"main","delta":-1,"reason":"shrinkage"},
			{"op":"confirm","idempotency_key":"b4","id":"` + id + `"},
			{"op":"fulfill","idempotency_key":"b5","id":"` + id + `"},
			{"op":"receive","sku":"B","location":"main","quantity":5},
			{"op":"receive","idempotency_key":"b6","sku":"B","location":"main","quantity":1.5},
			{"op":"receive","idempotency_key":"b7","sku":"nope","location":"main","quantity":1},
			{"op":"receive","idempotency_key":"b8","sku":"B","location":"main","quantity":1,"if_match":77},
			{"op":"reserve","idempotency_key":"b9","lines":[{"sku":"B","quantity":300}]},
			{"op":"get_item","sku":"B"},
			{"op":"get_reservation","id":"` + id + `"},
			{"op":"get_item","sku":"nope"},
			{"op":"get_item","sku":"B","idempotency_key":"b"},
			{"op":"get_reservation","sku":"B"},
			{"op":"list_items"},
			{"op":"receive","idempotency_key":"b10","location":"main"},
			{"idempotency_key":"b11"},
			7,
			{"op":"confirm","idempotency_key":"b12","id":"made-up"},
			{"op":"receive","idempotency_key":"b1","sku":"B","location":"main","quantity":5,"reason":"received"}
		]}`
		wantResults(t, d.do("POST", "/v1/batch", body, "Idempotency-Key:"),
			"201 1", "200 2", "201 active", "200 4", "200 confirmed", "200 fulfilled",
			"400 IDEMPOTENCY_KEY_REQUIRED idempotency_key", "400 INVALID_REQUEST quantity", "404 ITEM_NOT_FOUND sku",
			"412 VERSION_CONFLICT if_match", "409 INSUFFICIENT_STOCK lines",
			"200 4", "200 fulfilled", "404 ITEM_NOT_FOUND sku", "400 INVALID_REQUEST idempotency_key", "400 INVALID_REQUEST sku",
			"400 INVALID_REQUEST op", "400 INVALID_REQUEST sku", "400 INVALID_REQUEST op", "400 INVALID_REQUEST", "404 RESERVATION_NOT_FOUND id",
			"200 2 replayed")
	}
}

func TestAtomicBatch(t *testing.T) {
	d := stocked(t)
	const head = `{"error_policy":"reject_everything","operations":[`
	const ok = `{"op":"receive","idempotency_key":"ok","sku":"A","location":"main","quantity":1}`
	before := d.shop.Records()
	wantResults(t, d.do("POST", "/v1/batch", head+ok+`,{"op":"reserve","idempotency_key":"r","lines":[{"sku":"A","quantity":50}]}]}`),
		"409 LINKED_LINE_FAILED", "409 INSUFFICIENT_STOCK lines")
	wantResults(t, d.do("POST", "/v1/batch", head+ok+`,{"op":"receive","idempotency_key":"r","sku":"A","quantity":1}]}`),
		"409 LINKED_LINE_FAILED", "400 INVALID_REQUEST location")
	wantResults(t, d.do("POST", "/v1/batch", head+ok+`,{"op":"get_item","sku":"A"}]}`), "409 LINKED_LINE_FAILED", "400 INVALID_REQUEST op")
	lines := strings.TrimSuffix(strings.Repeat(`{"sku":"A","quantity":1},`, 1000), ",")
	d.refused(400, "TOO_MANY_LINES", "operations", "POST", "/v1/batch", head+ok+`,{"op":"reserve","idempotency_key":"r","lines":[`+lines+`]}]}`)
	if d.shop.Records() != before {
		t.Error("refused batches changed something")
	}
	wantResults(t, d.do("POST", "/v1/batch", head+ok+`,{"op":"reserve","idempotency_key":"r","lines":[{"sku":"A","quantity":11}]}]}`),
		"200 3", "201 active")
	if d.shop.Records() != before+1 {
		t.Errorf("an atomic batch is %d records", d.shop.Records()-before)
	}
}

// TestBatchOfLargeReads: few bytes can ask for very many, which a batch does not answer without end.
func TestBatchOfLargeReads(t *testing.T) {
	d := stocked(t)
	var levels []string
	for i := range 1000 {
		levels = append(levels, fmt.Sprintf(`{"op":"receive","idempotency_key":"l%d","sku":"A","location":"shelf %d","quantity":1}`, i, i))
	}
	d.must(200, "POST", "/v1/batch", `{"operations":[`+strings.Join(levels, ",")+`]}`)
	const reads = 400
	all := results(t, d.do("POST", "/v1/batch", `{"operations":[`+strings.Repeat(`{"op":"get_item","sku":"A"},`, reads)+
		`{"op":"receive","idempotency_key":"last","sku":"A","location":"shelf 1","quantity":1}]}`))
	did := make(map[string]int)
	for _, one := range all[:reads] {
		did[one]++
	}
	const itemBytesMin, allowed = 150_000, 8 << 20
	refused := did["413 ANSWER_TOO_LARGE"]
	if len(did) != 2 || refused == 0 || reads-refused > allowed/itemBytesMin {
		t.Errorf("of %d reads: %v", reads, did)
	}
	if !strings.HasPrefix(all[reads], "200 ") {
		t.Errorf("what changes something was refused for what was read: %s", all[reads])
	}
}

// jumbled answers a little later, in any order, and does commands on different items in any order.
type jumbled struct {
	*gatewaytest.Shop
	mu     sync.Mutex
	queues map[string]chan func()
	random *rand.Rand
}

func (j *jumbled) SubmitEach(cmds []*engine.Command, answer func(int, *engine.Answer)) {
	for i, c := range cmds {
		j.Submit(c, func(a *engine.Answer) { answer(i, a) })
	}
}

func (j *jumbled) Submit(c *engine.Command, answer func(*engine.Answer)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	late := time.Duration(j.random.IntN(300)) * time.Microsecond
	do := func() { j.Shop.Submit(c, answer) }
	if c.Op.Step() || c.Op == engine.OpGetReservation || len(c.Lines) > 1 {
		go func() { time.Sleep(late); do() }()
		return
	}
	sku := c.SKU
	if len(c.Lines) == 1 {
		sku = c.Lines[0].SKU
	}
	q := j.queues[sku]
	if q == nil {
		q = make(chan func(), 1000)
		j.queues[sku] = q
		go func() {
			for f := range q {
				f()
			}
		}()
	}
	q <- func() { time.Sleep(late); do() }
}

// TestBatchKeepsOrder runs batches whose every operation only works in its place: set compares
// with what the one before left, over items that reservations tie together.
func TestBatchKeepsOrder(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		shop := gatewaytest.New()
		shop.Answer(func(give func()) { give() })
		port := &jumbled{Shop: shop, queues: make(map[string]chan func()), random: random}
		d := open(t, func(c *Config) { c.Port, c.Books, c.Feed = port, shop, shop })
		available := map[string]int{"A": 100, "B": 100, "C": 100}
		names := []string{"A", "B", "C"}
		for _, sku := range names {
			d.must(201, "PUT", "/v1/items/"+sku, "")
			d.must(200, "POST", "/v1/items/"+sku+"/receive", `{"location":"m","quantity":200}`)
		}
		var ids []string
		for range 10 {
			ids = append(ids, d.must(201, "POST", "/v1/reservations",
				`{"lines":[{"sku":"A","quantity":10},{"sku":"B","quantity":10},{"sku":"C","quantity":10}]}`).body["id"].(string))
		}
		var ops []string
		reads := make(map[int]string) // What the answer of an operation has to have.
		key := 0
		op := func(format string, args ...any) {
			key++
			ops = append(ops, fmt.Sprintf(`{"idempotency_key":"o%d",`, key)+fmt.Sprintf(format, args...)+"}")
		}
		for range 60 {
			sku := names[random.IntN(3)]
			switch random.IntN(5) {
			case 0:
				if len(ids) == 0 {
					continue
				}
				op(`"op":"release","id":"%s"`, ids[0])
				reads[len(ops)] = `"state":"released"`
				ops = append(ops, fmt.Sprintf(`{"op":"get_reservation","id":"%s"}`, ids[0]))
				ids = ids[1:]
				for _, n := range names {
					available[n] += 10
				}
			case 1:
				op(`"op":"reserve","lines":[{"sku":"A","quantity":1},{"sku":"B","quantity":1}]`)
				available["A"]--
				available["B"]--
			case 2:
				reads[len(ops)] = fmt.Sprintf(`"available":%d,`, available[sku])
				ops = append(ops, fmt.Sprintf(`{"op":"get_item","sku":"%s"}`, sku))
			default:
				op(`"op":"set","sku":"%s","location":"m","state":"available","quantity":%d,"change_from_quantity":%d`, sku, available[sku]+1, available[sku])
				available[sku]++
			}
		}
		r := d.do("POST", "/v1/batch", `{"operations":[`+strings.Join(ops, ",")+`]}`)
		for i, got := range results(t, r) {
			if !strings.HasPrefix(got, "20") {
				t.Fatalf("operation %d, %s: %s (seed %d)", i, ops[i], got, seed)
			}
		}
		var answers struct{ Results []json.RawMessage }
		if err := json.Unmarshal(r.Body.Bytes(), &answers); err != nil {
			t.Fatal(err)
		}
		for i, want := range reads {
			if !strings.Contains(string(answers.Results[i]), want) {
				t.Fatalf("operation %d, %s: %s, want %s (seed %d)", i, ops[i], answers.Results[i], want, seed)
			}
		}
		for _, q := range port.queues {
			close(q)
		}
	}
}

func TestSlowAnswers(t *testing.T) {
	var mu sync.Mutex
	var held []func()
	d := stocked(t, func(c *Config) { c.AnswerWait = 20 * time.Millisecond })
	d.shop.Answer(func(give func()) { mu.Lock(); held = append(held, give); mu.Unlock() })
	const receive = `{"location":"main","quantity":1}`
	r := d.do("POST", "/v1/items/A/receive", receive, "Idempotency-Key: slow")
	if r.Code != 504 || r.body["code"] != "ANSWER_TIMEOUT" || r.Header().Get("Retry-After") == "" {
		t.Fatalf("no answer: %d %s", r.Code, r.Body)
	}
	d.refused(504, "ANSWER_TIMEOUT", "", "GET", "/v1/items/A", "")
	d.refused(504, "ANSWER_TIMEOUT", "", "GET", "/v1/items", "")
	wantResults(t, d.do("POST", "/v1/batch", `{"operations":[{"op":"receive","idempotency_key":"b","sku":"A","location":"main","quantity":1}]}`),
		"504 ANSWER_TIMEOUT")
	mu.Lock()
	for _, give := range held {
		give() // Late answers find slots that nobody looks at.
	}
	mu.Unlock()
	d.shop.Answer(nil)
	if r := d.must(200, "POST", "/v1/items/A/receive", receive, "Idempotency-Key: slow"); r.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("the retry: %v %s", r.Header(), r.Body)
	}
}

func TestFailures(t *testing.T) {
	d := stocked(t)
	for _, c := range []struct {
		err        error
		status     int
		code       string
		retryAfter string
	}{
		{fmt.Errorf("partition 3: %w", engine.ErrOverloaded), 503, "OVERLOADED", "1"},
		{fmt.Errorf("the disk is nearly full: %w", engine.ErrUnavailable), 503, "SERVICE_UNAVAILABLE", "1"},
		{fmt.Errorf("secret: %w", engine.ErrInternal), 500, "INTERNAL", ""},
		{fmt.Errorf("secret"), 500, "INTERNAL", ""},
	} {
		d.shop.Fail(func(*engine.Command) error { return c.err })
		r := d.refused(c.status, c.code, "", "POST", "/v1/items/A/receive", `{"location":"main","quantity":1}`)
		if got := r.Header().Get("Retry-After"); got != c.retryAfter {
			t.Errorf("%s: Retry-After %q", c.code, got)
		}
		if strings.Contains(r.Body.String(), "secret") {
			t.Errorf("the client is told of the inside: %s", r.Body)
		}
		d.refused(c.status, c.code, "", "GET", "/v1/items", "")
	}
	d.shop.Fail(func(*engine.Command) error { panic("a bug at the door") })
	d.refused(500, "INTERNAL", "", "GET", "/v1/items/A", "")
}

func TestRequestIDs(t *testing.T) {
	d := open(t)
	if got := d.do("GET", "/v1/items", "", "X-Request-Id: mine-7").Header().Get("X-Request-Id"); got != "mine-7" {
		t.Errorf("request id %q", got)
	}
	for _, bad := range []string{"a b", "a\x7f", "é", strings.Repeat("x", gateway.RequestIDBytesMax+1)} {
		req := httptest.NewRequest(http.MethodGet, "/v1/items", nil)
		req.Header["X-Request-Id"] = []string{bad}
		rec := httptest.NewRecorder()
		d.server.Handler().ServeHTTP(rec, req)
		if got := rec.Header().Get("X-Request-Id"); len(got) != 16 {
			t.Errorf("request id %q became %q", bad, got)
		}
	}
}
