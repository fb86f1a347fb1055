package sim

import (
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

var everyFlag = flag.Int("sim.every", 20, "every how many calls of the file system the short life is crashed, or a call fails")

// short is the life whose every call is tried.
func short(w *world) {
	w.weather = weather{
		clients: 4, ops: 8, items: 3, locations: 1, units: 8, think: 4 * time.Millisecond, ttl: 50 * time.Millisecond,
		reads: 20, delay: 200 * time.Microsecond, timeout: 20 * time.Millisecond, diskTime: 100 * time.Microsecond,
		keep: -1, torn: true, faults: 4, kinds: []faultKind{faultRestart, faultSave}, downFor: 100 * time.Millisecond,
		partitions: 2, segment: 8 << 10, snapshot: 15 * time.Millisecond, keyBytes: 64 << 10,
	}
}

// TestCrashAtEveryCall takes the power away at the calls of the file system in turn, those of Pebble
// among them. -sim.every 1 tries each.
func TestCrashAtEveryCall(t *testing.T) {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	last := live(t, seed, func(w *world) { short(w); w.crashAt = 1 << 30 }).calls
	for at := 1 + rand.IntN(*everyFlag); at <= last; at += *everyFlag {
		w := live(t, seed, func(w *world) { short(w); w.crashAt = at })
		if w.failure != nil {
			t.Fatalf("%s\ncall %d of %d: %v\nreplay with: go test ./bench/sim -run %s -sim.every 1 -sim.seed %d",
				w.trace.tail(), at, last, w.failure, t.Name(), seed)
		}
	}
	t.Logf("%d calls", last)
}

// TestEveryCallFails has the calls that change the log fail, one in each life.
func TestEveryCallFails(t *testing.T) {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	for _, err := range []error{syscall.EIO, syscall.ENOSPC} {
		at, hit := 1+rand.IntN(*everyFlag), true
		for ; hit; at += *everyFlag {
			w := live(t, seed, func(w *world) {
				short(w)
				w.injected = injected{armed: true, any: true, in: at, err: err}
			})
			if w.failure != nil {
				t.Fatalf("%s\ncall %d answers %v: %v\nreplay with: go test ./bench/sim -run %s -sim.every 1 -sim.seed %d",
					w.trace.tail(), at, err, w.failure, t.Name(), seed)
			}
			hit = w.count.injected > 0
		}
		t.Logf("%v at %d calls", err, at)
	}
}
