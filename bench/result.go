package bench

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Result is what a run took.
type Result struct {
	// Operations were accepted; Overloaded were refused because the engine had too much to do;
	// Missed fell due in an open loop while the window was full, and were never sent; Failed is all
	// else. Latencies are those of what was accepted.
	Operations int64   `json:"operations"`
	Overloaded int64   `json:"overloaded"`
	Missed     int64   `json:"missed"`
	Failed     int64   `json:"failed"`
	Seconds    float64 `json:"seconds"`
	// Rate is operations a second; Offered is what fell due, in an open loop.
	Rate    float64 `json:"rate"`
	Offered float64 `json:"offered,omitempty"`
	P50     float64 `json:"p50_us"`
	P90     float64 `json:"p90_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Max     float64 `json:"max_us"`
	// Latency is the whole distribution, for plots.
	Latency []Quantile `json:"latency,omitempty"`

	// Told is all that was acknowledged, before and after the time that counts too.
	Told Ledger `json:"-"`

	Cost
	// CoreToCore is what [CoreToCore] was as the run began.
	CoreToCore time.Duration `json:"core_to_core_ns,omitempty"`
}

// Quantile says that a share of the operations took at most so long.
type Quantile struct {
	Percent float64 `json:"percent"`
	Micros  float64 `json:"us"`
}

// quantiles are the points of a distribution: dense where it ends.
var quantiles = []float64{1, 5, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100}

// tally is what a worker counts.
type tally struct {
	hist                       *hdrhistogram.Histogram
	ops, refused, late, failed int64
	err                        error
}

func newTally() *tally {
	return &tally{hist: hdrhistogram.New(1, latencyMax.Nanoseconds(), latencyDigits)}
}

// answered counts an answer. An answer counts when it came in time; its latency when the command
// began in time, so that what waited longest is not left out.
func (t *tally) answered(r *run, sl *slot) {
	switch {
	case sl.err != nil && !overloaded(sl.err):
		t.failed++
		t.err = sl.err
	case sl.err != nil:
		if r.counts(sl.ended) {
			t.refused++
		}
	default:
		if r.counts(sl.ended) {
			t.ops++
		}
		if r.counts(sl.began) {
			_ = t.hist.RecordValue(int64(max(1, min(sl.ended-sl.began, latencyMax)))) // In range.
		}
	}
}

// miss counts n operations, due evenly from first to last, that were not sent.
func (t *tally) miss(r *run, first, last time.Duration, n int64) {
	begins, ends := r.begins.Load(), r.ends.Load()
	from, to := max(int64(first), begins), min(int64(last), ends)
	switch span := int64(last - first); {
	case to < from:
	case span == 0:
		t.late += n
	default:
		t.late += int64(math.Round(float64(n) * float64(to-from) / float64(span)))
	}
}

func (t *tally) add(o *tally) {
	t.hist.Merge(o.hist)
	t.ops += o.ops
	t.refused += o.refused
	t.late += o.late
	t.failed += o.failed
	if o.err != nil {
		t.err = o.err
	}
}

func (t *tally) result(length time.Duration) *Result {
	r := &Result{Operations: t.ops, Overloaded: t.refused, Missed: t.late, Failed: t.failed, Seconds: length.Seconds()}
	if length > 0 {
		r.Rate = float64(t.ops) / r.Seconds
	}
	micros := func(percent float64) float64 { return float64(t.hist.ValueAtQuantile(percent)) / 1e3 }
	r.P50, r.P90, r.P99, r.P999, r.Max = micros(50), micros(90), micros(99), micros(99.9), float64(t.hist.Max())/1e3
	if t.ops > 0 {
		for _, q := range quantiles {
			r.Latency = append(r.Latency, Quantile{q, micros(q)})
		}
	}
	return r
}
