package sim

import (
	"math/rand/v2"
	"runtime"
	"testing"
)

// TestSameSeedSameLife lives seeds three times, on one processor and on two: the traces are the same
// to the byte, crashes and recoveries included.
func TestSameSeedSameLife(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for range 1 + *runsFlag/4 {
		seed := rand.Uint64()
		if *seedFlag != 0 {
			seed = *seedFlag
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
