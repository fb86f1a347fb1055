package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent lets the heap grow further between two collections than Go does by default: most of it
// is stock and holds, which stay, and looking at them again and again is what costs.
const gcPercent = 300

// tuneRuntime sets the Go runtime up for the engine; GOGC and GOMAXPROCS in the environment say
// otherwise. There is one more processor of the scheduler than of the machine: one is nearly always
// stuck in the log's fsync, where it does nothing and keeps others from what it has.
func tuneRuntime() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	}
}
