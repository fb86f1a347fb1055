package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
)

// benchSaturationCmd finds what the engine can do, and offers it less, as much, and far more.
type benchSaturationCmd struct {
	benchFlags
	Ways     []string  `help:"Ways in: inprocess, events, nats, nats-batch, http, http-batch." default:"inprocess,nats"`
	Workload string    `help:"The workload." default:"uniform"`
	Factors  []float64 `help:"What is offered, as a multiple of the capacity." default:"0.5,0.8,1,2,5,10"`
	InFlight int       `help:"Operations in flight at most; what falls due beyond is missed." default:"16384"`
	Capacity float64   `help:"Operations a second that are taken for the capacity, instead of measuring it." placeholder:"N"`
}

// capacityWindows are those with which the capacity is looked for.
var capacityWindows = []int{256, 1024, 4096}

func (c *benchSaturationCmd) Run(o output) error {
	return c.measured(o, "saturation", func(ctx context.Context, dir string) (findings, error) {
		w, err := bench.Find(c.Workload)
		if err != nil {
			return findings{}, fmt.Errorf("%w: %w", errUsage, err)
		}
		var all []report.Saturation
		var ways []contender
		for _, con := range c.contenders() {
			for _, one := range con.ways {
				if slices.Contains(c.Ways, wayFlags[one.name]) && one.takes(w) && !one.peer {
					ways = append(ways, contender{con.name, []way{one}, con.open})
				}
			}
		}
		r := &runner{flags: &c.benchFlags, dir: dir, bar: progress(o, len(ways)*(len(capacityWindows)+len(c.Factors)), "runs", false)}
		defer r.bar.finish()
		for i := range ways {
			s := report.Saturation{Workload: w.Name, Way: ways[i].ways[0].name, On: ways[i].ways[0].on}
			err := r.at(ctx, &ways[i], w, func(st site) error { return c.saturate(ctx, r, st, &ways[i].ways[0], w, &s) })
			if err != nil {
				return findings{}, err
			}
			all = append(all, s)
		}
		return findings{all, []report.Section{report.Saturated(all)}}, nil
	})
}

func (c *benchSaturationCmd) saturate(ctx context.Context, r *runner, st site, w *way, l bench.Workload, s *report.Saturation) error {
	s.Capacity = c.Capacity
	for _, window := range capacityWindows {
		if c.Capacity == 0 {
			res, err := r.once(ctx, st, w, load{l, window, 0}, fmt.Sprint("capacity", window))
			if err != nil {
				return fmt.Errorf("find the capacity of %s: %w", w.name, err)
			}
			s.Capacity = max(s.Capacity, res.Rate)
		}
		r.bar.Increment()
	}
	for i, f := range c.Factors {
		res, err := r.once(ctx, st, w, load{l, c.InFlight, f * s.Capacity}, fmt.Sprint("factor", i))
		if err != nil {
			return fmt.Errorf("offer %.1f times the capacity of %s: %w", f, w.name, err)
		}
		s.Points = append(s.Points, report.Offer{Factor: f, Result: res})
		r.bar.Increment()
	}
	return nil
}
