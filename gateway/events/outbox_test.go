package events

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/engine"
)

// seeded makes dice whose seed a failure prints.
func seeded(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("replay: go test ./gateway/events -run '^%s$' -seed %d", t.Name(), seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func TestEveryMovementOnceAndInOrder(t *testing.T) { inBothModes(t, onceAndInOrder) }

func onceAndInOrder(t *testing.T, h *harness) {
	dice := seeded(t)
	h.startServer()
	for range 500 {
		h.log.random(dice)
	}
	h.startOutbox()
	for range 500 {
		h.log.random(dice)
	}
	h.published()
	h.complete(1)
	if n := h.metric("skua_outbox_published_total"); int(n) != len(h.log.wants(1)) {
		t.Errorf("counted %v events", n)
	}
	for metric, want := range map[string]float64{
		"skua_outbox_lag_records": 0, "skua_outbox_lag_events": 0, "skua_outbox_lag_seconds": 0, "skua_outbox_retries_total": 0,
		"skua_outbox_gaps_total": 0, "skua_outbox_connected": 1,
	} {
		if got := h.metric(metric); got != want {
			t.Errorf("%s is %v", metric, got)
		}
	}
}

// TestAlertsComeBeforeTheirEvents: who has seen the event finds the alert in its stream.
func TestAlertsComeBeforeTheirEvents(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.startServer()
	h.startOutbox()
	for range 300 {
		h.log.random(dice)
	}
	h.published()
	alerts := map[string]jetstream.Msg{}
	for _, m := range h.stored(AlertStream) {
		if !strings.HasPrefix(m.Subject(), "stock.alerts.v1.out_of_stock.main.sku%20") {
			t.Error(m.Subject())
		}
		id := m.Headers().Get(nats.MsgIdHdr)
		if alerts[id] != nil {
			t.Errorf("alert %s twice", id)
		}
		alerts[id] = m
	}
	for _, m := range h.stored(Stream) {
		var e movementEvent
		readEvent(t, m.Data(), &e)
		if len(e.Data.Alerts) == 0 {
			continue
		}
		alert := alerts[e.ID+"-out_of_stock"]
		if alert == nil {
			t.Fatalf("no alert of %s", e.ID)
		}
		before, err1 := alert.Metadata()
		after, err2 := m.Metadata()
		if err1 != nil || err2 != nil || before.Timestamp.After(after.Timestamp) {
			t.Errorf("%s: alert at %s, event at %s (%v, %v)", e.ID, before.Timestamp, after.Timestamp, err1, err2)
		}
		delete(alerts, e.ID+"-out_of_stock")
	}
	if len(alerts) != 0 {
		t.Errorf("%d alerts without an event", len(alerts))
	}
}

// TestNoEventWithoutItsAlert: while the alert cannot be stored, the event waits.
func TestNoEventWithoutItsAlert(t *testing.T) {
	h := newHarness(t)
	h.startServer()
	h.startOutbox()
	h.log.append(record(h.log.movement("a", "main", 1)))
	h.published()
	nc, js := h.client()
	defer nc.Close()
	if err := js.DeleteStream(context.Background(), AlertStream); err != nil {
		t.Fatal(err)
	}
	h.log.append(record(h.log.movement("a", "main", -1), h.log.movement("a", "main", 1)))
	h.published()
	if n := len(h.stored(AlertStream)); n != 1 {
		t.Errorf("%d alerts", n)
	}
	h.complete(1)
}

// TestServerStopsUnderLoad stops the server again and again while movements come.
func TestServerStopsUnderLoad(t *testing.T) { inBothModes(t, stopsUnderLoad) }

func stopsUnderLoad(t *testing.T, h *harness) {
	dice := seeded(t)
	h.startServer()
	h.startOutbox()
	for range 10 {
		for range dice.IntN(400) {
			h.log.random(dice)
		}
		if dice.IntN(2) == 0 {
			time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
		}
		h.stopServer()
		for range dice.IntN(100) {
			h.log.random(dice)
		}
		h.startServer()
	}
	h.published()
	h.complete(1)
	if n := h.metric("skua_outbox_gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
}

// TestServerLosesItsTail gives the server an older copy of its store, again and again: what it had
// acknowledged and not synced when the power went.
func TestServerLosesItsTail(t *testing.T) { inBothModes(t, losesItsTail) }

func losesItsTail(t *testing.T, h *harness) {
	dice := seeded(t)
	h.config.SyncInterval = time.Hour // Nothing is settled, so that the log is not cut.
	h.startServer()
	h.startOutbox()
	older := t.TempDir()
	h.stopServer()
	h.copyStore(older)
	for round := range 8 {
		h.startServer()
		for range 50 + dice.IntN(300) {
			h.log.random(dice)
		}
		if dice.IntN(2) == 0 {
			h.published()
		}
		h.stopServer()
		if dice.IntN(3) == 0 || round == 7 {
			h.restoreStore(older)
		} else {
			older = t.TempDir()
			h.copyStore(older)
		}
	}
	h.startServer()
	// The outbox may think that all is published until it has seen what the stream has left.
	eventually(t, "the stream to have all again", func() bool { return len(h.stored(Stream)) >= len(h.log.wants(1)) })
	h.published()
	h.complete(1)
}

// TestOutboxIsStoppedAnywhere starts a new outbox again and again, as after the end of a process:
// the connection is cut with a window of messages on their way.
func TestOutboxIsStoppedAnywhere(t *testing.T) { inBothModes(t, stoppedAnywhere) }

func stoppedAnywhere(t *testing.T, h *harness) {
	dice := seeded(t)
	h.config.StopWait = time.Nanosecond
	h.startServer()
	interrupted := 0
	for range 30 {
		_, from := h.log.Bounds()
		for range 100 + dice.IntN(300) {
			h.log.random(dice)
		}
		_, to := h.log.Bounds()
		target := from + dice.Uint64N(to-from)
		h.startOutbox()
		eventually(t, "the moment to end it", func() bool { return h.outbox.Published() >= target })
		if dice.IntN(4) > 0 {
			h.breakConnection()
		}
		before := h.outbox.Published()
		h.stop()
		if _, newest := h.log.Bounds(); before > 0 && before < newest {
			interrupted++
		}
	}
	h.startOutbox()
	h.published()
	h.complete(1)
	if interrupted == 0 {
		t.Error("nothing was ever interrupted")
	}
	t.Logf("%d of 30 outboxes were interrupted", interrupted)
}

// TestOutboxGoesOnWithinARecord: a session may end between two movements of one record.
func TestOutboxGoesOnWithinARecord(t *testing.T) {
	h := newHarness(t)
	h.startServer()
	var five []engine.Event
	for range 5 {
		five = append(five, h.log.movement("a", "main", 1))
	}
	r := record(five...)
	h.log.append(r)
	nc, js := h.client()
	defer nc.Close()
	h.makeStream(js)
	h.byHand(&r, 0, 3)
	h.startOutbox()
	h.published()
	h.complete(1)
}

// TestGracefulStopPublishesWhatIsDurable: a stop takes its time, within bounds.
func TestGracefulStopPublishesWhatIsDurable(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.config.StopWait = patience
	h.startServer()
	h.startOutbox()
	for range 1000 {
		h.log.random(dice)
	}
	h.stop()
	if _, newest := h.log.Bounds(); h.outbox.Published() != newest {
		t.Errorf("published through %d of %d", h.outbox.Published(), newest)
	}
	h.complete(1)
}

// TestStopWhileNATSIsAway ends all the same.
func TestStopWhileNATSIsAway(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.config.StopWait = 10 * time.Millisecond
	h.log.random(dice)
	h.startOutbox()
	eventually(t, "some tries", func() bool { return h.metric("skua_outbox_retries_total") >= 3 })
	if h.metric("skua_outbox_lag_records") != 1 || h.metric("skua_outbox_lag_events") < 1 || h.metric("skua_outbox_lag_seconds") <= 0 || h.metric("skua_outbox_connected") != 0 {
		t.Error("the lag does not show")
	}
	if n := h.logs.count("publishing events is interrupted; trying again"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	h.stop()
	h.startServer()
	h.startOutbox()
	h.published()
	h.complete(1)
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	if _, err := New(Config{StopWait: -1}); err == nil {
		t.Error("an empty configuration went through")
	} else {
		t.Log(err)
	}
}
