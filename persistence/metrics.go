package persistence

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/persistence/wal"
)

// metrics is what an operator sees of the store.
type metrics struct {
	sync, write       prometheus.Histogram
	groupRecords      prometheus.Histogram
	logBytes, records prometheus.Counter
	converted         prometheus.Counter
	committed         prometheus.Gauge
}

func newMetrics(r prometheus.Registerer, s *Store) *metrics {
	latency := prometheus.ExponentialBuckets(20e-6, 2, 16)
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		sync:         histogram("skua_log_fsync_seconds", "Time of one fsync of the log.", latency),
		write:        histogram("skua_log_write_seconds", "Time of one write to the log.", latency),
		groupRecords: histogram("skua_log_group_records", "Records that one fsync made durable.", prometheus.ExponentialBuckets(1, 2, 17)),
		logBytes:     counter("skua_log_written_bytes_total", "Bytes written to the log."),
		records:      counter("skua_log_records_total", "Records written to the log."),
		converted:    counter("skua_history_records_total", "Records sorted into the history."),
		committed:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "skua_snapshot_through", Help: "Log index through which the snapshots are committed."}),
	}
	if r == nil {
		return m
	}
	gauge := func(name, help string, f func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, f)
	}
	r.MustRegister(m.sync, m.write, m.groupRecords, m.logBytes, m.records, m.converted, m.committed,
		gauge("skua_log_durable", "Log index through which the log is on disk.", func() float64 { return float64(s.wal.Durable()) }),
		gauge("skua_log_pending_bytes", "Bytes appended to the log and not on disk yet.", func() float64 { return float64(s.wal.Pending()) }),
		gauge("skua_log_size_bytes", "Bytes that the log has on disk.", func() float64 { return float64(s.LogBytes()) }),
		gauge("skua_history_through", "Log index through which the history is sorted.", func() float64 { return float64(s.converted.Load()) }),
		gauge("skua_keys_remembered", "Idempotency keys and ends of reservations in memory.", func() float64 { return float64(s.recall.size()) }),
		gauge("skua_keys_floor_timestamp_seconds", "Since when every idempotency key is remembered.", func() float64 { return float64(s.recall.floor()) / 1000 }),
		gauge("skua_changes_refused", "1 while new changes are refused because of the disk, the log or the table of keys.", func() float64 {
			if s.refusal.Load() != nil {
				return 1
			}
			return 0
		}),
	)
	return m
}

// group is told of every group that the log has written.
func (m *metrics) group(g wal.Group) {
	m.sync.Observe(g.Sync.Seconds())
	m.write.Observe(g.Write.Seconds())
	m.groupRecords.Observe(float64(g.Records))
	m.logBytes.Add(float64(g.Bytes))
	m.records.Add(float64(g.Records))
}
