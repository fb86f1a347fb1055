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
	InFlight []int     `help:"Operations in flight at most, a table for each; what falls due beyond is missed. A server lets in 65536 over NATS, and 16384 on one item." default:"16384,131072"`
	Capacity float64   `help:"Operations a second that are taken for the capacity, instead of measuring it." placeholder:"N"`
}

// capacityWindows are those with which the capacity is looked for.
var capacityWindows = []int{256, 1024, 4096}

// Validate refuses what makes no sense.
func (c *benchSaturationCmd) Validate() error {
	if slices.Min(append(c.InFlight, 1)) < 1 {
		return errors.New("--in-flight must be more than zero")
	}
	if slices.Min(append(c.Factors, 1)) <= 0 {
		return errors.New("--factors must be more than zero")
	}
	return c.benchFlags.Validate()
}

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
		if len(ways) == 0 {
			return findings{}, fmt.Errorf("%w: none of these ways in takes the workload %s", errUsage, c.Workload)
		}
		r := &runner{flags: &c.benchFlags, dir: dir, bar: progress(o, len(ways)*(len(capacityWindows)+len(c.InFlight)*len(c.Factors)), "runs", false)}
		defer r.bar.finish()
		for i := range ways {
			v := &visit{runner: r, contender: &ways[i], workload: w}
			some, err := c.saturate(ctx, v)
			if err := errors.Join(err, v.shut()); err != nil {
				return findings{}, err
			}
			all = append(all, some...)
		}
		return findings{all, []report.Section{report.Saturated(all)}}, nil
	})
}

// saturate finds the capacity of a way, and offers it each factor with each limit of what is in flight.
func (c *benchSaturationCmd) saturate(ctx context.Context, v *visit) (all []report.Saturation, err error) {
	capacity, w := c.Capacity, &v.contender.ways[0]
	for _, window := range capacityWindows {
		if c.Capacity == 0 {
			res, err := v.measure(ctx, w, load{workload: v.workload, window: window}, fmt.Sprint("capacity", window))
			if err != nil {
				return nil, err
			}
			capacity = max(capacity, res.Rate)
		}
		v.bar.Increment()
	}
	for _, window := range c.InFlight {
		s := report.Saturation{Workload: v.workload.Name, Way: w.name, On: w.on, InFlight: window, Capacity: capacity}
		for i, f := range c.Factors {
			res, err := v.measure(ctx, w, load{workload: v.workload, window: window, rate: f * capacity}, fmt.Sprint("factor", window, i))
			if err != nil {
				return nil, err
			}
			s.Points = append(s.Points, report.Offer{Factor: f, Result: res})
			v.bar.Increment()
		}
		all = append(all, s)
	}
	return all, nil
}
