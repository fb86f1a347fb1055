package actors

import (
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what an operator sees of the actors.
type metrics struct {
	turn                                          prometheus.Histogram
	overloaded                                    *prometheus.CounterVec
	expired, replayed, panics, fenced, passivated prometheus.Counter
}

// newMetrics makes the metrics, and registers them unless r is nil.
func newMetrics(r prometheus.Registerer, s *System) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		turn: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "skua_turn_seconds",
			Help:    "Time of one turn of one item, from the message to the record in the log's buffer; one turn in 64 is looked at.",
			Buckets: prometheus.ExponentialBuckets(500e-9, 2, 16),
		}),
		overloaded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skua_overloaded_total",
			Help: "Commands refused because a limit of commands in flight was reached, by whose limit.",
		}, []string{"limit"}),
		expired:    counter("skua_holds_expired_total", "Expiry acts written: one a hold, and one for each freeing of very many."),
		replayed:   counter("skua_answers_replayed_total", "Commands answered from the record of their key."),
		panics:     counter("skua_turn_panics_total", "Turns that broke off by a bug."),
		fenced:     counter("skua_items_fenced_total", "Items reloaded because a turn broke off while it changed them."),
		passivated: counter("skua_items_passivated_total", "Items that left memory because they were not used."),
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	r.MustRegister(m.turn, m.overloaded, m.expired, m.replayed, m.panics, m.fenced, m.passivated,
		gauge("skua_commands_in_flight", "Commands admitted and not answered yet.", func() float64 { return float64(s.inFlight()) }),
		gauge("skua_items_resident", "Items in memory.", func() float64 { return float64(s.directory.size.Load()) }),
		gauge("skua_deadlines_pending", "Deadlines that the expiry wheel waits for.", func() float64 {
			s.wheel.mu.Lock()
			defer s.wheel.mu.Unlock()
			return float64(len(s.wheel.heap))
		}),
	)
	return m
}

// turnsPerLook is how many turns there are to one whose time is taken: taking it costs a good part
// of one.
const turnsPerLook = 64

// looked starts taking the time of a turn, now and then, and returns what ends it, or nil. It throws dice,
// since a counter would be pulled at by all processors.
func (m *metrics) looked() func() {
	if rand.Uint64()%turnsPerLook != 0 {
		return nil
	}
	began := time.Now()
	return func() { m.turn.Observe(time.Since(began).Seconds()) }
}
