package events

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics is what an operator sees of the outbox.
type metrics struct {
	published, alerts, retries, gaps prometheus.Counter
	connected, paced                 prometheus.Gauge
}

// newMetrics makes the metrics, and registers them unless r is nil.
func newMetrics(r prometheus.Registerer, o *Outbox) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		published: counter("skua_outbox_published_total", "Events that the stream acknowledged."),
		alerts:    counter("skua_outbox_alerts_total", "Alerts that the stream acknowledged."),
		retries:   counter("skua_outbox_retries_total", "Sessions with NATS that failed and were begun again."),
		gaps: counter("skua_outbox_gaps_total",
			"Times that the event stream was found to lack events that the log does not keep. "+
				"Any is an alarm."),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "skua_outbox_connected",
			Help: "1 while the outbox has a session with NATS, else 0.",
		}),
		paced: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "skua_outbox_paced",
			Help: "1 while the outbox gives way to changes: it publishes less than it could. Else 0.",
		}),
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	r.MustRegister(m.published, m.alerts, m.retries, m.gaps, m.connected, m.paced,
		gauge("skua_outbox_lag_records", "Durable records of the log whose events are not published.",
			func() float64 { return float64(o.lagRecords()) }),
		gauge("skua_outbox_lag_events", "About how many events these records have: as many each as those that were published last.",
			func() float64 { return float64(o.lagRecords()) * max(1, math.Float64frombits(o.weight.Load())) }),
		gauge("skua_outbox_lag_seconds", "Age of the oldest durable record whose events are not published.",
			func() float64 { return o.lag(time.Now()).Seconds() }),
	)
	return m
}

func (o *Outbox) lagRecords() uint64 {
	_, newest := o.c.Feed.Bounds()
	if published := o.published.Load(); published < newest {
		return newest - published
	}
	return 0
}

func (o *Outbox) lag(now time.Time) time.Duration {
	at := o.waiting.Load()
	if c := o.current.Load(); c != nil {
		if f, ok := c.oldest(); ok {
			at = int64(f.at)
		}
	}
	if at == 0 || o.lagRecords() == 0 {
		return 0
	}
	return max(0, now.Sub(time.UnixMilli(at)))
}
