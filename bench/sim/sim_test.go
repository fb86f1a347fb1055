package sim

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

var (
	seedFlag = flag.Uint64("sim.seed", 0, "the one seed to live")
	runsFlag = flag.Int("sim.runs", 5, "how many fresh seeds to live")
	forFlag  = flag.Duration("sim.for", 0, "for how long to live fresh seeds, instead of sim.runs")
	dumpFlag = flag.String("sim.dump", "", "a file for the whole trace of the seed")
)

// live lives one seed, and returns its world.
func live(t *testing.T, seed uint64, prepare func(*world)) (w *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed)
		if prepare != nil {
			prepare(w)
		}
		w.live()
	})
	return w
}

func TestSim(t *testing.T) {
	if *seedFlag != 0 {
		judge(t, *seedFlag)
		return
	}
	start := time.Now()
	for i := 0; *forFlag > 0 && time.Since(start) < *forFlag || *forFlag == 0 && i < *runsFlag; i++ {
		judge(t, rand.Uint64())
		if t.Failed() {
			return
		}
	}
}

func judge(t *testing.T, seed uint64) {
	t.Helper()
	fmt.Fprintf(os.Stderr, "\rseed %d ", seed)
	start := time.Now()
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
		t.Errorf("%s\n%v\nreplay with: go test ./bench/sim -run TestSim -sim.seed %d", w.trace.tail(), w.failure, seed)
	}
	t.Logf("%v %+v %v", time.Since(start), w.weather, w.trace.sum())
	t.Logf("records %d answers %d errors %d refusals %d (%d checked) crashes %d kills %d restarts %d refused %d pages %d compared %d faults %v", w.count.records, w.count.answers, w.count.errors, w.count.refusals, w.count.refusalsChecked, w.count.crashes, w.count.kills, w.count.restarts, w.count.refusedStarts, w.count.pages, w.count.compared, w.count.faults)
}
