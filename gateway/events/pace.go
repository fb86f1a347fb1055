package events

import "time"

// pacer keeps publishing from taking the processor from those who change stock: the faster the log
// grows, the fewer events it grants. Grants are tokens: they come with time, an event takes one, and
// a batch may take them in advance.
type pacer struct {
	total float64 // events a second when nothing changes; zero for no limit

	looked time.Time // when the log was last measured
	newest uint64    // its end then
	growth float64   // in events a second
	// weight is how many events a record has, as of the last batch: an order has one for each item.
	weight float64

	refilled time.Time
	tokens   float64
}

// wait returns how long to wait before the next batch, when the log ends at newest: zero for not at
// all.
func (p *pacer) wait(now time.Time, newest uint64) time.Duration {
	if p.total == 0 {
		return 0
	}
	if p.looked.IsZero() {
		p.looked, p.newest, p.refilled = now, newest, now.Add(-PaceEvery)
	}
	if since := now.Sub(p.looked); since >= PaceEvery {
		p.growth = float64(newest-p.newest) * max(p.weight, 1) / since.Seconds()
		p.looked, p.newest = now, newest
	}
	rate := max(PaceMin, p.total-PaceWeight*p.growth)
	p.tokens = min(p.tokens+rate*now.Sub(p.refilled).Seconds(), rate*PaceEvery.Seconds())
	p.refilled = now
	if p.tokens > 0 {
		return 0
	}
	// At least until there is a token; not longer than until there is something new to measure.
	return min(PaceEvery, time.Duration((1-p.tokens)/rate*float64(time.Second)))
}

// spend notes that the events of some records are published.
func (p *pacer) spend(events, records int) {
	p.tokens -= float64(events)
	if records > 0 {
		p.weight = float64(events) / float64(records)
	}
}
