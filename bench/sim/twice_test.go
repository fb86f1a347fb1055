package sim

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

// manyLoaded is the seed of a life in which more items are loaded at once than there are workers for
// it: their number followed that of the processors, and so did the order of the records.
const manyLoaded = 8831330954565182664

// TestSameSeedSameLife lives seeds three times, on one processor and on two: the traces are the same
// to the byte, crashes and recoveries included.
func TestSameSeedSameLife(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for run := range 2 + *runsFlag/4 {
		seed := rand.Uint64()
		switch {
		case *seedFlag != 0:
			seed = *seedFlag
		case run == 0:
			seed = manyLoaded
		}
		var first string
		for i, processors := range []int{2, 1, 2} {
			runtime.GOMAXPROCS(processors)
			w := live(t, seed, nil)
			if i == 0 {
				first = w.trace.sum()
			} else if got := w.trace.sum(); got != first {
				t.Errorf("seed %d\n%s\n%s", seed, first, got)
			}
		}
	}
}
