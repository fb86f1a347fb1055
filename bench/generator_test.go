package bench

import (
	"math"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
)

// atOnce answers every command before Start returns.
type atOnce struct{}

func (atOnce) Start(_ *engine.Command, done func(error)) { done(nil) }

// BenchmarkGenerator is what the load generator itself costs: this much of each operation's CPU
// time in process is not the engine's.
func BenchmarkGenerator(b *testing.B) {
	for _, w := range Workloads() {
		b.Run(w.Name, func(b *testing.B) {
			r := &run{zero: time.Now()}
			r.ends.Store(math.MaxInt64)
			wk := newWorker(r, atOnce{}, newSources(w, "run", 1)[0], 1024)
			b.ReportAllocs()
			before, err := OwnCPU()
			b.ResetTimer()
			for range b.N/1024 + 1 {
				for len(wk.idle) > 0 {
					wk.start(r.now())
				}
				wk.collect()
			}
			after, err2 := OwnCPU()
			if err == nil && err2 == nil {
				b.ReportMetric(float64(after-before)/float64(b.N), "CPU-ns/op")
			}
		})
	}
}

// TestGeneratorAllocates holds the generator to what it costs in memory.
func TestGeneratorAllocates(t *testing.T) {
	for _, w := range Workloads() {
		s := newSources(w, "run", 1)[0]
		sl := new(slot)
		got := testing.AllocsPerRun(1000, func() {
			s.next(sl)
			s.accepted(sl)
		})
		if got > 0 { // AllocsPerRun rounds down: a string for 32 keys is none.
			t.Errorf("%s: %v allocations a command", w.Name, got)
		}
	}
}
