package main

import (
	"slices"
	"time"

	"github.com/skua-stock/skua/bench"
)

// The defaults of how long and how often, and what a quick look has instead.
const (
	benchLength = 5 * time.Second
	benchRuns   = 3
	benchRate   = 20_000
	quickLength = 2 * time.Second
)

var (
	benchWays      = []string{"inprocess", "inprocess-batch", "events", "nats", "nats-batch", "http", "http-batch", "floors", "peers"}
	benchWorkloads = []string{"uniform", "hot", "order", "zipf", "mixed", "life", "read"}
	quickWays      = []string{"inprocess", "inprocess-batch", "nats", "nats-batch", "http", "peers"}
	quickWorkloads = []string{"uniform", "hot", "order"}
)

// preferQuick replaces what is as it is by default.
func (c *benchCompareCmd) preferQuick() {
	if c.Length == benchLength {
		c.Length = quickLength
	}
	if c.Runs == benchRuns {
		c.Runs = 1
	}
	if slices.Equal(c.Ways, benchWays) {
		c.Ways = quickWays
	}
	if slices.Equal(c.Workloads, benchWorkloads) {
		c.Workloads = quickWorkloads
	}
	if c.Rate == benchRate {
		c.Rate = 0
	}
}

// chosen are the contenders with the ways that were asked for.
func (c *benchCompareCmd) chosen() (some []contender) {
	for _, con := range c.contenders() {
		con.ways = slices.DeleteFunc(con.ways, func(w way) bool { return !c.wants(&w) })
		if len(con.ways) > 0 {
			some = append(some, con)
		}
	}
	return some
}

func (c *benchCompareCmd) wants(w *way) bool {
	switch {
	case w.peer != nil:
		return slices.Contains(c.Ways, "peers") && (w.peer.Best || !c.Quick)
	case w.floor != "":
		return slices.Contains(c.Ways, "floors")
	}
	return slices.Contains(c.Ways, wayFlags[w.name])
}

// loads are those of a way and a workload. One client alone is measured with the first workload
// only, and beside the three that are compared everywhere there is only the longest window.
func (c *benchCompareCmd) loads(w *way, l bench.Workload) (all []load) {
	if !w.takes(l) {
		return nil
	}
	windows := w.windows
	switch {
	case len(c.InFlight) > 0 && w.floor == "":
		windows = c.InFlight
	case c.Quick && w.name == wayNATS: // As many as clients, and pipelined: what is put side by side.
		windows = windows[len(windows)-2:]
	case c.Quick || l.Name != "uniform" && l.Name != "hot" && l.Name != "order":
		windows = windows[len(windows)-1:]
	case l.Name != "uniform" && len(windows) > 1:
		windows = slices.DeleteFunc(slices.Clone(windows), func(n int) bool { return n == 1 })
	}
	for _, n := range windows {
		if w.most > 0 {
			n = min(n, w.most)
		}
		all = append(all, load{workload: l, window: n, brief: c.brief(w, l, n)})
	}
	if l.Name == "uniform" && c.Rate > 0 && w.paced {
		all = append(all, load{workload: l, window: openWindow, rate: c.Rate, brief: c.brief(w, l, openWindow)})
	}
	return all
}

// brief reports whether a load is measured once and briefly. What the product is judged by first is
// measured at length, with one item and with many; to do so with everything would take an hour.
func (c *benchCompareCmd) brief(w *way, l bench.Workload, window int) bool {
	if c.Brief <= 0 || c.Brief >= c.Length || len(c.InFlight) > 0 {
		return false
	}
	return !slices.Contains(w.judged, window) || l.Name != "uniform" && l.Name != "hot"
}

// length is how long one run of a load is.
func (c *benchCompareCmd) length(l load) time.Duration {
	if l.brief {
		return c.Brief
	}
	return c.Length
}

// runs is how many there are of a load.
func (c *benchCompareCmd) runs(l load) int {
	if l.brief {
		return 1
	}
	return c.Runs
}

// saves reports whether a snapshot is to be completed in a run, so that a load sees as many as on a
// server that runs for as long, rounded.
func (c *benchCompareCmd) saves(l load, round int) bool {
	so := func(rounds int) int { return int(float64(rounds)*float64(c.length(l))/float64(c.SnapshotEvery) + 0.5) }
	return so(round+1) > so(round)
}
