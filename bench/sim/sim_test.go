package sim

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedFlag = flag.Uint64("sim.seed", 0, "the one seed to live")
	runsFlag = flag.Int("sim.runs", 6, "how many fresh seeds to live")
	forFlag  = flag.Duration("sim.for", 0, "for how long to live fresh seeds, instead of sim.runs")
	dumpFlag = flag.String("sim.dump", "", "a file for the whole trace of the seed")
)

// stuckAfter is how long a life may take in real time: most take a tenth of a second.
const stuckAfter = 2 * time.Minute

// live lives one seed, and returns its world.
func live(t *testing.T, seed uint64, prepare func(*world)) (w *world) {
	t.Helper()
	stuck := time.AfterFunc(stuckAfter, func() { panic(fmt.Sprintf("seed %d does not come to an end", seed)) })
	defer stuck.Stop()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed)
		if prepare != nil {
			prepare(w)
		}
		start := time.Now()
		w.live()
		w.count.lived = time.Since(start)
	})
	return w
}

// TestSim lives fresh seeds, or the one it is given. A failure shows the last part of the trace and
// the command that replays the seed.
func TestSim(t *testing.T) {
	var sum counts
	seeds, start := 0, time.Now()
	for {
		switch {
		case t.Failed(), *seedFlag != 0 && seeds > 0, *forFlag == 0 && seeds == *runsFlag,
			*forFlag > 0 && time.Since(start) > *forFlag:
			t.Logf("%d seeds in %v: %v", seeds, time.Since(start).Round(time.Millisecond), &sum)
			return
		}
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		sum.add(judge(t, seed))
		seeds++
	}
}

// TestSeeds lives the seeds that once found something.
func TestSeeds(t *testing.T) {
	f, err := os.Open("testdata/seeds.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		word, why, _ := strings.Cut(lines.Text(), " ")
		if word == "#" {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if judge(t, seed); t.Failed() {
			t.Fatalf("this seed was kept because: %s", strings.TrimSpace(why))
		}
	}
}

func judge(t *testing.T, seed uint64) *counts {
	t.Helper()
	if testing.Verbose() {
		fmt.Fprintf(os.Stderr, "\rseed %d ", seed) // A panic elsewhere would not say.
	}
	w := live(t, seed, func(w *world) {
		if *dumpFlag != "" {
			f, err := os.Create(*dumpFlag)
			if err != nil {
				t.Fatal(err)
			}
			w.trace.dump = func(stream int, line string) { fmt.Fprintf(f, "%-6s %s", streamNames[stream], line) }
		}
	})
	if w.failure != nil {
		t.Errorf("%+v\n%s\n%v\nreplay with: go test ./bench/sim -run '^TestSim$' -sim.seed %d",
			w.weather, w.trace.tail(), w.failure, seed)
	}
	return &w.count
}
