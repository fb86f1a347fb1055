package soak

import (
	"fmt"
	"strings"
	"time"

	"github.com/skua-stock/skua/bench/report"
)

// Sections show what was found.
func (r *Result) Sections() []report.Section {
	run := report.Section{Title: "What was run", Text: []string{r.words()}, Tables: []report.Table{r.counted()}}
	wrong := report.Section{Title: "What was wrong", Text: []string{r.wrong()}}
	grown := report.Section{
		Title: "What grew", Text: []string{
			fmt.Sprintf("Medians. Something grew when the later one is more than %.0f %% and more than a little above the earlier one.",
				slack*100),
		}, Tables: []report.Table{r.findings()},
	}
	lives := report.Section{Title: "Deaths", Tables: []report.Table{r.deaths()}}
	plots := report.Section{
		Title: "Over time", Text: []string{"The dashed lines are where the server was ended, most times by SIGKILL."}, Plots: r.plots(),
	}
	return []report.Section{run, wrong, grown, plots, lives}
}

func (r *Result) words() string {
	kills, terms := 0, 0
	longest := 0.0
	for _, k := range r.Kills {
		if k.Signal == "SIGKILL" {
			kills++
		} else {
			terms++
		}
	}
	for _, s := range r.Samples {
		longest = max(longest, s.Age)
	}
	text := fmt.Sprintf("%v from %s with seed %d: %s operations a second over %s items, of which everybody wants %d scarce ones, "+
		"half over HTTP and half over NATS. ",
		time.Duration(r.Seconds*float64(time.Second)).Round(time.Second), r.Started.Format("2006-01-02 15:04 MST"), r.Seed,
		whole(int64(r.Rate)), whole(catalogue), scarce)
	if r.Capacity > 0 {
		text += fmt.Sprintf("That is %.0f %% of what a closed loop with the same mix did just before, the load generator on the same cores. ",
			100*float64(r.Rate)/float64(r.Capacity))
	}
	text += fmt.Sprintf("The server was killed %d times and stopped gracefully %d times; its longest life was %.0f minutes.",
		kills, terms, longest/60)
	if r.Partial {
		text += " The run was ended before its time."
	}
	if len(r.Settings) > 0 {
		text += fmt.Sprintf(" What it keeps had bounds that are reached soon: `%s`.", strings.Join(r.Settings, " "))
	}
	return text
}

func (r *Result) counted() report.Table {
	t := report.Table{Columns: []string{"-counted", "number"}}
	add := func(name string, n int64) { t.Rows = append(t.Rows, []string{name, whole(n)}) }
	add("operations answered", r.Answered)
	add("of them refused, for want of stock or because a hold was over", r.Refused)
	add("holds that were left to expire", r.Expired)
	add("tries that were not the first", r.Retried)
	add("tries refused as OVERLOADED", r.Overloaded)
	add("operations that fell due while too many were under way", r.Missed)
	add("acknowledged changes asked again after a restart", r.Asked)
	add("histories read and chained", r.Audits)
	add("movements of them compared with their events", r.Compared)
	for _, name := range []string{"server-sent events", "JetStream"} {
		add("events followed: "+name, r.Events[name])
	}
	add("times that `skua check` looked at everything", int64(r.Checks))
	return t
}

func (r *Result) wrong() string {
	text := "Nothing: every check held."
	if r.DefectCount > 0 {
		text = fmt.Sprintf("%d times a check did not hold: %s", r.DefectCount, strings.Join(r.Defects, "; "))
	}
	if r.TroubleCount > 0 {
		text += fmt.Sprintf(" %d requests got no answer while the server was up, and were tried again: %s.",
			r.TroubleCount, strings.Join(r.Trouble, "; "))
	}
	return text
}

func (r *Result) findings() report.Table {
	t := report.Table{Columns: []string{"-what", "-compared", "before", "after", "-grew"}}
	for _, f := range r.Verdict {
		grew := "no"
		switch {
		case !f.Known:
			t.Rows = append(t.Rows, []string{f.What, f.How, "", "", "too short to tell"})
			continue
		case f.Grew:
			grew = "YES"
		}
		t.Rows = append(t.Rows, []string{f.What, f.How, fmt.Sprintf("%.4g", f.Before), fmt.Sprintf("%.4g", f.After), grew})
	}
	return t
}

func (r *Result) deaths() report.Table {
	t := report.Table{Columns: []string{
		"at, s", "-signal", "age, s", "stop, s", "start until ready, s", "asked again", "-checked",
	}}
	for _, k := range r.Kills {
		checked := ""
		if k.Checked {
			checked = "yes"
		}
		t.Rows = append(t.Rows, []string{
			fmt.Sprintf("%.0f", k.At), k.Signal, fmt.Sprintf("%.0f", k.Age), fmt.Sprintf("%.2f", k.Stop),
			fmt.Sprintf("%.2f", k.Ready), whole(int64(k.Asked)), checked,
		})
	}
	return t
}

// pointsMax is how many points a line of a plot has at most.
const pointsMax = 360

func (r *Result) plots() []report.Plot {
	const mega = 1 << 20
	plot := func(name, title, y string, log bool, lines ...named) report.Plot {
		p := report.Plot{Name: name, Title: title, X: "minutes", Y: y, LogY: log}
		for _, k := range r.Kills {
			p.Marks = append(p.Marks, k.At/60)
		}
		for _, l := range lines {
			p.Lines = append(p.Lines, report.Line{Name: l.name, Points: r.line(l.of)})
		}
		return p
	}
	return []report.Plot{
		plot("memory", "Memory", "MiB", false,
			named{"resident", func(s *Sample) float64 { return float64(s.RSS) / mega }},
			named{"heap", func(s *Sample) float64 { return float64(s.Heap) / mega }}),
		plot("handles", "File handles", "open", false,
			named{"files", func(s *Sample) float64 { return float64(s.Files) }},
			named{"sockets", func(s *Sample) float64 { return float64(s.Sockets) }}),
		plot("goroutines", "Goroutines", "goroutines", false,
			named{"goroutines", func(s *Sample) float64 { return float64(s.Goroutines) }}),
		plot("disk", "Disk", "MiB", false,
			named{"log", func(s *Sample) float64 { return float64(s.Log) / mega }},
			named{"snapshots and history", func(s *Sample) float64 { return float64(s.State) / mega }},
			named{"event streams", func(s *Sample) float64 { return float64(s.Streams) / mega }}),
		plot("latency", "Latency from when an operation was due", "milliseconds", true,
			named{"p50", func(s *Sample) float64 { return s.P50 }},
			named{"p99", func(s *Sample) float64 { return s.P99 }},
			named{"longest", func(s *Sample) float64 { return s.Max }}),
		plot("rate", "Operations answered", "a second", false,
			named{"operations", func(s *Sample) float64 { return s.Rate }}),
		plot("holds", "Open holds, keys remembered, events behind", "number", true,
			named{"holds", func(s *Sample) float64 { return float64(s.Holds) }},
			named{"keys", func(s *Sample) float64 { return float64(s.Keys) }},
			named{"events behind", func(s *Sample) float64 { return float64(s.Lag) }}),
	}
}

// named is what a line of a plot shows of each sample.
type named struct {
	name string
	of   func(*Sample) float64
}

// line is a line of a plot, with the most of every few samples when there are very many.
func (r *Result) line(of func(*Sample) float64) (points []report.Point) {
	step := (len(r.Samples) + pointsMax - 1) / pointsMax
	for i := 0; i < len(r.Samples); i += step {
		p := report.Point{X: r.Samples[i].At / 60, Y: of(&r.Samples[i])}
		for j := i; j < min(i+step, len(r.Samples)); j++ {
			p.Y = max(p.Y, of(&r.Samples[j]))
		}
		points = append(points, p)
	}
	return points
}

// whole writes a whole number with a comma for every thousand.
func whole(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
