package main

import (
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// Whoever sends far more over NATS than is let in hears of each request: it was done, or refused.
func TestAFloodIsAnswered(t *testing.T) {
	const requests, patience = 200_000, time.Minute
	p, err := spawn(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	d, err := bench.NewNATS(p.nats, 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	hot, err := bench.Find("hot")
	if err != nil {
		t.Fatal(err)
	}
	if err := bench.Seed(t.Context(), d, hot); err != nil {
		t.Fatal(err)
	}
	var answered, refused atomic.Int64
	all := make(chan struct{})
	lane := d.Lane(0, 1)
	for i := range requests {
		cmd := &engine.Command{
			Op: engine.OpReserve, Key: "flood " + strconv.Itoa(i), TTL: 60_000,
			Lines: []engine.Line{{SKU: bench.SKU(0), Location: bench.Location, Quantity: 1}},
		}
		lane.Start(cmd, func(err error) {
			if err != nil {
				refused.Add(1)
			}
			if answered.Add(1) == requests {
				close(all)
			}
		})
	}
	lane.(bench.Flusher).Flush()
	select {
	case <-all:
		t.Logf("%d of %d were refused", refused.Load(), requests)
	case <-time.After(patience):
		t.Fatalf("%d of %d requests have no answer after %v", requests-answered.Load(), requests, patience)
	}
}
