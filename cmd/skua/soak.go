package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/bench/report"
	"github.com/skua-stock/skua/bench/soak"
)

// benchSoakCmd lives with a server for hours. See package soak.
type benchSoakCmd struct {
	For     time.Duration `help:"For how long." default:"1h"`
	Rate    int           `help:"Operations a second; 0 is --load times what a short calibration finds." default:"0"`
	Load    float64       `help:"Share of the capacity that is offered." default:"0.5"`
	Seed    uint64        `help:"Of what is done, and of when the server dies; 0 draws one." default:"0"`
	KillMin time.Duration `help:"A life of the server is at least so long." default:"1m"`
	KillMax time.Duration `help:"A life is at most so long, except for one, which is a third of the run." default:"5m"`
	Dir     string        `help:"Where everything goes; a new directory by default. What was found stays there; the data goes when nothing was wrong." placeholder:"DIR"`
	From    string        `help:"Run nothing: show what an earlier run wrote into this soak.json." placeholder:"FILE"`
	Page    string        `help:"Write what was found between the markers of this Markdown page, and plots into the directory of its name." placeholder:"FILE"`
	HTML    string        `name:"html" help:"Write a report with plots here." placeholder:"FILE"`
}

// Validate refuses what makes no sense.
func (c *benchSoakCmd) Validate() error {
	switch {
	case c.For <= 0 || c.KillMin <= 0 || c.KillMax < c.KillMin:
		return errors.New("--for and --kill-min must be more than zero, --kill-max at least --kill-min")
	case c.Rate < 0 || c.Load <= 0:
		return errors.New("--rate must not be negative, --load must be more than zero")
	}
	return nil
}

// errSoak is what a soak ends with that found something; it has been shown.
var errSoak = errors.New("the soak found something; its report says what")

// Run soaks until the time is over, or until SIGINT or SIGTERM, when it shows what it has.
func (c *benchSoakCmd) Run(o output) error {
	if c.From != "" {
		r, err := soak.Load(c.From)
		if err != nil {
			return err
		}
		return c.show(o, r, filepath.Dir(c.From))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		stop() // From here on a signal has its usual effect.
	}()
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if c.Dir == "" {
		if c.Dir, err = os.MkdirTemp("", "skua-soak-"); err != nil {
			return err
		}
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	r, err := soak.Run(ctx, soak.Config{
		Dir: c.Dir, Exe: exe, For: c.For, KillMin: c.KillMin, KillMax: c.KillMax, Rate: c.Rate, Load: c.Load, Seed: c.Seed, Out: o.err,
	})
	if r == nil {
		return err
	}
	if err := errors.Join(err, c.show(o, r, c.Dir)); err != nil {
		return err
	}
	fmt.Fprintln(o.err, "what was found is in", c.Dir)
	return os.RemoveAll(filepath.Join(c.Dir, "data"))
}

// show writes the report everywhere it is wanted. It is an error when something was wrong.
func (c *benchSoakCmd) show(o output, r *soak.Result, dir string) error {
	machine, err := bench.MachineOf(dir)
	if err != nil {
		return err
	}
	all := report.Report{Title: "Skua soak", Machine: machine, When: r.Started, Sections: r.Sections()}
	errs := []error{all.Text(o.out)}
	for _, d := range r.Defects {
		fmt.Fprintln(o.out, "defect:", d)
	}
	if c.Page != "" {
		errs = append(errs, all.Page(c.Page, "soak"))
	}
	if c.HTML != "" {
		errs = append(errs, toFile(c.HTML, all.HTML))
	}
	if !r.OK() {
		errs = append(errs, errSoak)
	}
	return errors.Join(errs...)
}
