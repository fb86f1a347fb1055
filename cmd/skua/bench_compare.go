package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/peer"
	"github.com/skua-stock/skua/bench/report"
)

// benchCompareCmd measures the workloads over the ways in, and the peers with the same load.
type benchCompareCmd struct {
	benchFlags
	Ways      []string      `help:"Ways in: inprocess, inprocess-batch, events (the same with events published), nats, nats-batch, http, http-batch; floors, which do a part of it and nothing else; and peers." default:"inprocess,inprocess-batch,events,nats,nats-batch,http,http-batch,floors,peers"`
	Workloads []string      `help:"Workloads: uniform, hot, order, zipf, mixed, life, read." default:"uniform,hot,order,zipf,mixed,life,read"`
	Quick     bool          `help:"Look in about two minutes: one run of 2 s each of what says most, unless the other flags say otherwise."`
	Runs      int           `help:"Runs of each, one of all before the next of any; the median by CPU time is shown." default:"3"`
	Brief     time.Duration `help:"Length of the one run of what is measured briefly: the peers, and of Skua all but the uniform and hot workloads over inprocess-batch, nats, nats-batch and http. 0 is all at length." default:"2s"`
	InFlight  []int         `help:"Operations in flight, instead of those of each way." placeholder:"N"`
	Items     int           `help:"Items, instead of the 100,000 of all workloads but hot." placeholder:"N"`
	Rate      float64       `help:"Operations a second of the open loop, which is run with the uniform workload; 0 is none." default:"20000"`
}

// Validate refuses what makes no sense.
func (c *benchCompareCmd) Validate() error {
	if c.Items != 0 && (c.Items < itemsMin || c.Items > itemsMax) {
		return fmt.Errorf("--items must be between %d and %d", itemsMin, itemsMax)
	}
	if slices.Min(append(c.InFlight, 1)) < 1 || c.Runs < 1 {
		return errors.New("--in-flight and --runs must be more than zero")
	}
	if c.Brief < 0 || c.Rate < 0 {
		return errors.New("--brief and --rate must not be less than zero")
	}
	return c.benchFlags.Validate()
}

// openWindow is how many operations may be in flight in an open loop.
const openWindow = 16_384

// wayFlags are the names of the ways on the command line.
var wayFlags = map[string]string{
	wayInProcess: "inprocess", wayInProcessBatch: "inprocess-batch", wayInProcessEvents: "events", wayNATS: "nats", wayNATSBatch: "nats-batch",
	wayHTTP: "http", wayHTTPBatch: "http-batch",
}

// contenders are Skua in its forms, and the peers.
func (f *benchFlags) contenders() []contender {
	lanes := func(window int) int { return min(window, f.Connections) }
	batches := func(window int) int { return connections(window / f.Batch) }
	all := []contender{
		{name: "Skua in process", open: f.openInProcess, ways: []way{
			{name: wayInProcessBatch, on: onButEvents, windows: []int{8192}, judged: []int{8192}, takes: everything},
			{name: wayInProcess, on: onButEvents, windows: []int{1, 1024, 8192}, takes: everything},
		}},
		{name: "a server of Skua", open: f.openServed, ways: []way{
			{name: wayNATS, on: onAll, windows: []int{1, 256, 4096}, judged: []int{256, 4096}, takes: everything, paced: true, workers: lanes},
			{name: wayHTTP, on: onAll, windows: []int{1, 64}, judged: []int{64}, takes: everything, workers: connections, waits: true, most: connectionsMost},
			{name: wayNATSBatch, on: onAll, windows: []int{80 * f.Batch}, judged: []int{80 * f.Batch}, takes: everything, workers: lanes},
			{name: wayHTTPBatch, on: onAll, windows: []int{32 * f.Batch}, takes: everything, workers: batches, waits: true, most: connectionsMost * f.Batch},
		}},
		{name: "Skua in process with events", open: f.openInProcessEvents, ways: []way{
			{name: wayInProcessEvents, on: onAll, windows: []int{8192}, takes: everything},
		}},
	}
	all = append(all, f.floors()...)
	for _, p := range peers() {
		all = append(all, peerContender(p))
	}
	return all
}

// checkWays refuses a way in that there is not.
func checkWays(names []string, more ...string) error {
	known := append(slices.Sorted(maps.Values(wayFlags)), more...)
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: there is no way in %q, but %s", errUsage, name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (c *benchCompareCmd) Run(o output) error {
	if c.Quick {
		c.preferQuick()
	}
	if err := checkWays(c.Ways, "floors", "peers"); err != nil {
		return err
	}
	return c.measured(o, "compare", func(ctx context.Context, dir string) (findings, error) {
		rows, settings, err := c.measure(ctx, o, dir)
		sides := report.SideBySide(rows, wayNATS, wayNATSBatch)
		return findings{
			map[string]any{"rows": rows, "settings": settings, "side_by_side": sides},
			append(report.Compare(rows, settings), report.Summary(sides)...),
		}, err
	})
}

// measure does one run of everything, then the next, so that a slow minute of the machine is not
// one system's.
func (c *benchCompareCmd) measure(ctx context.Context, o output, dir string) ([]bench.Row, map[string]string, error) {
	contenders, workloads, total := c.chosen(), []bench.Workload{}, 0
	for _, name := range c.Workloads {
		w, err := bench.Find(name)
		if err != nil {
			return nil, nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		if c.Items > 0 && w.SKUs > 1 {
			w.SKUs = c.Items
		}
		workloads = append(workloads, w)
		for _, con := range contenders {
			for i := range con.ways {
				for _, l := range c.loads(&con.ways[i], w) {
					total += c.runs(l)
				}
			}
		}
	}
	r := &comparison{runner: runner{flags: &c.benchFlags, dir: dir, bar: progress(o, total, "runs", false)}, settings: map[string]string{}}
	defer r.bar.finish()
	for round := range c.Runs {
		for _, w := range workloads {
			for i := range contenders {
				if err := c.visit(ctx, o, r, &contenders[i], w, round); err != nil {
					return r.medians(), r.settings, err
				}
			}
		}
	}
	return r.medians(), r.settings, nil
}

// comparison gathers the runs.
type comparison struct {
	runner
	rows     []*bench.Row // in the order of the first round
	runs     map[string][]*bench.Row
	settings map[string]string
	absent   []string
}

// visit does one run of each load of a contender.
func (c *benchCompareCmd) visit(ctx context.Context, o output, r *comparison, con *contender, l bench.Workload, round int) error {
	count := 0
	for i := range con.ways {
		for _, l := range c.loads(&con.ways[i], l) {
			if round < c.runs(l) {
				count++
			}
		}
	}
	if count == 0 || slices.Contains(r.absent, con.name) {
		r.bar.add(count)
		return nil
	}
	v := &visit{runner: &r.runner, contender: con, workload: l}
	err := c.measureAll(ctx, r, v, round)
	err = errors.Join(err, v.shut())
	if err != nil && con.ways[0].peer != nil && ctx.Err() == nil { // It is not there, or broke; the others can be measured.
		fmt.Fprintf(o.err, "left out from here on: %v\n", err)
		r.absent = append(r.absent, con.name)
		r.bar.add(count)
		return nil
	}
	return err
}

func (c *benchCompareCmd) measureAll(ctx context.Context, r *comparison, v *visit, round int) error {
	for i := range v.contender.ways {
		w := &v.contender.ways[i]
		for _, l := range c.loads(w, v.workload) {
			if round >= c.runs(l) {
				continue
			}
			l.length, l.saves = c.length(l), c.saves(l, round)
			res, err := v.measure(ctx, w, l, fmt.Sprintf("%d-%d-%.0f-%d", round, i, l.rate, l.window))
			if err != nil {
				return err
			}
			if p, ok := v.site.(peerSite); ok {
				r.settings[v.contender.name] = p.Settings
			}
			v.rows = append(v.rows, r.add(w.row(l, res)))
			r.bar.Increment()
		}
	}
	return nil
}

func (r *comparison) add(row *bench.Row) *bench.Row {
	key := fmt.Sprint(row.Workload, row.Way, row.InFlight, row.Offered)
	if r.runs == nil {
		r.runs = map[string][]*bench.Row{}
	}
	if r.runs[key] == nil {
		r.rows = append(r.rows, row)
	}
	r.runs[key] = append(r.runs[key], row)
	return row
}

func (r *comparison) medians() []bench.Row {
	rows := make([]bench.Row, len(r.rows))
	for i, row := range r.rows {
		var runs []bench.Row
		for _, run := range r.runs[fmt.Sprint(row.Workload, row.Way, row.InFlight, row.Offered)] {
			runs = append(runs, *run)
		}
		rows[i] = bench.Median(runs)
	}
	return rows
}

// peers are the systems to measure beside Skua.
func peers() []bench.Peer { return peer.All() }
