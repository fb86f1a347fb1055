package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Limits.
const (
	// buildMax bounds a build, and findMax how long a test may look for a mutant. One that hangs
	// because of it has found it.
	buildMax = 5 * time.Minute
	findMax  = time.Minute
	// looksMax is how often a test may look for a mutant. One with random inputs draws others each
	// time, and may miss in a run.
	looksMax = 10
)

var (
	quick = flag.Bool("quick", false, "only those that CI looks at")
	only  = flag.String("only", "", "only the mutant of this name")
	sim   = flag.Duration("sim", 0, "have the simulation look too, so long for each of what it runs")
	page  = flag.String("page", "", "write the table between the markers of this Markdown page")
)

// finding is what became of a mutant.
type finding struct {
	mutant
	found bool
	took  time.Duration
	// lived says that the simulation looked too, and what it says of it.
	lived, simFound bool
	simTook         time.Duration
}

func main() {
	flag.Parse()
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // A temporary directory that stays is no harm.
	var findings []finding
	var wrong []error
	clean := map[finder]error{}
	survived := 0
	for _, m := range mutants {
		if *only != "" && m.name != *only || *quick && !m.quick {
			continue
		}
		f := finding{mutant: m}
		if _, known := clean[f.by]; !known {
			clean[f.by] = passes(f.by)
		}
		err := clean[f.by]
		if err == nil {
			err = f.search(dir)
		}
		verdict := "found   "
		switch {
		case err != nil:
			fmt.Printf("WRONG     %s: %v\n", m.name, err)
			wrong = append(wrong, fmt.Errorf("mutant %s: %w", m.name, err))
			continue
		case !f.found:
			verdict = "SURVIVED"
			survived++
		}
		fmt.Printf("%s  %-30s %6.1fs  %s in %s%s\n", verdict, m.name, f.took.Seconds(), f.by.run, f.by.pkg, f.simulated())
		findings = append(findings, f)
	}
	fmt.Printf("%d mutants, %d survived\n", len(findings), survived)
	if *page != "" {
		wrong = append(wrong, write(*page, findings))
	}
	if survived > 0 {
		wrong = append(wrong, fmt.Errorf("%d survived: tests are missing", survived))
	}
	return errors.Join(wrong...)
}

// passes says whether a test finds something without any mutant.
func passes(by finder) error {
	failed, _, err := look(by, "")
	if err == nil && failed {
		err = fmt.Errorf("%s in %s fails without it", by.run, by.pkg)
	}
	return err
}

// search plants the mutant and looks for it.
func (f *finding) search(dir string) error {
	overlay, err := plant(f.mutant, dir)
	for range looksMax {
		if err != nil || f.found {
			break
		}
		var took time.Duration
		f.found, took, err = look(f.by, overlay)
		f.took += took
	}
	if f.lived = *sim > 0 && !strings.HasPrefix(f.file, "gateway/"); f.lived && err == nil {
		f.simFound, f.simTook, err = look(simulation, overlay, "-sim.for", sim.String())
	}
	return err
}

func (f *finding) simulated() string {
	switch {
	case !f.lived:
		return ""
	case !f.simFound:
		return ", not by the simulation"
	}
	return fmt.Sprintf(", by the simulation after %.1fs", f.simTook.Seconds())
}

// plant writes the changed file, and what tells go to build it in place of the other.
func plant(m mutant, dir string) (overlay string, err error) {
	path, err := filepath.Abs(m.file)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(b), m.old); n != 1 {
		return "", fmt.Errorf("what it changes is %d times in %s", n, m.file)
	}
	changed := filepath.Join(dir, m.name+".go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(b), m.old, m.new, 1)), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, m.name+".json")
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	return overlay, nil
}

// look builds the test with an overlay, and runs it. What does not build is no mutant.
func look(f finder, overlay string, flags ...string) (found bool, took time.Duration, err error) {
	args := []string{"test", "-count=1", "-failfast", "-timeout", (findMax + *sim).String()}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	if out, err := goTool(buildMax, append(args, "-run", "^$", f.pkg)...); err != nil {
		return false, 0, fmt.Errorf("it does not build: %w\n%s", err, out)
	}
	args = append(append(args, "-run", f.run, f.pkg), flags...)
	begin := time.Now()
	out, err := goTool(2*(findMax+*sim), args...)
	took = time.Since(begin)
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		return false, took, fmt.Errorf("go test: %w\n%s", err, out)
	}
	return err != nil, took, nil
}

func goTool(wait time.Duration, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return exec.CommandContext(ctx, "go", args...).CombinedOutput()
}
