package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/events"
)

// TestFloorsAnswer: each does what the load asks, and says so in the way that the real thing does.
func TestFloorsAnswer(t *testing.T) {
	f := testFlags()
	f.Length, f.Warmup = 300*time.Millisecond, 10*time.Millisecond
	f.Batch = bench.BatchDefault // Long answers are sent in another way than short ones.
	for _, con := range f.floors() {
		for _, w := range bench.Workloads() {
			if !con.ways[0].takes(w) {
				continue
			}
			w.SKUs = min(w.SKUs, 1000)
			t.Run(con.name+", "+w.Name, func(t *testing.T) {
				r := &runner{flags: f, dir: t.TempDir(), bar: &bar{}}
				v := &visit{runner: r, contender: &con, workload: w}
				for i := range con.ways {
					res, err := v.measure(t.Context(), &con.ways[i], load{workload: w, window: con.ways[i].windows[0]}, "floor")
					if err != nil {
						t.Fatal(err)
					}
					if res.Operations == 0 || res.Failed > 0 || res.Shared == strings.Contains(con.name, "answering") {
						t.Errorf("%+v", res)
					}
				}
				if err := v.shut(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestFloorsAskForADirectory where they keep something in it, and nowhere else. That one starts without
// is seen above.
func TestFloorsAskForADirectory(t *testing.T) {
	for _, flags := range [][]string{{"http", "--durable"}, {"http", "--turns", "3"}, {"nats"}, {"nats", "--durable"}, {"http", "--events", "3"}} {
		var out bytes.Buffer
		if code := run(append([]string{"bench", "floor"}, flags...), &out, &out); code != exitUsage || !strings.Contains(out.String(), "--data") {
			t.Errorf("%v: exit code %d, %s", flags, code, out.String())
		}
	}
}

// TestFloorPublishes an event for each record that comes to the disk, each item's in order.
func TestFloorPublishes(t *testing.T) {
	const items, records = 7, 100
	w, err := (&floorFlags{Events: items, Lines: 1}).open(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.disk.await(records); err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(w.events.server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.OrderedConsumer(t.Context(), events.Stream, jetstream.OrderedConsumerConfig{})
	for errors.Is(err, jetstream.ErrStreamNotFound) { // Until the outbox has made it.
		consumer, err = js.OrderedConsumer(t.Context(), events.Stream, jetstream.OrderedConsumerConfig{})
	}
	if err != nil {
		t.Fatal(err)
	}
	last := map[string]string{}
	for i := range records {
		m, err := consumer.Next()
		if err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		var event struct{ Subject, Sequence string }
		if err := json.Unmarshal(m.Data(), &event); err != nil {
			t.Fatal(err)
		}
		if event.Sequence <= last[event.Subject] {
			t.Errorf("event %d of %s has sequence %s after %s", i, event.Subject, event.Sequence, last[event.Subject])
		}
		last[event.Subject] = event.Sequence
	}
	if len(last) != items {
		t.Errorf("events of %d items, want %d", len(last), items)
	}
	if err := w.close(); err != nil {
		t.Error(err)
	}
}

// TestFloorTurnHoldsEachItemOnce: an order may name an item twice, and in any order.
func TestFloorTurnHoldsEachItemOnce(t *testing.T) {
	d, end := turnsOn(t, 3)
	defer end()
	c := reservationOf(2, 0, 2)
	if err := started(d, c); err != nil {
		t.Fatal(err)
	}
	if skus := d.turn.Record.SKUs; !slices.Equal(skus, []string{bench.SKU(0), bench.SKU(2)}) {
		t.Errorf("the record has %v", skus)
	}
	if err := started(d, reservationOf(3)); !errors.Is(err, errNoItem) {
		t.Errorf("an item that there is not: %v", err)
	}
	if held := d.items[bench.SKU(2)].stock.Holds(); held != 1 {
		t.Errorf("%d holds", held)
	}
}

// TestFloorRecordIsAsLong: what a floor without an engine writes is as long as what the engine would.
func TestFloorRecordIsAsLong(t *testing.T) {
	d, end := turnsOn(t, 100)
	defer end()
	for _, skus := range [][]int{{0}, {1, 2, 3}} {
		for range 200 { // Numbers take a byte more after some time.
			if err := started(d, reservationOf(skus...)); err != nil {
				t.Fatal(err)
			}
		}
		lines := len(skus)
		if got, floor := len(d.buf), len(floorRecordOf(lines)); got < floor-4*lines || got > floor+6*lines {
			t.Errorf("%d lines: %d bytes, the floor has %d", lines, got, floor)
		}
	}
}

// turnsOn is the engine's turns on so many items.
func turnsOn(t *testing.T, items int) (*turnDriver, func()) {
	t.Helper()
	s, err := testFlags().openFloorTurn(t.Context(), t.TempDir(), bench.Workload{SKUs: items})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*turnSite).driver, func() {
		if err := s.shut(); err != nil {
			t.Error(err)
		}
	}
}

func started(d bench.Driver, c *engine.Command) error {
	answer := make(chan error, 1)
	d.Start(c, func(err error) { answer <- err })
	return <-answer
}

func reservationOf(skus ...int) *engine.Command {
	c := &engine.Command{Op: engine.OpReserve, Key: "a-key-that-is-as-long", TTL: time.Hour.Milliseconds()}
	for _, i := range skus {
		c.Lines = append(c.Lines, engine.Line{SKU: bench.SKU(i), Location: bench.Location, Quantity: 1})
	}
	return c
}

// TestFloorIsAsLong: the constants have the length of real answers to the load.
func TestFloorIsAsLong(t *testing.T) {
	p, err := spawn(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	keys := 0
	curl := func(what string) (int, []byte) {
		keys++
		return doCurl(t, p.http, fmt.Sprintf("curl %s -H 'Content-Type: application/json' -H 'Idempotency-Key: %d'", what, keys))
	}
	line := func(sku int) string { return `{"sku":"` + bench.SKU(sku) + `","location":"main","quantity":1}` }
	for i := range 3 {
		item := "localhost:8080/v1/items/" + bench.SKU(i)
		curl("-X PUT " + item + " -d '{}'")
		curl("-X POST " + item + "/receive -d '{\"location\":\"main\",\"quantity\":5}'")
	}
	// The names of the members and what they have the shape of are the same; a time may be written
	// with fewer digits.
	same := func(what string, answer, floor []byte, times int) {
		if len(answer) < len(floor)-4*times || len(answer) > len(floor) {
			t.Errorf("%s: %d bytes, the floor answers with %d:\n%s\n%s", what, len(answer), len(floor), answer, floor)
		}
	}
	for _, lines := range []string{line(0), line(0) + "," + line(1) + "," + line(2)} {
		n := strings.Count(lines, "sku")
		status, answer := curl(`-X POST localhost:8080/v1/reservations -d '{"lines":[` + lines + `],"ttl_ms":900000}'`)
		if status != http.StatusCreated {
			t.Fatalf("%d: %s", status, answer)
		}
		same(fmt.Sprint(n, " lines"), answer, floorAnswerOf(n), 1)
	}
	batch := `{"operations":[{"op":"reserve","idempotency_key":"b1","lines":[` + line(1) + `]},` +
		`{"op":"reserve","idempotency_key":"b2","lines":[` + line(2) + `]}]}`
	_, answer := doCurl(t, p.http, "curl -X POST localhost:8080/v1/batch -H 'Content-Type: application/json' -d '"+batch+"'")
	floor, n, err := (&floorBatches{result: floorResultOf(floorAnswerOf(1))}).answer([]byte(batch))
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	same("a batch", answer, floor, n)
	for _, raw := range []string{"", "{}", strings.Repeat(string(floorOperation), gateway.BatchOperationsMax+1)} {
		if _, n, err := new(floorBatches).answer([]byte(raw)); err == nil {
			t.Errorf("a batch of %d operations is answered", n)
		}
	}
}

// TestBooksAreHeldAgainstTheLoad: a unit that nobody was told of is missed, and the other way round.
func TestBooksAreHeldAgainstTheLoad(t *testing.T) {
	w, err := bench.Find("life")
	if err != nil {
		t.Fatal(err)
	}
	w.SKUs = 20
	f := testFlags()
	f.Length, f.Warmup = 100*time.Millisecond, 10*time.Millisecond
	for _, con := range f.contenders() {
		if con.ways[0].peer != nil || con.ways[0].floor != "" {
			continue
		}
		t.Run(con.name, func(t *testing.T) {
			r := &runner{flags: f, dir: t.TempDir(), bar: &bar{}}
			v := &visit{runner: r, contender: &con, workload: w}
			res, err := v.measure(t.Context(), &con.ways[0], load{workload: w, window: 20}, "books")
			if err != nil {
				t.Fatal(err)
			}
			if res.Told.Reserved == 0 || res.Told.Fulfilled == 0 || res.Told.Released == 0 || res.Told.Lapsed == 0 {
				t.Fatalf("too little was done to be worth a look: %+v", res.Told)
			}
			if err := v.verify(); err != nil {
				t.Error(err)
			}
			row := &bench.Row{Result: res}
			v.rows = append(v.rows, row)
			steal(t, v)
			if err := v.shut(); err == nil || !strings.Contains(err.Error(), "books are wrong") {
				t.Errorf("a unit that nobody was told of is not missed: %v", err)
			}
			if row.Wrong == "" {
				t.Error("the row does not say that it does not count")
			}
		})
	}
}

// steal reserves a unit behind the back of the load.
func steal(t *testing.T, v *visit) {
	t.Helper()
	target, shut, err := v.site.target(v.contender.ways[0].name, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer shut()
	c := &engine.Command{
		Op: engine.OpReserve, Key: "steal", TTL: time.Hour.Milliseconds(),
		Lines: []engine.Line{{SKU: bench.SKU(0), Location: bench.Location, Quantity: 1}},
	}
	answer := make(chan error, 1)
	target.Driver.Start(c, func(err error) { answer <- err })
	if f, ok := target.Driver.(bench.Flusher); ok {
		f.Flush()
	}
	if err := <-answer; err != nil {
		t.Fatal(errors.Join(errors.New("steal a unit"), err))
	}
}
