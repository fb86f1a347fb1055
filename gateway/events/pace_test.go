package events

import (
	"testing"
	"time"
)

// simulated is a log that grows and an outbox that publishes it, in simulated time: publishing an
// event takes no time of its own, so that whatever holds it back is the pacer.
type simulated struct {
	pacer             pacer
	now               time.Time
	each              float64 // events of a record
	newest, published float64 // in records
	waited            time.Duration
}

func newSimulated(total int) *simulated {
	return &simulated{pacer: pacer{total: float64(total)}, each: 1, now: time.UnixMilli(1_790_000_000_000)}
}

// run lets the log grow at a rate for a while, and returns of how many records the events were published, and by
// how many records they were behind at most.
func (s *simulated) run(d time.Duration, rate float64) (published, behind float64) {
	began := s.published
	for end := s.now.Add(d); s.now.Before(end); {
		step := time.Millisecond
		if batch := min(BatchMessages/s.each, s.newest-s.published); batch >= 1 {
			if pause := s.pacer.wait(s.now, uint64(s.newest)); pause > 0 {
				step = pause
				s.waited += pause
			} else {
				s.published += batch
				s.pacer.spend(int(batch*s.each), int(batch))
				continue
			}
		}
		s.now = s.now.Add(step)
		s.newest += rate * step.Seconds()
		behind = max(behind, s.newest-s.published)
	}
	return s.published - began, behind
}

func TestPaceLeavesAModerateLoadAlone(t *testing.T) {
	for _, rate := range []float64{1, 1_000, 20_000, 50_000} {
		s := newSimulated(PaceDefault)
		s.run(time.Minute, rate)
		if s.waited != 0 || s.newest-s.published >= BatchMessages {
			t.Errorf("at %v a second: waited %s, %v behind", rate, s.waited, s.newest-s.published)
		}
	}
}

func TestPaceGivesWayAndCatchesUp(t *testing.T) {
	s := newSimulated(PaceDefault)
	s.run(10*time.Second, 20_000)
	seconds := 60.0
	published, behind := s.run(time.Minute, 1_000_000)
	// Before the growth is noticed, and once more saved up, there is the pace of an idle log.
	start := 2 * PaceDefault * PaceEvery.Seconds()
	if published < PaceMin*seconds || published > PaceMin*seconds+start+BatchMessages {
		t.Errorf("published %v events in a minute at a million changes a second", published)
	}
	if behind < 59_000_000 {
		t.Errorf("only %v behind: what was simulated?", behind)
	}
	// What follows is shared: what the changes leave, and not more.
	for _, rate := range []float64{100_000, 40_000, 10_000, 0} {
		s.run(time.Second, rate) // The pace follows.
		published, _ = s.run(time.Minute, rate)
		want := max(PaceMin, PaceDefault-PaceWeight*rate) * seconds
		if published < 0.99*want || published > 1.01*want+BatchMessages {
			t.Errorf("at %v a second: published %v, want %v", rate, published, want)
		}
	}
	for range 60 {
		s.run(time.Minute, 20_000)
	}
	if s.newest-s.published >= BatchMessages {
		t.Errorf("still %v behind", s.newest-s.published)
	}
}

// TestPaceCountsEvents: an order is one record and has an event for each item.
func TestPaceCountsEvents(t *testing.T) {
	s := newSimulated(PaceDefault)
	s.each = 4
	s.run(time.Second, 12_000)
	if _, behind := s.run(time.Minute, 12_000); behind >= BatchMessages {
		t.Errorf("at 48,000 events a second: %v records behind", behind)
	}
	s.run(time.Second, 30_000)
	published, _ := s.run(time.Minute, 30_000)
	if events := published * s.each; events > 1.01*PaceMin*60+BatchMessages {
		t.Errorf("at 120,000 events a second: published %v in a minute", events)
	}
}

func TestNoPaceIsNoLimit(t *testing.T) {
	s := newSimulated(0)
	s.run(time.Second, 1_000_000)
	if s.waited != 0 {
		t.Errorf("waited %s", s.waited)
	}
}

// TestPacedOutboxPublishesAll: giving way shows in the metrics, and loses nothing.
func TestPacedOutboxPublishesAll(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.config.Pace = 1 // So that it is PaceMin.
	h.startServer()
	for range 1500 {
		h.log.random(dice)
	}
	h.startOutbox()
	eventually(t, "the outbox to give way", func() bool {
		return h.metric("skua_outbox_paced") == 1 && h.metric("skua_outbox_lag_seconds") > 0
	})
	h.published()
	h.log.random(dice)
	h.published()
	h.complete(1)
	eventually(t, "the outbox to go on", func() bool {
		h.log.random(dice)
		h.published()
		return h.metric("skua_outbox_paced") == 0
	})
}

// TestStopDoesNotGiveWay: nobody makes changes any more.
func TestStopDoesNotGiveWay(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.config.Pace, h.config.StopWait = 1, patience
	h.tune = func(o *Outbox) { o.pacer.tokens = -1e9 } // It would wait for days.
	h.startServer()
	for range 100 {
		h.log.random(dice)
	}
	h.startOutbox()
	eventually(t, "the outbox to give way", func() bool { return h.metric("skua_outbox_paced") == 1 })
	h.stop()
	h.complete(1)
}
