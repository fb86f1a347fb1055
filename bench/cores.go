package bench

import (
	"runtime"
	"slices"
	"sync/atomic"
	"time"
)

// CoreToCore is how long a cache line that one core wrote takes to another that reads it, in the
// median: two threads write a word in turn, and a turn is one way. The host of a virtual machine may
// move its cores apart and together again at any time, and all that cores share costs four times as
// much meanwhile, so it is measured anew for each run. It is zero where there is one core, or where
// the machine has too much to do to tell.
func CoreToCore() time.Duration {
	if min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) < 2 {
		return 0
	}
	const rounds, turns = 15, 500
	var word atomic.Int64 // even: ours; odd: the other's; negative: it is over
	over := make(chan struct{})
	go func() {
		defer close(over)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			switch n := word.Load(); {
			case n < 0:
				return
			case n&1 == 1:
				word.CompareAndSwap(n, n+1)
			}
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer func() { word.Store(-1); <-over }()
	took := make([]time.Duration, rounds)
	until := time.Now().Add(coreToCoreMax)
	for i := range took {
		began := time.Now()
		for range turns {
			n := word.Add(1)
			for spins := 1; word.Load() == n; spins++ {
				if spins&0xfff == 0 && time.Now().After(until) {
					return 0
				}
			}
		}
		took[i] = time.Since(began) / (2 * turns)
	}
	slices.Sort(took)
	return took[rounds/2]
}
