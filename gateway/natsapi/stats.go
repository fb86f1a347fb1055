package natsapi

import (
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/gateway"
)

// endpoint counts the answers of one operation. micro's own times end when the handler returns,
// which here is before the work is done, and it does not see late errors.
type endpoint struct {
	operation              *gateway.Operation
	answered, refused      atomic.Int64
	failed, total, longest atomic.Int64
}

// Stats are the data of an endpoint in the answer to $SRV.STATS.
type Stats struct {
	// Answered counts all answers, Refused the 4xx and Failed the 5xx among them.
	Answered int64 `json:"answered"`
	Refused  int64 `json:"refused"`
	Failed   int64 `json:"failed"`
	// AverageReply and LongestReply are from the request to its answer, in nanoseconds.
	AverageReply int64 `json:"average_reply_ns"`
	LongestReply int64 `json:"longest_reply_ns"`
}

func (e *endpoint) count(p *gateway.Problem, took time.Duration) {
	e.answered.Add(1)
	e.total.Add(int64(took))
	for was := e.longest.Load(); int64(took) > was && !e.longest.CompareAndSwap(was, int64(took)); {
		was = e.longest.Load()
	}
	switch {
	case p == nil:
	case p.Kind.Status >= 500:
		e.failed.Add(1)
	default:
		e.refused.Add(1)
	}
}

func (e *endpoint) stats() Stats {
	st := Stats{Answered: e.answered.Load(), Refused: e.refused.Load(), Failed: e.failed.Load(), LongestReply: e.longest.Load()}
	if st.Answered > 0 {
		st.AverageReply = e.total.Load() / st.Answered
	}
	return st
}
