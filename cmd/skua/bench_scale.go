package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
	"github.com/skua-stock/skua/cmd/skua/node"
)

// benchScaleCmd sees what grows, with the engine in this process.
type benchScaleCmd struct {
	benchFlags
	Most int      `help:"Items of the largest run; 10000000 take some 10 GiB of memory." default:"1000000"`
	Only []string `help:"Experiments: holds, lines, cores, recovery, background, events, items." default:"holds,lines,cores,recovery,background,events,items"`
}

// experiment sees how one thing grows.
type experiment struct {
	name string
	run  func(*lab) (report.Growth, error)
}

// experiments ends with the one that leaves the most behind in the process, which would slow what comes after.
var experiments = []experiment{
	{"holds", growHolds},
	{"lines", growLines},
	{"cores", growCores},
	{"recovery", growRecovery},
	{"background", growBackground},
	{"events", growEvents},
	{"items", growItems},
}

// scaleWindow is how many operations are in flight where throughput is measured.
const scaleWindow = 4096

// Validate refuses what makes no sense.
func (c *benchScaleCmd) Validate() error {
	for _, name := range c.Only {
		if !slices.ContainsFunc(experiments, func(e experiment) bool { return e.name == name }) {
			return fmt.Errorf("--only: there is no experiment %q", name)
		}
	}
	if c.Most < 1 {
		return errors.New("--most must be more than zero")
	}
	return c.benchFlags.Validate()
}

func (c *benchScaleCmd) Run(o output) error {
	return c.measured(o, "scale", func(ctx context.Context, dir string) (findings, error) {
		var all []report.Growth
		bar := progress(o, len(c.Only), "experiments", false)
		defer bar.finish()
		for _, e := range experiments {
			if !slices.Contains(c.Only, e.name) {
				continue
			}
			l := &lab{ctx: ctx, runner: runner{flags: &c.benchFlags, dir: dir}, most: c.Most}
			g, err := e.run(l)
			if err = errors.Join(err, l.shut()); err != nil {
				return findings{}, fmt.Errorf("experiment %s: %w", e.name, err)
			}
			all = append(all, g)
			debug.FreeOSMemory() // The next one begins with no heap of this one's.
			bar.Increment()
		}
		return findings{all, report.Scaled(all)}, nil
	})
}

// lab is what experiments are made with: a node at a time, and what to do to it.
type lab struct {
	runner
	ctx  context.Context
	most int
	site *inProcessSite
	heap int64 // when the node was empty
}

// never is how often snapshots are written where they are not what is measured.
const never = 24 * time.Hour

// fill shuts the node before, opens an empty one and makes the items of a workload.
func (l *lab) fill(w bench.Workload, cfg node.Config) error {
	if err := l.shut(); err != nil {
		return err
	}
	cfg.Dir = l.fresh()
	if err := l.openNode(cfg, w.Steps()); err != nil {
		return err
	}
	l.heap = bench.LiveHeap()
	return bench.Seed(l.ctx, l.driver(), w)
}

func (l *lab) openNode(cfg node.Config, tell bool) error {
	n, err := node.Open(cfg)
	if err != nil {
		return err
	}
	l.site = &inProcessSite{node: n, dir: cfg.Dir, tell: tell}
	return nil
}

func (l *lab) driver() bench.Driver { return inProcess{l.site.node, l.site.tell} }

func (l *lab) shut() error {
	if l.site == nil {
		return nil
	}
	err := errors.Join(l.site.shut(), os.RemoveAll(l.site.dir))
	l.site = nil
	return err
}

// measure loads the node for a while.
func (l *lab) measure(w bench.Workload, window int) (*bench.Result, error) {
	l.next++
	way := way{name: wayInProcess}
	return l.once(l.ctx, l.site, &way, load{workload: w, window: window}, fmt.Sprint("scale", l.next))
}

// onDisk is the bytes that a directory takes.
func onDisk(dir string) (bytes int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // A file of Pebble that was just removed.
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
		return nil
	})
	return bytes, err
}

// millis is a duration in milliseconds.
func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// uniform is the plain workload over so many items.
func uniform(items int) bench.Workload {
	w, err := bench.Find("uniform")
	if err != nil {
		panic(err) // It is there.
	}
	w.SKUs = items
	return w
}
