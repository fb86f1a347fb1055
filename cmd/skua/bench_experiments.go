package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
	"github.com/skua-stock/skua/cmd/skua/node"
)

func growItems(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "items", Title: "More items", What: "items",
		Text: "Each item was created and received stock: two movements, two idempotency keys. In memory are as many as a server keeps by default (--resident); reservations " +
			"of all the others have to read Pebble first. Warm is live heap an item that is in memory, with its share " +
			"of keys and indexes, of the others too, once history has caught up and given back what it worked with; on disk is all of the data directory, log included, after a snapshot. " +
			"Starting is opening the directory anew until an item is read.",
		Figures: []string{"in memory", "warm bytes an item", "bytes on disk an item", "start ms", "heap MiB after start", "ops/s uniform", "CPU µs/op uniform"},
		Plotted: []int{1, 2, 3, 6},
	}
	for n := 1000; n <= l.most; n *= 10 {
		if err := l.fill(uniform(n), node.Config{SnapshotEvery: never}); err != nil {
			return g, err
		}
		warm, resident := l.quietHeap()-l.heap, float64(l.site.node.Resident())
		r, err := l.measure(uniform(n), scaleWindow)
		if err != nil {
			return g, err
		}
		if err := l.site.node.Save(l.ctx); err != nil {
			return g, err
		}
		disk, err := onDisk(l.site.dir)
		if err != nil {
			return g, err
		}
		took, err := l.restart()
		if err != nil {
			return g, err
		}
		g.Add(float64(n), resident, float64(warm)/resident, float64(disk)/float64(n), millis(took), float64(bench.LiveHeap())/(1<<20), r.Rate, r.CPU())
	}
	return g, nil
}

// quietHeap is the live heap once what works in the background has come to rest.
func (l *lab) quietHeap() int64 {
	time.Sleep(restsFrom) // What was just written may not have been seen yet.
	for began := time.Now(); !l.site.node.Store.AtRest() && time.Since(began) < restWait; {
		time.Sleep(10 * time.Millisecond)
	}
	return bench.LiveHeap()
}

// restsFrom is after how long the store has surely seen that there is something to do; restWait bounds the
// wait for the end of it.
const (
	restsFrom = time.Second
	restWait  = 2 * time.Minute
)

// restart shuts the node in order, opens it again and reads an item.
func (l *lab) restart() (took time.Duration, err error) {
	dir := l.site.dir
	if err := l.site.shut(); err != nil {
		return 0, err
	}
	l.site = nil
	runtime.GC() // The node that was is not there when a server starts.
	began := time.Now()
	if err := l.openNode(node.Config{Dir: dir, SnapshotEvery: never}, false); err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	read := uniform(1)
	read.Lines, read.Reads = 0, 1
	err = bench.Do(l.ctx, l.driver(), read, "restart", 1, 1)
	return time.Since(began), err
}

func growHolds(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "holds", Title: "More live reservations on one item", What: "live reservations",
		Text:    "All are on one item, which then takes reservations that are released at once. Bytes are live heap a reservation, with its key, once history has caught up.",
		Figures: []string{"bytes a reservation", "ops/s", "CPU µs/op", "p99 ms"}, Plotted: []int{0, 2},
	}
	hot := uniform(1)
	churn := hot
	churn.Released = 1
	for n := 10; n <= 1_000_000; n *= 10 {
		if err := l.fill(churn, node.Config{SnapshotEvery: never}); err != nil {
			return g, err
		}
		empty := l.quietHeap()
		if err := bench.Do(l.ctx, l.driver(), hot, "holds", n, scaleWindow); err != nil {
			return g, err
		}
		bytes := float64(l.quietHeap()-empty) / float64(n)
		r, err := l.measure(churn, scaleWindow)
		if err != nil {
			return g, err
		}
		g.Add(float64(n), bytes, r.Rate, r.CPU(), r.P99/1e3)
	}
	return g, nil
}

func growLines(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "lines", Title: "More lines in an order", What: "lines",
		Text:    "Orders over so many of 100,000 items, all or nothing.",
		Figures: []string{"orders/s", "lines/s", "CPU µs an order", "CPU µs a line", "p99 ms"}, Plotted: []int{3},
	}
	w := uniform(100_000)
	if err := l.fill(w, node.Config{SnapshotEvery: never}); err != nil {
		return g, err
	}
	for _, n := range []int{1, 3, 10, 30, 100, 300, 1000} {
		w.Lines = n
		r, err := l.measure(w, max(4, scaleWindow/n))
		if err != nil {
			return g, err
		}
		l.quietHeap() // The history of these orders is not to be sorted while the next are measured.
		g.Add(float64(n), r.Rate, r.Rate*float64(n), r.CPU(), r.CPU()/float64(n), r.P99/1e3)
	}
	return g, nil
}

func growCores(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "cores", Title: "More processors of the scheduler", What: "GOMAXPROCS", Bars: true,
		Text:    "All cores of the machine are there each time; a server has one processor of the scheduler more than cores. The load generator runs on the same.",
		Figures: []string{"ops/s", "CPU µs/op", "p99 ms"}, Plotted: []int{0},
	}
	all := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(all)
	for _, w := range []bench.Workload{uniform(100_000), uniform(1)} {
		if err := l.fill(w, node.Config{SnapshotEvery: l.flags.SnapshotEvery}); err != nil {
			return g, err
		}
		for n := 1; n <= all; n = max(n+1, min(2*n, all)) {
			runtime.GOMAXPROCS(n)
			r, err := l.measure(w, scaleWindow)
			runtime.GOMAXPROCS(all)
			if err != nil {
				return g, err
			}
			g.AddCase(fmt.Sprintf("%d, %d items", n, w.SKUs), r.Rate, r.CPU(), r.P99/1e3)
		}
	}
	return g, nil
}

func growRecovery(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "recovery", Title: "A longer log to recover", What: "records in the log",
		Text: "Reservations over 100,000 items without a snapshot, then the data directory as a crash would leave it, opened. " +
			"At the least there are the 200,000 records that make the items.",
		Figures: []string{"recovery ms", "records/s", "CPU µs a record"}, Plotted: []int{0, 1},
	}
	w := uniform(100_000)
	for n := 100_000; n <= l.most*2; n *= 2 {
		if err := l.fill(w, node.Config{SnapshotEvery: never}); err != nil {
			return g, err
		}
		if err := bench.Do(l.ctx, l.driver(), w, "log", n, scaleWindow); err != nil {
			return g, err
		}
		crashed := l.fresh()
		if err := os.CopyFS(crashed, os.DirFS(l.site.dir)); err != nil {
			return g, err
		}
		if err := l.shut(); err != nil {
			return g, err
		}
		took, cpu, err := l.recover(crashed)
		if err != nil {
			return g, err
		}
		records := float64(n + 2*w.SKUs)
		g.Add(records, millis(took), records/took.Seconds(), float64(cpu.Nanoseconds())/1e3/records)
	}
	return g, nil
}

// recover opens what a crash left.
func (l *lab) recover(dir string) (took, cpu time.Duration, err error) {
	runtime.GC()
	used, err := bench.OwnCPU()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	n, err := node.Open(node.Config{Dir: dir, SnapshotEvery: never})
	if err != nil {
		return 0, 0, err
	}
	took = time.Since(began)
	after, err := bench.OwnCPU()
	l.site = &inProcessSite{node: n, dir: dir}
	return took, after - used, err
}

func growBackground(l *lab) (report.Growth, error) {
	g := report.Growth{
		Name: "background", Title: "While snapshots and passivation run", What: "meanwhile", Bars: true,
		Text: "Reservations over 100,000 items. Snapshots write every item that changed. With room for a tenth of the items the others are " +
			"passivated and activated again and again, which a shop with that many items in use would give more memory.",
		Figures: []string{"ops/s", "CPU µs/op", "p99 ms", "bytes/op"}, Plotted: []int{0},
	}
	w := uniform(100_000)
	length := l.flags.Length
	defer func() { l.flags.Length = length }()
	l.flags.Length = max(length, 10*time.Second) // Of all, since it takes so long to see some of it.
	for _, c := range []struct {
		name string
		cfg  node.Config
	}{
		{"nothing", node.Config{SnapshotEvery: never}},
		{"snapshots every 10 s", node.Config{SnapshotEvery: 10 * time.Second}},
		{"snapshots every second", node.Config{SnapshotEvery: time.Second}},
		{"room for a tenth", node.Config{SnapshotEvery: time.Second, Limits: actors.Limits{Resident: w.SKUs / 10}}},
	} {
		if err := l.fill(w, c.cfg); err != nil {
			return g, err
		}
		r, err := l.measure(w, scaleWindow)
		if err != nil {
			return g, err
		}
		g.AddCase(c.name, r.Rate, r.CPU(), r.P99/1e3, r.Written)
	}
	return g, nil
}
