package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
)

// benchCmd measures on this machine, with the same durability throughout: every change is fsynced
// before it is acknowledged, has a key, and every reservation expires.
type benchCmd struct {
	Compare    benchCompareCmd    `cmd:"" default:"withargs" help:"Measure workloads and ways in, beside what else is installed."`
	Saturation benchSaturationCmd `cmd:"" help:"Offer from half to ten times what the engine can do."`
	Scale      benchScaleCmd      `cmd:"" help:"See what grows with items, holds, lines, cores and the log."`
	Soak       benchSoakCmd       `cmd:"" help:"Live with a server for hours under half its load, killing it now and then, and see what breaks or grows."`
	Floor      benchFloorCmd      `cmd:"" hidden:"" help:"Answer with a constant: what the measurements start for themselves."`
}

// benchFlags are those of all measurements.
type benchFlags struct {
	Length        time.Duration `help:"Length of one run." default:"5s"`
	Warmup        time.Duration `help:"Time before it that does not count." default:"500ms"`
	SnapshotEvery time.Duration `help:"How often what changed is written to the snapshots; more often than a server does by itself." default:"10s"`
	Connections   int           `help:"Connections of the load over NATS." default:"2"`
	Batch         int           `help:"Operations in a batch." default:"100"`
	Dir           string        `help:"Where the data of the runs goes; removed afterwards." default:"" placeholder:"DIR"`
	JSON          string        `name:"json" help:"Write the figures here as JSON; - is standard output." placeholder:"FILE"`
	HTML          string        `name:"html" help:"Write a report with plots here." placeholder:"FILE"`
	Page          string        `help:"Write tables between the markers of this Markdown page, and plots into the directory of its name." placeholder:"FILE"`
	Profile       string        `help:"Write a CPU profile of this process here." placeholder:"FILE"`
	Served        string        `name:"server-profile" help:"Write a CPU profile of the server here, when there is one; of several, the last stays." placeholder:"FILE"`
}

// Validate refuses what makes no sense.
func (f *benchFlags) Validate() error {
	for _, n := range []struct {
		flag string
		n    int64
	}{
		{"--length", int64(f.Length)},
		{"--snapshot-every", int64(f.SnapshotEvery)},
		{"--connections", int64(f.Connections)},
		{"--batch", int64(f.Batch)},
	} {
		if n.n <= 0 {
			return fmt.Errorf("%s must be more than zero", n.flag)
		}
	}
	return nil
}

// findings is what a measurement found: data for machines, sections for people.
type findings struct {
	data     any
	sections []report.Section
}

// measured runs a measurement with everything around it: a directory, a profile, the reports. name
// is that of its part of the page.
func (f *benchFlags) measured(o output, name string, measure func(ctx context.Context, dir string) (findings, error)) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // The second ends it at once.
	dir, err := os.MkdirTemp(f.Dir, "skua-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tuneProcess()
	machine, err := bench.MachineOf(dir)
	if err != nil {
		return err
	}
	end, err := startProfile(f.Profile)
	if err != nil {
		return err
	}
	found, err := measure(ctx, dir)
	r := report.Report{Title: "Skua benchmarks", Machine: machine, When: time.Now(), Sections: found.sections}
	if err = errors.Join(err, end()); err != nil {
		if len(found.sections) > 0 { // What it came to is shown, and written nowhere.
			fmt.Fprintln(o.err, "not all was measured, and this is what was:")
			err = errors.Join(err, r.Text(o.err))
		}
		return err
	}
	if f.JSON != "-" {
		if err := r.Text(o.out); err != nil {
			return err
		}
	}
	return f.write(o, name, r, found.data)
}

// write writes what was asked for.
func (f *benchFlags) write(o output, name string, r report.Report, data any) error {
	var errs []error
	if f.JSON != "" {
		b, err := json.MarshalIndent(map[string]any{"machine": r.Machine, "at": r.When.UTC(), name: data}, "", "  ")
		if err != nil {
			return err
		}
		b = append(b, '\n')
		if f.JSON == "-" {
			_, err = o.out.Write(b)
		} else {
			err = os.WriteFile(f.JSON, b, 0o644)
		}
		errs = append(errs, err)
	}
	if f.HTML != "" {
		errs = append(errs, toFile(f.HTML, r.HTML))
	}
	if f.Page != "" {
		errs = append(errs, r.Page(f.Page, name))
	}
	return errors.Join(errs...)
}

// runner does measurements and says how far it is.
type runner struct {
	flags *benchFlags
	dir   string
	bar   *bar
	next  int
}

// fresh names a directory of its own.
func (r *runner) fresh() string {
	r.next++
	return filepath.Join(r.dir, fmt.Sprint("data", r.next))
}

// load is how a way in is loaded.
type load struct {
	workload bench.Workload
	window   int
	rate     float64
	// length, when set, is that of the run; brief says that there is only one and it is short.
	length time.Duration
	brief  bool
	// saves has a snapshot fall into the run.
	saves bool
}

// workerRate is how many operations a second one worker of an open loop starts with ease.
const workerRate = 200_000

// once measures one load on a way of a site.
func (r *runner) once(ctx context.Context, s site, w *way, l load, name string) (*bench.Result, error) {
	t, shut, err := s.target(w.name, l.window)
	if err != nil {
		return nil, err
	}
	defer shut()
	workers := min(l.window, runtime.GOMAXPROCS(0))
	if w.workers != nil {
		workers = w.workers(l.window)
	}
	if l.rate > 0 && !w.waits { // Each wakes at every tick, so no more of them than it takes.
		workers = min(workers, 1+int(l.rate/workerRate))
	}
	length := r.flags.Length
	if l.length > 0 {
		length = l.length
	}
	return bench.Measure(ctx, t, bench.Plan{
		Workload: l.workload, Window: l.window, Workers: workers, Rate: l.rate,
		Warmup: r.flags.Warmup, Length: length, Name: name,
	})
}

// visit is a contender while loads are measured on it. It opens it when there is something to
// measure, and anew when what the last measurement left behind would take longer to settle.
type visit struct {
	*runner
	contender *contender
	workload  bench.Workload
	site      site
	dir       string
	opened    time.Time
	rows      []*bench.Row // measured since it was opened
}

// lagMost is how many unpublished events a measurement may leave behind for the next to wait for.
const lagMost = 100_000

// open opens the contender with the items of the workload, unless it is up.
func (v *visit) open(ctx context.Context) (err error) {
	if v.site != nil {
		return nil
	}
	v.dir = v.fresh()
	if v.site, err = v.contender.open(ctx, v.dir, v.workload); err != nil {
		return fmt.Errorf("open %s: %w", v.contender.name, err)
	}
	v.opened = time.Now()
	t, shut, err := v.site.target(v.contender.ways[0].name, 1)
	if err != nil {
		return err
	}
	defer shut()
	if v.contender.ways[0].floor != "" {
		return nil // It has no items.
	}
	err = bench.Prepare(ctx, t, v.workload)
	runtime.GC() // What was measured before is not to be collected now.
	return err
}

// measure measures one load on a way. name makes its keys different from those of other runs.
func (v *visit) measure(ctx context.Context, w *way, l load, name string) (*bench.Result, error) {
	if err := v.open(ctx); err != nil {
		return nil, err
	}
	if l.saves {
		v.awaitSave(ctx)
	}
	r, err := v.once(ctx, v.site, w, l, name)
	if err != nil {
		return nil, fmt.Errorf("%s over %s, %d in flight: %w", l.workload.Name, w.name, l.window, err)
	}
	if r.Lag > lagMost {
		err = v.shut()
	}
	return r, err
}

// awaitSave waits until the next snapshot begins with the time that counts of a run that begins now. Those
// of a server come at fixed times from when it was opened.
func (v *visit) awaitSave(ctx context.Context) {
	every := v.flags.SnapshotEvery
	if _, ok := v.site.(peerSite); ok || v.contender.ways[0].floor != "" {
		return // There are none.
	}
	at := time.Since(v.opened) + v.flags.Warmup
	select {
	case <-ctx.Done():
	case <-time.After((every - at%every) % every):
	}
}

// shut ends the contender, if it is up, when its books agree with what was acknowledged, and
// removes its data.
func (v *visit) shut() error {
	if v.site == nil {
		return nil
	}
	err := v.verify()
	for _, r := range v.rows {
		if err != nil {
			r.Wrong = err.Error()
		}
	}
	err = errors.Join(err, v.site.shut(), os.RemoveAll(v.dir))
	v.site, v.rows = nil, nil
	return err
}

func (v *visit) verify() error {
	t, shut, err := v.site.target(v.contender.ways[0].name, 1)
	if err != nil {
		return err
	}
	defer shut()
	if t.Verify == nil {
		return nil
	}
	if err := t.Verify(); err != nil {
		return fmt.Errorf("%s, after %s: %w", v.contender.name, v.workload.Name, err)
	}
	return nil
}

func toFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
