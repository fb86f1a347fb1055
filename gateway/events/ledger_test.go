package events

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// ledger is a durable log in memory: what a test appends to it, the outbox publishes.
type ledger struct {
	mu      sync.Mutex
	records []engine.Record // records[0] has index first
	first   uint64
	more    chan struct{} // closed when there is more
	levels  map[string]*engine.Counts
	numbers map[string]uint64 // the sequence of each SKU
}

func newLedger() *ledger {
	return &ledger{first: 1, more: make(chan struct{}), levels: map[string]*engine.Counts{}, numbers: map[string]uint64{}}
}

func (l *ledger) Bounds() (oldest, newest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first, l.first + uint64(len(l.records)) - 1
}

// cut lets go what is below an index.
func (l *ledger) cut(below uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = l.records[below-l.first:]
	l.first = below
}

func (l *ledger) append(r engine.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records = append(l.records, r)
	close(l.more)
	l.more = make(chan struct{})
}

// movement makes a movement of a SKU that takes or brings units, and raises what alerts follow.
func (l *ledger) movement(sku, location string, units int64) engine.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.levels[sku+"@"+location]
	if c == nil {
		c = &engine.Counts{}
		l.levels[sku+"@"+location] = c
	}
	l.numbers[sku]++
	e := engine.Event{
		Type: engine.StockAdjusted, Sequence: l.numbers[sku], Level: engine.LevelKey{Location: location},
		Before: *c, Quantity: units, To: engine.OnHand,
	}
	c.OnHand = max(0, c.OnHand+units)
	e.After = *c
	if e.Before.OnHand > 0 && e.After.OnHand == 0 {
		e.Alerts = engine.OutOfStock
	}
	return e
}

// record is a record of movements of the SKU "a".
func record(events ...engine.Event) engine.Record {
	return engine.Record{SKUs: []string{"a"}, Acts: []engine.Act{{Op: engine.OpAdjust, Events: events}}}
}

// random appends a record of one to five movements over a few SKUs; now and then one without any.
func (l *ledger) random(dice *rand.Rand) {
	r := engine.Record{Time: engine.Time(1_790_000_000_000 + dice.Int64N(1_000_000))}
	act := engine.Act{Op: engine.OpAdjust, Reason: "correction", Actor: "test"}
	for range dice.IntN(6) {
		sku := fmt.Sprintf("sku %d", dice.IntN(5))
		e := l.movement(sku, "main", dice.Int64N(21)-10)
		e.Stock = len(r.SKUs)
		r.SKUs = append(r.SKUs, sku)
		act.Events = append(act.Events, e)
	}
	r.Acts = []engine.Act{act}
	l.append(r)
}

// wants is every movement of the log, as place and SKU and sequence.
func (l *ledger) wants(from uint64) (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.records {
		index := l.first + uint64(i)
		if index < from {
			continue
		}
		of := movements(&l.records[i])
		l.records[i].Movements(func(n int, m *engine.Movement) bool {
			list = append(list, fmt.Sprintf("%s %s %d", place{index, n, of}, m.SKU, m.Sequence))
			return true
		})
	}
	return list
}

func (l *ledger) Follow(from uint64) gateway.Follower { return &follower{l, from} }

type follower struct {
	l    *ledger
	next uint64
}

func (f *follower) Next(ctx context.Context) (uint64, *engine.Record, error) {
	for {
		f.l.mu.Lock()
		if f.next < f.l.first {
			f.l.mu.Unlock()
			return 0, nil, gateway.ErrGone
		}
		if i := f.next - f.l.first; i < uint64(len(f.l.records)) {
			r := f.l.records[i]
			f.l.mu.Unlock()
			f.next++
			return f.next - 1, &r, nil
		}
		more := f.l.more
		f.l.mu.Unlock()
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-more:
		}
	}
}

func (f *follower) Close() error { return nil }

func reservationID(b []byte, r engine.ReservationRef) []byte {
	return fmt.Appendf(b, "%s-%x", r.Home, r.Nonce)
}
