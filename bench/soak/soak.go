package soak

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Config says how to live.
type Config struct {
	// Dir is where everything goes: the data directory, the server's log, the samples, the result.
	Dir string
	// Exe is the program that is the server.
	Exe string
	// For is how long to live; KillMin and KillMax how long one life of the server is, but for one
	// long one, which is a third of the whole.
	For, KillMin, KillMax time.Duration
	// Rate is how many operations a second are offered. When it is zero, it is Load times what a
	// calibration finds.
	Rate int
	Load float64
	// Seed decides what is done and when the server dies.
	Seed uint64
	// Out hears of progress.
	Out io.Writer
}

// soak is a run under way.
type soak struct {
	c       Config
	began   time.Time
	log     io.Writer
	process *Process
	books   *books
	told    told
	readers [2]*reader

	door     atomic.Pointer[Door]
	up       atomic.Pointer[chan struct{}] // closed while the server is up
	dying    atomic.Bool
	jobs     chan time.Time
	stopped  chan struct{} // load is over: no new operations
	working  sync.WaitGroup
	rng      *rand.Rand // of the moments of death
	lifeFrom time.Time

	counts   counts
	latency  latencies
	mu       sync.Mutex // of result
	result   *Result
	sampling chan struct{}
}

// counts are those of the load so far.
type counts struct {
	answered, refused, retried, missed, overloaded, readsLost, asked, audits, compared atomic.Int64
}

// latencies are those of operations that were answered at their first try, since the last sample.
type latencies struct {
	mu   sync.Mutex
	hist *hdrhistogram.Histogram
}

func newLatencies() latencies {
	return latencies{hist: hdrhistogram.New(1, time.Minute.Microseconds(), 3)}
}

func (l *latencies) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.hist.RecordValue(min(d.Microseconds(), time.Minute.Microseconds()-1)) // Within its range.
}

// take returns p50, p99 and the longest in milliseconds, and how many there were, and begins anew.
func (l *latencies) take() (p50, p99, longest float64, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ms := func(us int64) float64 { return float64(us) / 1e3 }
	p50, p99, longest, n = ms(l.hist.ValueAtQuantile(50)), ms(l.hist.ValueAtQuantile(99)), ms(l.hist.Max()), l.hist.TotalCount()
	l.hist.Reset()
	return p50, p99, longest, n
}

// defect tells of something that must not be.
func (s *soak) defect(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.DefectCount++
	text := fmt.Sprintf("%v: ", time.Since(s.began).Round(time.Second)) + fmt.Sprintf(format, args...)
	if len(s.result.Defects) < defectsKept {
		s.result.Defects = append(s.result.Defects, text)
		fmt.Fprintln(s.c.Out, "DEFECT", text)
	}
}

// trouble tells of a request that failed while nobody was killed; it was tried again.
func (s *soak) trouble(op string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.TroubleCount++
	if len(s.result.Trouble) < errorsKept {
		s.result.Trouble = append(s.result.Trouble, fmt.Sprintf("%v: %s: %v", time.Since(s.began).Round(time.Second), op, err))
	}
}

// await returns the way into the server, waiting until it is up.
func (s *soak) await(ctx context.Context) (*Door, error) {
	for {
		up := s.up.Load()
		select {
		case <-*up:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if d := s.door.Load(); d != nil {
			return d, nil
		}
	}
}
