package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/skua-stock/skua/engine"
)

// Prepare makes the items of a workload and waits until all are there.
func Prepare(ctx context.Context, t *Target, w Workload) error {
	if t.Seed != nil {
		return t.Seed(ctx, w)
	}
	return Seed(ctx, t.Driver, w)
}

// Seed makes the items of a workload through a driver.
func Seed(ctx context.Context, d Driver, w Workload) error {
	// The driver may run later commands of one item first, so the items come before the stock.
	for _, op := range []engine.Op{engine.OpPutItem, engine.OpReceive} {
		if err := through(ctx, d, &itemsFeed{op: op, all: makeNames(w.SKUs), count: w.SKUs}, seedWindow); err != nil {
			return fmt.Errorf("make the items: %w", err)
		}
	}
	return nil
}

// itemsFeed makes the commands that make items.
type itemsFeed struct {
	op       engine.Op
	all      names
	n, count int
}

func (f *itemsFeed) next(sl *slot) bool {
	if f.n == f.count {
		return false
	}
	sl.cmd = engine.Command{Op: f.op, SKU: f.all.at(f.n), Key: "seed-" + f.op.String() + f.all.at(f.n)}
	if f.op == engine.OpReceive {
		sl.cmd.Location, sl.cmd.Quantity = Location, Stock
	}
	f.n++
	return true
}

func (f *itemsFeed) accepted(*slot) {}

// Do does exactly so many operations of a workload, with a window of them in flight.
func Do(ctx context.Context, d Driver, w Workload, name string, operations, window int) error {
	return through(ctx, d, &some{source: newSources(w, name, 1)[0], left: operations}, window)
}

// some is a source that ends.
type some struct {
	*source
	left int
}

func (s *some) next(sl *slot) bool {
	if s.left == 0 {
		return false
	}
	s.left--
	return s.source.next(sl)
}

// through does all that a feed has.
func through(ctx context.Context, d Driver, f feed, window int) error {
	r := &run{zero: time.Now()}
	r.begins.Store(math.MaxInt64)
	w := newWorker(r, lane(d, 0, 1), f, window)
	stop := context.AfterFunc(ctx, func() { r.stopped.Store(true); w.answers.rouse() })
	defer stop()
	w.closed()
	if w.tally.err != nil {
		return w.tally.err
	}
	return ctx.Err()
}
