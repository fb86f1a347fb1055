package main

import (
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// TestFloorsAnswer: each does what the load asks, and says so in the way that the real thing does.
func TestFloorsAnswer(t *testing.T) {
	w, err := bench.Find("hot")
	if err != nil {
		t.Fatal(err)
	}
	f := testFlags()
	f.Length, f.Warmup = 300*time.Millisecond, 10*time.Millisecond
	for _, con := range f.floors() {
		t.Run(con.name, func(t *testing.T) {
			r := &runner{flags: f, dir: t.TempDir(), bar: &bar{}}
			v := &visit{runner: r, contender: &con, workload: w}
			for i := range con.ways {
				res, err := v.measure(t.Context(), &con.ways[i], load{workload: w, window: con.ways[i].windows[0]}, "floor")
				if err != nil {
					t.Fatal(err)
				}
				if res.Operations == 0 || res.Failed > 0 || res.Shared != (con.name == floorLog || con.name == floorTurn) {
					t.Errorf("%+v", res)
				}
			}
			if err := v.shut(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFloorIsAsLong: the constant has the length of a real answer to the load.
func TestFloorIsAsLong(t *testing.T) {
	p, err := spawn(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	curl := func(what string) (int, []byte) {
		return doCurl(t, p.http, "curl "+what+" -H 'Content-Type: application/json'")
	}
	item := "localhost:8080/v1/items/" + bench.SKU(0)
	curl("-X PUT " + item + " -H 'Idempotency-Key: 1' -d '{}'")
	curl("-X POST " + item + "/receive -H 'Idempotency-Key: 2' -d '{\"location\":\"main\",\"quantity\":5}'")
	status, answer := curl("-X POST localhost:8080/v1/reservations -H 'Idempotency-Key: 3' " +
		"-d '{\"lines\":[{\"sku\":\"" + bench.SKU(0) + "\",\"location\":\"main\",\"quantity\":1}],\"ttl_ms\":900000}'")
	// Of both, the names of the members and what they have the shape of are the same; the time may
	// be written with fewer digits.
	if status != http.StatusCreated || len(answer) < len(floorAnswer)-4 || len(answer) > len(floorAnswer) {
		t.Errorf("%d, %d bytes, the floor answers with %d:\n%s\n%s", status, len(answer), len(floorAnswer), answer, floorAnswer)
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
