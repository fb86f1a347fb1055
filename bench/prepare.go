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
		r := &run{zero: time.Now()}
		r.begins.Store(math.MaxInt64)
		wk := newWorker(r, lane(d, 0, 1), &itemsFeed{op: op, all: makeNames(w.SKUs), count: w.SKUs}, seedWindow)
		stop := context.AfterFunc(ctx, func() { r.stopped.Store(true); wk.answers.rouse() })
		wk.closed()
		stop()
		if wk.tally.err != nil {
			return fmt.Errorf("make the items: %w", wk.tally.err)
		}
	}
	return ctx.Err()
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
