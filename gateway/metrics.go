package gateway

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
)

// Metrics are what both doors count. One is made per process and given to both.
type Metrics struct {
	requests *prometheus.CounterVec
	batched  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *inFlight
	streams  prometheus.Gauge
}

// NewMetrics makes the metrics of the doors and registers them.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skua_door_requests_total",
			Help: "Requests answered, by door, operation and outcome: OK or the code of the problem.",
		}, []string{"door", "operation", "code"}),
		batched: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "skua_door_batch_operations_total",
			Help: "Operations within batches, by door, operation and outcome: OK or the code of the problem.",
		}, []string{"door", "operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "skua_door_reply_seconds",
			Help:    "Time from the whole request to the whole answer, by door and operation.",
			Buckets: prometheus.ExponentialBuckets(0.00005, 2, 18),
		}, []string{"door", "operation"}),
		inFlight: &inFlight{desc: prometheus.NewDesc("skua_door_requests_in_flight",
			"Requests taken and not yet answered, by door.", []string{"door"}, nil)},
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "skua_door_event_streams",
			Help: "Open event streams over HTTP.",
		}),
	}
	reg.MustRegister(m.requests, m.batched, m.seconds, m.inFlight, m.streams)
	return m
}

// inFlight collects the numbers of requests in flight. The doors count each request up and down,
// and bound them by it; gauges of the library would cost more and could not be asked.
type inFlight struct {
	desc  *prometheus.Desc
	mu    sync.Mutex
	doors map[string][]*atomic.Int64
}

// InFlight returns a number of requests that were taken and not yet answered, for a door to keep.
func (d *DoorMetrics) InFlight() *atomic.Int64 {
	f := d.metrics.inFlight
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.doors == nil {
		f.doors = make(map[string][]*atomic.Int64)
	}
	n := new(atomic.Int64)
	f.doors[d.name] = append(f.doors[d.name], n)
	return n
}

// Describe implements prometheus.Collector.
func (f *inFlight) Describe(to chan<- *prometheus.Desc) { to <- f.desc }

// Collect implements prometheus.Collector.
func (f *inFlight) Collect(to chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for door, all := range f.doors {
		sum := int64(0)
		for _, n := range all {
			sum += n.Load()
		}
		to <- prometheus.MustNewConstMetric(f.desc, prometheus.GaugeValue, float64(sum), door)
	}
}

// Door returns the metrics of one door, with the labels looked up beforehand.
func (m *Metrics) Door(name string) *DoorMetrics {
	d := &DoorMetrics{
		Streams: m.streams,
		name:    name, metrics: m, operations: make(map[string]*operationMetrics),
	}
	for _, o := range Operations() {
		d.operations[o.Name] = d.operation(o.Name)
	}
	d.operations[otherOperation] = d.operation(otherOperation)
	return d
}

// otherOperation is the label of requests that are no operation, such as a wrong path.
const otherOperation = "other"

// DoorMetrics are the metrics of one door.
type DoorMetrics struct {
	Streams prometheus.Gauge

	name       string
	metrics    *Metrics
	operations map[string]*operationMetrics
}

type operationMetrics struct {
	ok, batched prometheus.Counter
	seconds     prometheus.Observer
}

func (d *DoorMetrics) operation(name string) *operationMetrics {
	return &operationMetrics{
		ok:      d.metrics.requests.WithLabelValues(d.name, name, "OK"),
		batched: d.metrics.batched.WithLabelValues(d.name, name, "OK"),
		seconds: d.metrics.seconds.WithLabelValues(d.name, name),
	}
}

// Answered counts one answer; o is nil for a request that is no operation, p for a success.
func (d *DoorMetrics) Answered(o *Operation, p *Problem, took time.Duration) {
	name := otherOperation
	if o != nil {
		name = o.Name
	}
	m := d.operations[name]
	m.seconds.Observe(took.Seconds())
	if p == nil {
		m.ok.Inc()
		return
	}
	d.metrics.requests.WithLabelValues(d.name, name, p.Kind.Code).Inc()
}

// batched counts one operation of a batch that was refused or failed; o is nil when it could not be
// told which it is.
func (d *DoorMetrics) batched(o *Operation, p *Problem) {
	if d == nil {
		return
	}
	name := otherOperation
	if o != nil {
		name = o.Name
	}
	d.metrics.batched.WithLabelValues(d.name, name, p.Kind.Code).Inc()
}

// succeeded counts the operations of a batch that were done.
func (d *DoorMetrics) succeeded(counts *[len(plainShapes)]int) {
	if d == nil {
		return
	}
	for op, n := range counts {
		if n > 0 {
			d.operations[engine.Op(op).String()].batched.Add(float64(n))
		}
	}
}
