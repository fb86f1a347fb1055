package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
)

// benchSaturationCmd finds what the engine can do, and offers it less, as much, and far more.
type benchSaturationCmd struct {
	benchFlags
	Ways     []string  `help:"Ways in: inprocess, inprocess-batch, events, nats, nats-batch, http, http-batch." default:"inprocess,nats"`
	Workload string    `help:"The workload." default:"uniform"`
	Factors  []float64 `help:"What is offered, as a multiple of the capacity." default:"0.5,0.8,1,2,5,10"`
	InFlight int       `help:"Operations in flight at most; what falls due beyond is missed." default:"16384"`
	Capacity float64   `help:"Operations a second that are taken for the capacity, instead of measuring it." placeholder:"N"`
}

// capacityWindows are those with which the capacity is looked for.
var capacityWindows = []int{256, 1024, 4096}

func (c *benchSaturationCmd) Run(o output) error {
	if err := checkWays(c.Ways); err != nil {
		return err
	}
	return c.measured(o, "saturation", func(ctx context.Context, dir string) (findings, error) {
		w, err := bench.Find(c.Workload)
		if err != nil {
			return findings{}, fmt.Errorf("%w: %w", errUsage, err)
		}
		var all []report.Saturation
		var ways []contender
		for _, con := range c.contenders() {
			for _, one := range con.ways {
				if slices.Contains(c.Ways, wayFlags[one.name]) && one.takes(w) && one.peer == nil {
					ways = append(ways, contender{con.name, []way{one}, con.open})
				}
			}
		}
		r := &runner{flags: &c.benchFlags, dir: dir, bar: progress(o, len(ways)*(len(capacityWindows)+len(c.Factors)), "runs", false)}
		defer r.bar.finish()
		for i := range ways {
			s := report.Saturation{Workload: w.Name, Way: ways[i].ways[0].name, On: ways[i].ways[0].on}
			v := &visit{runner: r, contender: &ways[i], workload: w}
			if err := errors.Join(c.saturate(ctx, v, &s), v.shut()); err != nil {
				return findings{}, err
			}
			all = append(all, s)
		}
		return findings{all, []report.Section{report.Saturated(all)}}, nil
	})
}

func (c *benchSaturationCmd) saturate(ctx context.Context, v *visit, s *report.Saturation) error {
	s.Capacity = c.Capacity
	w := &v.contender.ways[0]
	for _, window := range capacityWindows {
		if c.Capacity == 0 {
			res, err := v.measure(ctx, w, load{workload: v.workload, window: window}, fmt.Sprint("capacity", window))
			if err != nil {
				return err
			}
			s.Capacity = max(s.Capacity, res.Rate)
		}
		v.bar.Increment()
	}
	for i, f := range c.Factors {
		res, err := v.measure(ctx, w, load{workload: v.workload, window: c.InFlight, rate: f * s.Capacity}, fmt.Sprint("factor", i))
		if err != nil {
			return err
		}
		s.Points = append(s.Points, report.Offer{Factor: f, Result: res})
		v.bar.Increment()
	}
	return nil
}
