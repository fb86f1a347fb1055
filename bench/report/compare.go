package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/skua-stock/skua/bench"
)

// Compare shows rows of workloads and ways in, peers among them: a section for each workload, one
// for the open loop, and the settings of the peers.
func Compare(rows []bench.Row, settings map[string]string) (all []Section) {
	var open []bench.Row
	closed := map[string][]bench.Row{}
	var order []string
	for _, r := range rows {
		if r.Offered > 0 {
			open = append(open, r)
			continue
		}
		if closed[r.Workload] == nil {
			order = append(order, r.Workload)
		}
		closed[r.Workload] = append(closed[r.Workload], r)
	}
	if len(order) > 0 {
		all = append(all, legend)
	}
	for _, name := range order {
		all = append(all, workload(name, closed[name]))
	}
	if len(open) > 0 {
		all = append(all, openLoop(explained(open)))
	}
	if len(settings) > 0 {
		s := Section{Title: "Settings of the peers"}
		for _, name := range slices.Sorted(maps.Keys(settings)) {
			s.Text = append(s.Text, name+": "+strings.Join(strings.Fields(settings[name]), " "))
		}
		all = append(all, s)
	}
	return all
}

// legend says how to read the tables of workloads.
var legend = Section{Title: "How to read the tables", Text: []string{
	"Runs says how many there were and how long each was; the figures are those of the run with the median CPU time. Snapshots is how many " +
		"were completed in the measured time of that run, of those in all runs. Runs are timed so that snapshots begin with them as often as " +
		"on a server that runs for as long, rounded; one may end after the run, and brief ones meet none but by chance.",
	"A floor does a part of what the way above it does and nothing else, under the same load: what is beyond it is Skua's own. Peak memory " +
		"is the most in the run, with what runs before left, and of several processes, which share some, what they had together at the end. " +
		"After the runs the books of every system are held against what it acknowledged; floors have none.",
	"Events follow the log, and give way to changes under full load: which share of them was published while the run went on is in the last " +
		"column. What the rest costs comes later, and is not in the figures.",
	"Core to core is how long a cache line took from one core to the other as the run began. The host of a virtual machine moves its cores " +
		"apart and together again, so compare rows for which it is about the same.",
}}

func workload(name string, rows []bench.Row) Section {
	s := Section{Title: upper(name)}
	if what := says(name, rows[0].SKUs); what != "" {
		s.Title = upper(name) + ": " + what
	}
	t := Table{Columns: []string{
		"-way in", "in flight", "runs", "ops/s", "slowest and fastest run", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms",
		"server CPU µs/op", "client CPU µs/op", "allocs/op", "bytes/op", "peak MiB", "events behind", "snapshots", "core to core ns", "-with",
	}}
	rates := Plot{Name: name + "-rate", Title: upper(name) + ": operations a second", X: "operations a second"}
	cpu := Plot{Name: name + "-cpu", Title: upper(name) + ": CPU of an operation, server and client", X: "CPU µs an operation"}
	rows = explained(rows)
	for _, r := range best(rows) {
		label := fmt.Sprintf("%s, %d in flight", r.Way, r.InFlight)
		rates.Bars = append(rates.Bars, Bar{label, []float64{r.Rate}, !r.Peer && r.Floor == ""})
		cpu.Bars = append(cpu.Bars, Bar{label, []float64{r.ServerCPU, r.ClientCPU}, !r.Peer && r.Floor == ""})
	}
	for _, r := range rows {
		client := digits(r.ClientCPU)
		if r.Shared {
			client = "in it"
		}
		t.add(r.Way, count(float64(r.InFlight)), fmt.Sprintf("%d of %s s", r.Runs, seconds(r.Seconds)), count(r.Rate), spread(&r), digits(r.P50/1e3), digits(r.P90/1e3),
			digits(r.P99/1e3), digits(r.P999/1e3), digits(r.ServerCPU), client, known(r.Allocs), known(r.Written),
			known(float64(r.Peak>>20)), count(float64(r.Lag)), snapshots(&r), known(float64(r.CoreToCore)), with(&r))
	}
	s.Tables = []Table{t}
	s.Plots = []Plot{rates, cpu, latencies(name+"-latency", upper(name)+": latency", best(rows))}
	return s
}

// says describes a workload in a few words.
func says(workload string, skus int) string {
	among := count(float64(skus)) + " SKUs"
	switch workload {
	case "uniform":
		return "reserve one unit of one of " + among
	case "hot":
		return "reserve one unit, always of the same SKU"
	case "zipf":
		return "reserve one unit of one of " + among + ", by popularity (Zipf, exponent 1.1)"
	case "order":
		return "reserve one unit each of 3 of " + among + ", all or nothing"
	case "life":
		return "reserve; then 60 % are confirmed and fulfilled, 25 % released, 15 % expire"
	case "read":
		return "read one of " + among + " with its levels"
	case "mixed":
		return "60 % reserve, 15 % confirm or fulfil, 10 % release, 15 % read"
	}
	return ""
}

// explained has each floor directly under the way that it explains.
func explained(rows []bench.Row) (some []bench.Row) {
	isFloor := func(r bench.Row) bool { return r.Floor != "" }
	some = slices.DeleteFunc(slices.Clone(rows), isFloor)
	for _, f := range rows {
		if !isFloor(f) {
			continue
		}
		at := len(some) // Where the way was not measured.
		for i, r := range some {
			if r.Way == f.Floor || r.Floor == f.Floor {
				at = i + 1
			}
		}
		some = slices.Insert(some, at, f)
	}
	return some
}

// seconds writes the length of a run.
func seconds(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// spread says how far the runs are apart.
func spread(r *bench.Row) string {
	if r.Runs < 2 {
		return ""
	}
	return count(r.Lowest) + " to " + count(r.Highest)
}

// snapshots says how many there were in the run that is shown and in all, of a system that has some.
func snapshots(r *bench.Row) string {
	if r.Peer || r.Floor != "" {
		return ""
	}
	return fmt.Sprintf("%d of %d", r.Snapshots, r.Saves)
}

// with says what is to be known of a row.
func with(r *bench.Row) string {
	switch {
	case r.Wrong != "":
		return "does not count: " + r.Wrong
	case r.Lossy:
		return "not durable"
	}
	if events, ok := strings.CutSuffix(r.On, "events"); ok && r.Published < 0.995 {
		return fmt.Sprintf("%s%.2g %% of the events", events, 100*r.Published)
	}
	return r.On
}

// best is, of each way, the row with the highest rate, in the order of the rows.
func best(rows []bench.Row) (some []bench.Row) {
	for _, r := range rows {
		i := slices.IndexFunc(some, func(b bench.Row) bool { return b.Way == r.Way })
		switch {
		case i < 0:
			some = append(some, r)
		case r.Rate > some[i].Rate:
			some[i] = r
		}
	}
	return some
}

// latencies plots distributions over 1/(1-quantile), so that the tail has as much room as the rest.
func latencies(file, title string, rows []bench.Row) Plot {
	p := Plot{Name: file, Title: title, X: "percentile", Y: "milliseconds", LogX: true, LogY: true}
	for _, t := range []Tick{{0, "0"}, {50, "50"}, {90, "90"}, {99, "99"}, {99.9, "99.9"}, {99.99, "99.99"}} {
		p.XTicks = append(p.XTicks, Tick{tail(t.At), t.Name})
	}
	for _, r := range rows {
		l := Line{Name: fmt.Sprintf("%s, %d in flight", r.Way, r.InFlight)}
		for _, q := range r.Latency {
			if q.Percent <= 99.99 && q.Micros > 0 {
				l.Points = append(l.Points, Point{tail(q.Percent), q.Micros / 1e3})
			}
		}
		p.Lines = append(p.Lines, l)
	}
	return p
}

// tail is one in how many operations took longer.
func tail(percent float64) float64 { return 100 / (100 - percent) }

func openLoop(rows []bench.Row) Section {
	s := Section{
		Title: fmt.Sprintf("Latency at %s operations a second", count(rows[0].Offered)),
		Text: []string{"An open loop: operations fall due on a fixed schedule, whatever became of those before, and latency counts " +
			"from when one was due. What falls due together within 100 µs is sent together."},
	}
	t := Table{Columns: []string{
		"-way in", "ops/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "refused", "missed", "server CPU µs/op", "client CPU µs/op", "core to core ns",
	}}
	for _, r := range rows {
		t.add(r.Way, count(r.Rate), digits(r.P50/1e3), digits(r.P90/1e3), digits(r.P99/1e3), digits(r.P999/1e3),
			count(float64(r.Overloaded)), count(float64(r.Missed)), digits(r.ServerCPU), digits(r.ClientCPU), known(float64(r.CoreToCore)))
	}
	s.Tables = []Table{t}
	s.Plots = []Plot{latencies("open-latency", s.Title, rows)}
	return s
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
