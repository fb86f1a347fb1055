package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/events"
	"github.com/skua-stock/skua/persistence/wal"
)

// floorEvents is a NATS server, and the events that a floor publishes there: one for each record that is
// on disk, as the outbox does it. Where there are none, it is the server alone.
type floorEvents struct {
	server *events.Server
	stop   context.CancelFunc
	done   chan error
}

// openEvents starts a server with its files in a directory, and publishes what comes to the disk as changes
// of so many items; of none for no events.
func openEvents(dir string, disk *floorDisk, items int) (*floorEvents, error) {
	s, err := events.Embedded(events.ServerConfig{Addr: "127.0.0.1:0", Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	e := &floorEvents{server: s, stop: func() {}}
	if items == 0 {
		return e, nil
	}
	outbox, err := events.New(events.Config{
		Feed: newFloorFeed(disk.log, items), Connect: s.Connect, Node: "floor", AppendReservationID: turnPort{}.AppendReservationID,
		SyncInterval: s.SyncInterval(), Embedded: true, Pace: events.PaceDefault, Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		s.Shutdown()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	e.stop, e.done = stop, make(chan error, 1)
	go func() { e.done <- outbox.Run(ctx) }()
	return e, nil
}

func (e *floorEvents) close() error {
	e.stop()
	var err error
	if e.done != nil {
		if err = <-e.done; err != nil {
			err = fmt.Errorf("publish events: %w", err)
		}
	}
	e.server.Shutdown()
	return err
}

// floorFeed is a log of which only the length is read: each record is a reservation of one unit, of one
// item after the other in an order in which neighbours are far apart. So what events cost is the
// outbox, its connection and JetStream.
type floorFeed struct {
	log  *wal.Log
	skus []string
}

// floorStride is prime, so that every item has its turn unless their number is a multiple of it.
const floorStride = 7919

func newFloorFeed(log *wal.Log, items int) *floorFeed {
	f := &floorFeed{log: log, skus: make([]string, items)}
	for i := range f.skus {
		f.skus[i] = bench.SKU(i)
	}
	return f
}

// Bounds implements gateway.Feed.
func (f *floorFeed) Bounds() (oldest, newest uint64) { return 1, f.log.Durable() }

// Follow implements gateway.Feed.
func (f *floorFeed) Follow(from uint64) gateway.Follower {
	const ttl = 15 * time.Minute
	now := engine.Time(time.Now().UnixMilli())
	return &floorFollower{feed: f, next: from, record: engine.Record{Time: now, SKUs: []string{""}, Acts: []engine.Act{{
		Op: engine.OpReserve, Reason: "reservation_created", ExpiresAt: now + engine.Time(ttl.Milliseconds()),
		Events: []engine.Event{{
			Type: engine.StockReserved, Level: engine.LevelKey{Location: bench.Location}, Quantity: 1,
			Before: engine.Counts{OnHand: bench.Stock, Reserved: 1}, After: engine.Counts{OnHand: bench.Stock, Reserved: 2},
		}},
	}}}}
}

type floorFollower struct {
	feed   *floorFeed
	next   uint64
	record engine.Record
}

// Next implements gateway.Follower.
func (w *floorFollower) Next(ctx context.Context) (uint64, *engine.Record, error) {
	for w.next > w.feed.log.Durable() {
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-time.After(floorLookEvery):
		}
	}
	i, r := w.next, &w.record
	w.next++
	items := uint64(len(w.feed.skus))
	r.SKUs[0] = w.feed.skus[i*floorStride%items]
	r.Time = max(r.Time, engine.Time(time.Now().UnixMilli()))
	r.Acts[0].Events[0].Sequence = i/items + 2 // After the item was made and received.
	return i, r, nil
}

// Close implements gateway.Follower.
func (w *floorFollower) Close() error { return nil }
