package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	killRounds = flag.Int("kill.rounds", 4, "how often the server is killed")
	killSeed   = flag.Uint64("kill.seed", 0, "seed of the clients and of the moments; 0 draws one")
)

// asProgram makes the test binary behave as the program, so that tests can start it as a process.
const asProgram = "TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Setenv(asProgram, "1")
	flag.Parse()
	os.Exit(m.Run())
}

// killedServer is a server that dies and comes back.
type killedServer struct {
	t    *testing.T
	dir  string
	mu   sync.RWMutex
	p    *process
	nc   *nats.Conn
	dead atomic.Bool
}

func (s *killedServer) start() {
	p, err := spawn(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = p.cmd.Process.Kill() }) // Only after a failure is it there still.
	nc, err := nats.Connect(p.nats, nats.NoReconnect())
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.p, s.nc = p, nc
	s.mu.Unlock()
	s.dead.Store(false)
}

func (s *killedServer) end(sig os.Signal) {
	s.dead.Store(true)
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.p.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
	err := s.p.cmd.Wait()
	if sig == syscall.SIGTERM && err != nil {
		s.t.Errorf("a graceful stop ended with %v", err)
	}
	s.nc.Close()
}

// send tries once, over HTTP or NATS.
func (s *killedServer) send(overNATS bool, op, sku, id, key string, body any) (answer []byte, code string, err error) {
	s.mu.RLock()
	p, nc := s.p, s.nc
	s.mu.RUnlock()
	if s.dead.Load() {
		return nil, "", errors.New("the server is down")
	}
	if body == nil {
		body = struct{}{}
	}
	payload := map[string]any{}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, "", err
	}
	if !overNATS {
		h := httpShop{url: "http://" + p.http, client: killClient}
		return h.once(op, sku, id, key, b)
	}
	if err := json.Unmarshal(b, &payload); err != nil {
		return nil, "", err
	}
	if sku != "" {
		payload["sku"] = sku
	}
	if id != "" {
		payload["id"] = id
	}
	if b, err = json.Marshal(payload); err != nil {
		return nil, "", err
	}
	m, err := nc.RequestMsg(&nats.Msg{Subject: "stock.v1." + op, Data: b, Header: nats.Header{"Idempotency-Key": {key}}}, 5*time.Second)
	if err != nil {
		return nil, "", err
	}
	if status := m.Header.Get("Nats-Service-Error-Code"); status != "" {
		code = codeOf(m.Data, status)
	}
	return m.Data, code, nil
}

var killClient = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// told is a command that a client sent, and what it was told in the end.
type told struct {
	op, id, key string
	body        any
	answer      []byte
	code        string
}

// insist sends a command until it gets an answer, under the same key.
func (s *killedServer) insist(overNATS bool, c *told, stop <-chan struct{}) bool {
	for {
		answer, code, err := s.send(overNATS, c.op, "", c.id, c.key, c.body)
		if err == nil && !unavailable(code) && code != "503" {
			c.answer, c.code = answer, code
			return true
		}
		select {
		case <-stop:
			return false
		case <-time.After(5 * time.Millisecond):
		}
	}
}

const killSKUs, killUnits = 12, 1_000

func killSKU(i int) string { return fmt.Sprint("S", i) }

// stock makes the items, with all that they will ever have.
func (s *killedServer) stock() {
	s.t.Helper()
	for i := range killSKUs {
		sku := killSKU(i)
		for _, c := range []struct {
			op   string
			body any
		}{{"put_item", struct{}{}}, {"receive", map[string]any{"location": "main", "quantity": killUnits}}} {
			if _, code, err := s.send(false, c.op, sku, "", c.op+sku, c.body); err != nil || code != "" {
				s.t.Fatal(code, err)
			}
		}
	}
}

// killClientLife is one client: it reserves on few or many items, and confirms or releases what it
// got; now and then it asks again for what it was told before.
func (s *killedServer) client(n int, seed uint64, stop <-chan struct{}) (log []*told) {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	overNATS := n%2 == 0
	var held []string
	for i := 0; ; i++ {
		select {
		case <-stop:
			return log
		default:
		}
		c := &told{key: fmt.Sprint("c", n, "-", i)}
		switch k := rng.IntN(10); {
		case k < 5 || len(held) == 0:
			c.op = "reserve"
			var lines []map[string]any
			for range 1 + rng.IntN(4) {
				sku := rng.IntN(killSKUs)
				if n%4 < 2 {
					sku %= 2
				}
				lines = append(lines, map[string]any{"sku": fmt.Sprint("S", sku), "quantity": 1, "location": "main"})
			}
			c.body = map[string]any{"lines": lines, "ttl_ms": 200 + rng.IntN(20_000)}
		case k < 7:
			c.op, c.id, held = "confirm", held[0], held[1:]
		default:
			c.op, c.id, held = "release", held[0], held[1:]
		}
		if !s.insist(overNATS, c, stop) {
			return append(log, c)
		}
		log = append(log, c)
		if c.op == "reserve" && c.code == "" {
			var r reservation
			if err := json.Unmarshal(c.answer, &r); err != nil {
				s.t.Errorf("answer %q: %v", c.answer, err)
				return log
			}
			held = append(held, r.ID)
		}
		if again := log[rng.IntN(len(log))]; again.code == "" && rng.IntN(4) == 0 {
			s.askAgain(overNATS, again, stop)
		}
	}
}

func (s *killedServer) askAgain(overNATS bool, was *told, stop <-chan struct{}) {
	again := *was
	if s.insist(overNATS, &again, stop) && (again.code != "" || !bytes.Equal(again.answer, was.answer)) {
		s.t.Errorf("%s %s was told %s, a retry %s %s", was.op, was.key, was.answer, again.code, again.answer)
	}
}

// TestKill kills the server under load, over and over, and looks at the books at the end: nothing
// that was acknowledged is lost, nothing was done twice, no reservation is half there, and the
// event stream is the history, without a gap.
func TestKill(t *testing.T) {
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with: go test ./cmd/skua -run '^TestKill$' -kill.seed %d -kill.rounds %d", seed, *killRounds)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &killedServer{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.start()
	s.stock()
	const clients = 64
	logs := make([][]*told, clients)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for n := range clients {
		wg.Go(func() { logs[n] = s.client(n, seed, stop) })
	}
	rounds := *killRounds
	if testing.Short() {
		rounds = min(rounds, 2)
	}
	for round := range rounds {
		time.Sleep(time.Duration(100+rng.IntN(900)) * time.Millisecond)
		sig := os.Signal(syscall.SIGKILL)
		if round%4 == 3 {
			sig = syscall.SIGTERM
		}
		s.end(sig)
		s.start()
	}
	time.Sleep(200 * time.Millisecond)
	close(stop)
	wg.Wait()
	s.verify(logs)
	s.end(syscall.SIGTERM)
	var out bytes.Buffer
	if code := run([]string{"check", s.dir}, &out, &out); code != exitOK {
		t.Errorf("check ended with %d:\n%s", code, out.String())
	}
}

func (s *killedServer) verify(logs [][]*told) {
	never := make(chan struct{})
	acknowledged := 0
	want := make(map[string]map[string]int64) // reservation -> item -> units
	for n, log := range logs {
		for _, c := range log {
			if c.answer == nil {
				s.insist(n%2 == 0, c, never) // Cut off at the end: whatever became of it, it is told now.
			} else if c.code == "" {
				s.askAgain(n%2 == 1, c, never)
			}
			if c.code != "" {
				continue
			}
			acknowledged++
			if c.op != "reserve" {
				continue
			}
			var r reservation
			if err := json.Unmarshal(c.answer, &r); err != nil {
				s.t.Fatal(err)
			}
			if want[r.ID] != nil {
				s.t.Errorf("reservation %s was given out twice", r.ID)
			}
			want[r.ID] = make(map[string]int64)
			for _, l := range r.Lines {
				want[r.ID][l.SKU] += l.Quantity
			}
		}
	}
	got := make(map[string]map[string]int64)
	histories := make(map[string][]map[string]any)
	total := 0
	for i := range killSKUs {
		sku := fmt.Sprint("S", i)
		histories[sku] = s.history(sku)
		total += len(histories[sku])
		for _, m := range histories[sku] {
			if m["type"] == "stock.reserved" {
				id := m["reservation_id"].(string)
				if got[id] == nil {
					got[id] = make(map[string]int64)
				}
				got[id][sku] += int64(m["quantity"].(float64))
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		s.t.Errorf("the clients hold %d reservations, the histories have %d, or their lines differ", len(want), len(got))
	}
	s.compareStream(histories, total)
	s.t.Logf("%d acknowledged changes, %d reservations, %d movements", acknowledged, len(want), total)
	if acknowledged == 0 {
		s.t.Error("nothing was acknowledged, so nothing was shown")
	}
}

// history reads all movements of an item, oldest first, and checks that each begins where the one
// before ended, and that the last ends where the item is.
func (s *killedServer) history(sku string) []map[string]any {
	var it map[string]any
	var all []map[string]any
	for { // Holds expire while this reads, so the item may move between the two reads.
		it = s.get("/v1/items/" + sku)
		all = all[:0]
		for cursor := ""; ; {
			page := s.get("/v1/items/" + sku + "/history?limit=500" + cursor)
			for _, m := range page["movements"].([]any) {
				all = append(all, m.(map[string]any))
			}
			next, _ := page["next_cursor"].(string)
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
		}
		if len(all) > 0 && all[0]["sequence"] == it["sequence"] {
			break
		}
	}
	for i, j := 0, len(all)-1; i < j; i, j = i+1, j-1 {
		all[i], all[j] = all[j], all[i]
	}
	var after any
	for i, m := range all {
		if m["sequence"] != float64(i+1) {
			s.t.Fatalf("%s: movement %v where %d should be", sku, m["sequence"], i+1)
		}
		if m["location"] != "main" {
			continue
		}
		if after != nil && !reflect.DeepEqual(m["before"], after) {
			s.t.Fatalf("%s: movement %d begins at %v, the one before ended at %v", sku, i+1, m["before"], after)
		}
		after = m["after"]
	}
	level := it["levels"].([]any)[0].(map[string]any)
	delete(level, "location")
	if !reflect.DeepEqual(after, any(level)) {
		s.t.Errorf("%s: the history ends at %v, the item is at %v", sku, after, level)
	}
	if level["on_hand"] != float64(killUnits) {
		s.t.Errorf("%s: %v on hand", sku, level["on_hand"])
	}
	return all
}

func (s *killedServer) get(path string) map[string]any {
	resp, err := killClient.Get("http://" + s.p.http + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var v map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatal(path, resp.Status, v, err)
	}
	return v
}

// compareStream reads the event stream from its beginning and compares it with the histories.
func (s *killedServer) compareStream(histories map[string][]map[string]any, total int) {
	js, err := jetstream.New(s.nc)
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	consumer, err := js.OrderedConsumer(ctx, "STOCK_EVENTS", jetstream.OrderedConsumerConfig{})
	if err != nil {
		s.t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		s.t.Fatal(err)
	}
	defer messages.Stop()
	at := make(map[string]int)
	for n := 0; n < total; {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			s.t.Fatalf("after %d of %d events: %v", n, total, err)
		}
		var e struct {
			Type, Subject string
			Data          map[string]any
		}
		if err := json.Unmarshal(m.Data(), &e); err != nil {
			s.t.Fatal(err)
		}
		history := histories[e.Subject]
		i := at[e.Subject]
		at[e.Subject]++
		if i >= len(history) {
			continue // It happened after the history was read.
		}
		n++
		for field, want := range history[i] {
			if !reflect.DeepEqual(e.Data[field], want) {
				s.t.Fatalf("event %d of %s has %s %v, the history %v", i+1, e.Subject, field, e.Data[field], want)
			}
		}
	}
}
