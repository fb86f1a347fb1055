package report

import (
	"fmt"
	"slices"

	"github.com/skua-stock/skua/bench"
)

// Saturation is what came of offers around the capacity.
type Saturation struct {
	Workload string `json:"workload"`
	Way      string `json:"way"`
	// InFlight is how many operations the generator had without an answer at most.
	InFlight int     `json:"in_flight"`
	On       string  `json:"on"`
	Capacity float64 `json:"capacity"`
	Points   []Offer `json:"points"`
}

// Offer is what came of one.
type Offer struct {
	// Factor is the offer as a multiple of the capacity.
	Factor float64 `json:"factor"`
	*bench.Result
}

// light is the offer, as a multiple of the capacity, whose latency others are held against.
const light = 0.8

// Saturated shows goodput and latency over what was offered.
func Saturated(all []Saturation) Section {
	s := Section{Title: "Offered more than it can do", Text: []string{
		"An open loop offers from half to ten times the capacity, which a closed loop found just before. Latency is that of accepted " +
			"operations, from when they were due. Refused ones were answered OVERLOADED; missed ones fell due while the load generator " +
			"had so many in flight at most, and were never sent, as of a client that is out of connections. The best is the most that was " +
			"accepted, the capacity included. The generator runs on the same cores.",
	}}
	t := Table{Columns: []string{
		"-way in", "in flight at most", "offered/s", "of capacity", "sent/s", "accepted/s", "of the best", "p50 ms", "p99 ms", "p99 against that at 0.8", "refused/s", "missed/s",
		"server CPU µs/op", "client CPU µs/op",
	}}
	good := Plot{Name: "saturation-goodput", Title: "Accepted, as a share of the best", X: "offered, times the capacity", Y: "accepted, share of the best", LogX: true}
	tails := Plot{Name: "saturation-p99", Title: "p99 of accepted operations", X: "offered, times the capacity", Y: "milliseconds", LogX: true, LogY: true}
	for _, one := range all {
		best, base := one.Capacity, 0.0
		for _, p := range one.Points {
			best = max(best, p.Rate)
			if p.Factor == light {
				base = p.P99
			}
		}
		var rates, p99 []Point
		for _, p := range one.Points {
			ratio := ""
			if base > 0 {
				ratio = digits(p.P99 / base)
			}
			client := digits(p.ClientCPU)
			if p.Shared {
				client = "in it"
			}
			missed := float64(p.Missed) / p.Seconds
			t.add(one.Way, count(float64(one.InFlight)), count(p.Offered), fmt.Sprintf("%g", p.Factor), count(max(0, p.Offered-missed)), count(p.Rate), digits(p.Rate/max(best, 1)), digits(p.P50/1e3), digits(p.P99/1e3),
				ratio, count(float64(p.Overloaded)/p.Seconds), count(missed), digits(p.ServerCPU), client)
			rates, p99 = append(rates, Point{p.Factor, p.Rate / max(best, 1)}), append(p99, Point{p.Factor, p.P99 / 1e3})
		}
		name := fmt.Sprintf("%s, %s in flight (capacity %s/s)", one.Way, count(float64(one.InFlight)), count(one.Capacity))
		good.Lines, tails.Lines = append(good.Lines, Line{name, rates}), append(tails.Lines, Line{name, p99})
		good.XTicks = factorTicks(one.Points)
		tails.XTicks = good.XTicks
	}
	s.Tables, s.Plots = []Table{t}, []Plot{good, tails}
	return s
}

func factorTicks(points []Offer) (ticks []Tick) {
	for _, p := range points {
		ticks = append(ticks, Tick{p.Factor, fmt.Sprintf("%g", p.Factor)})
	}
	slices.SortFunc(ticks, func(a, b Tick) int { return int(a.At*1e3) - int(b.At*1e3) })
	return ticks
}
