package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/skua-stock/skua/bench/report"
)

// eventRates are the changes a second at which it is seen whether their events keep up.
var eventRates = []float64{10_000, 20_000, 50_000, 100_000}

// eventsLeast is how long each rate lasts at least: long enough for a backlog to show.
const eventsLeast = 10 * time.Second

func growEvents(l *lab) (g report.Growth, err error) {
	g = report.Growth{
		Name: "events", Title: "Events beside the changes", What: "changes offered a second",
		Text: "Reservations over NATS, one a message, on a fixed schedule, each with an event for the stream of the embedded server. Behind is how many were not " +
			"acknowledged by it when the changes ended; to catch up is how long these took then.",
		Figures: []string{"changes/s", "events behind", "ms to catch up", "p99 ms", "server CPU µs/change"}, Plotted: []int{1},
	}
	w := uniform(100_000)
	dir := l.fresh()
	s, err := l.flags.openServed(l.ctx, dir, w)
	if err != nil {
		return g, err
	}
	defer func() { err = errors.Join(err, s.shut(), os.RemoveAll(dir)) }()
	served := s.(*servedSite)
	if err := served.seed(l.ctx, w); err != nil {
		return g, err
	}
	length := max(l.flags.Length, eventsLeast)
	for _, rate := range eventRates {
		if _, err := served.catchUp(l); err != nil {
			return g, err
		}
		l.next++
		way := way{name: wayNATS}
		r, err := l.once(l.ctx, s, &way, load{workload: w, window: scaleWindow, rate: rate, length: length}, fmt.Sprint("scale", l.next))
		if err != nil {
			return g, err
		}
		took, err := served.catchUp(l)
		if err != nil {
			return g, err
		}
		g.Add(rate, r.Rate, float64(r.Lag), millis(took), r.P99/1e3, r.CPU())
	}
	return g, nil
}

// catchUp waits until all events are in the stream.
func (s *servedSite) catchUp(l *lab) (took time.Duration, err error) {
	began := time.Now()
	for {
		lag, err := s.lag()
		if err != nil || lag == 0 {
			return time.Since(began), err
		}
		select {
		case <-l.ctx.Done():
			return 0, fmt.Errorf("wait for %d events: %w", lag, l.ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
