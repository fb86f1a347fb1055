package actors_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the randomized tests; 0 draws one")

func drawSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with: go test ./actors -run '^%s$' -seed %d", t.Name(), seed)
	return seed
}

// TestMain checks that nothing of a closed system runs on.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a system under test on its ground.
type bench struct {
	*actors.System
	t      *testing.T
	ground *ground
	gauges *prometheus.Registry
}

// start starts a system; the test closes it.
func start(t *testing.T, g *ground, change ...func(*actors.Config)) *bench {
	t.Helper()
	b := &bench{t: t, ground: g, gauges: prometheus.NewRegistry()}
	cfg := actors.Config{Log: g, Memory: g, Snapshots: g, Partitions: 8, IDKey: [16]byte{1, 2, 3}, Metrics: b.gauges}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if b.System, err = actors.New(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// close ends the system as a node does: no change, those in flight, a snapshot.
func (b *bench) close() {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Drain(ctx); err != nil {
		b.t.Error(err)
	}
	if err := b.Save(ctx); err != nil {
		b.t.Error(err)
	}
	b.Close()
}

// limits makes a system run with limits.
func limits(l actors.Limits) func(*actors.Config) { return func(c *actors.Config) { c.Limits = l } }

// send submits a command and returns where its answer will be.
func (b *bench) send(c engine.Command) chan engine.Answer {
	answers := make(chan engine.Answer, 2) // A second answer would be a bug, and must not block.
	b.Submit(&c, func(a *engine.Answer) {
		kept := *a // What is lent goes with the call.
		kept.Reservation.Lines = slices.Clone(a.Reservation.Lines)
		answers <- kept
	})
	return answers
}

func (b *bench) do(c engine.Command) engine.Answer { return <-b.send(c) }

// batch submits an atomic batch.
func (b *bench) batch(cmds ...engine.Command) chan []engine.Answer {
	answers := make(chan []engine.Answer, 2)
	all := make([]*engine.Command, len(cmds))
	for i := range cmds {
		all[i] = &cmds[i]
	}
	b.SubmitAll(all, func(a []engine.Answer) { answers <- a })
	return answers
}

func (b *bench) must(c engine.Command) engine.Answer {
	b.t.Helper()
	a := b.do(c)
	if a.Err != nil || a.Refusal.Refused() {
		b.t.Fatalf("%s: %v %+v", c.Op, a.Err, a.Refusal)
	}
	return a
}

// gauge reads a metric that has one value.
func (b *bench) gauge(name string) float64 {
	b.t.Helper()
	families, err := b.gauges.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			m := f.GetMetric()[0]
			return m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	b.t.Fatalf("there is no metric %s", name)
	return 0
}

// idle fails the test unless nothing is in flight.
func (b *bench) idle() {
	b.t.Helper()
	if n := b.gauge("skua_commands_in_flight"); n != 0 {
		b.t.Errorf("%v commands are still counted as in flight", n)
	}
}

// agree compares an item with what the log says of it.
func (b *bench) agree(sku string) {
	b.t.Helper()
	a := b.do(engine.Command{Op: engine.OpGetItem, SKU: sku})
	stock := b.ground.settled(sku)
	if !stock.Exists() {
		if a.Refusal.Code != engine.ItemNotFound {
			b.t.Errorf("the log has no %q, but it is %+v", sku, a)
		}
		return
	}
	want := stock.View()
	if a.Item == nil {
		b.t.Errorf("%q: %v %+v", sku, a.Err, a.Refusal)
	} else if diff := cmp.Diff(&want, a.Item); diff != "" {
		b.t.Errorf("%q is not what the log says (-log +item):\n%s", sku, diff)
	}
}

// onHand is how many units of an item there are.
func (b *bench) onHand(sku string) int64 {
	b.t.Helper()
	return b.must(engine.Command{Op: engine.OpGetItem, SKU: sku}).Item.Total(engine.OnHand)
}

func (b *bench) stocked(sku string, units int64) {
	b.t.Helper()
	b.must(put(sku))
	b.must(receive(sku, units, "receive "+sku))
}

func put(sku string) engine.Command {
	return engine.Command{Op: engine.OpPutItem, SKU: sku, Key: "put " + sku}
}

func receive(sku string, units int64, key string) engine.Command {
	return engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: units, Key: key}
}

func get(sku string) engine.Command { return engine.Command{Op: engine.OpGetItem, SKU: sku} }

// reserve wants one unit of each SKU for an hour.
func reserve(key string, skus ...string) engine.Command {
	c := engine.Command{Op: engine.OpReserve, Key: key, TTL: time.Hour.Milliseconds()}
	for _, sku := range skus {
		c.Lines = append(c.Lines, engine.Line{SKU: sku, Location: "main", Quantity: 1})
	}
	return c
}

func step(op engine.Op, key string, ref engine.ReservationRef) engine.Command {
	return engine.Command{Op: op, Key: key, Reservation: ref}
}

// settings compares those of answers that may have none.
var settings = cmp.Comparer(func(a, b *engine.Settings) bool {
	return a == b || a != nil && b != nil && a.Equal(b)
})

// names makes up SKUs.
func names(n int) []string {
	skus := make([]string, n)
	for i := range skus {
		skus[i] = fmt.Sprintf("S%04d", i)
	}
	return skus
}
