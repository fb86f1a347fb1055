package events

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

func TestEveryMovementOnceAndInOrder(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
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
		"skua_outbox_lag_records": 0, "skua_outbox_lag_seconds": 0, "skua_outbox_retries_total": 0,
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
		if diff := cmp.Diff("stock.alerts.v1.out_of_stock.main.", m.Subject()[:len("stock.alerts.v1.out_of_stock.main.")]); diff != "" {
			t.Error(diff)
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
func TestServerStopsUnderLoad(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
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
func TestServerLosesItsTail(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
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
func TestOutboxIsStoppedAnywhere(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.config.StopWait = time.Nanosecond
	h.startServer()
	interrupted := 0
	for range 30 {
		for range 100 + dice.IntN(300) {
			h.log.random(dice)
		}
		h.startOutbox()
		time.Sleep(time.Duration(dice.IntN(8000)) * time.Microsecond)
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
	if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: Stream, Subjects: []string{SubjectPrefix + ">"}}); err != nil {
		t.Fatal(err)
	}
	h.byHand(&r, 0, 3)
	h.startOutbox()
	h.published()
	h.complete(1)
}

// byHand publishes some movements of the first record without an outbox.
func (h *harness) byHand(r *engine.Record, from, to int) {
	h.t.Helper()
	nc, js := h.client()
	defer nc.Close()
	b := batch{encoder: newEncoder("n1", reservationID)}
	b.add(1, r, 0)
	for i := from; i < to; i++ {
		e := &b.events[i]
		m := nats.NewMsg(e.subject)
		m.Data = b.buf[e.from:e.to]
		for name, value := range map[string]string{nats.MsgIdHdr: e.id, HeaderPlace: e.place.String(), HeaderNode: "n1"} {
			m.Header.Set(name, value)
		}
		if _, err := js.PublishMsg(context.Background(), m); err != nil {
			h.t.Fatal(err)
		}
	}
}

// TestBrokenChainIsReported: a message of somebody else has got between two of a window, so that
// one was refused and the next was stored. The next session finds that the one is missing.
func TestBrokenChainIsReported(t *testing.T) {
	for name, foreign := range map[string]bool{"by somebody else": true, "by an earlier session of ours": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.startServer()
			nc, js := h.client()
			defer nc.Close()
			if _, err := js.CreateStream(context.Background(), jetstream.StreamConfig{Name: Stream, Subjects: []string{SubjectPrefix + ">"}}); err != nil {
				t.Fatal(err)
			}
			r := record(h.log.movement("a", "main", 1), h.log.movement("a", "main", 1), h.log.movement("a", "main", 1))
			h.log.append(r)
			if foreign {
				h.foreign()
			} else {
				h.byHand(&r, 0, 1)
			}
			h.byHand(&r, 1, 2)
			h.tune = func(o *Outbox) {
				c := newChain(true, o.acknowledged)
				for n := range 2 {
					c.add(flight{place: place{1, n, 3}, sequence: uint64(n + 1)})
				}
				c.answered(0, 0, errOutOfStep)
				c.answered(1, 2, nil)
				o.suspects = c.close()
			}
			h.startOutbox()
			h.published()
			if got := len(h.stored(Stream)); got != 3 {
				t.Errorf("%d messages", got)
			}
			want := 0.0
			if foreign {
				want = 1
			}
			if n := h.metric("skua_outbox_gaps_total"); n != want {
				t.Errorf("%v gaps", n)
			}
		})
	}
}

func TestDoubtPasses(t *testing.T) {
	o := &Outbox{doubtWait: time.Hour}
	if o.doubtful(7, 7) != nil || o.doubtful(8, 7) == nil || o.doubtful(8, 7) == nil {
		t.Error("no doubt about a sequence without a message")
	}
	o.doubt.since = time.Now().Add(-2 * time.Hour)
	if o.doubtful(8, 7) != nil || o.doubtful(9, 7) == nil {
		t.Error("doubt has to pass, and to begin anew when the stream moves")
	}
}

// TestGracefulStopPublishesWhatIsDurable.
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
	if h.metric("skua_outbox_lag_records") != 1 || h.metric("skua_outbox_lag_seconds") <= 0 || h.metric("skua_outbox_connected") != 0 {
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

// TestEmptiedStreamGoesOn: an operator may purge the stream.
func TestEmptiedStreamGoesOn(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.startServer()
	h.startOutbox()
	for range 20 {
		h.log.random(dice)
	}
	h.published()
	purged := h.outbox.Published()
	nc, js := h.client()
	defer nc.Close()
	s, err := js.Stream(context.Background(), Stream)
	if err == nil {
		err = s.Purge(context.Background())
	}
	if err != nil {
		t.Fatal(err)
	}
	h.stopServer() // A new session has to find its place in the stream without messages.
	h.startServer()
	for range 20 {
		h.log.random(dice)
	}
	h.published()
	h.complete(purged + 1)
	if n := h.metric("skua_outbox_gaps_total"); n != 0 {
		t.Errorf("%v gaps", n)
	}
}

// TestLostStreamIsAGap: the stream is gone, and the log does not keep all that it had.
func TestLostStreamIsAGap(t *testing.T) {
	for name, c := range map[string]struct{ cut, cursor, begins uint64 }{
		"what was settled is not published again": {cut: 11, cursor: 15, begins: 16},
		"what the log does not keep":              {cut: 21, cursor: 15, begins: 21},
	} {
		t.Run(name, func(t *testing.T) {
			h, dice := newHarness(t), seeded(t)
			h.startServer()
			h.startOutbox()
			for range 30 {
				h.log.random(dice)
			}
			h.published()
			h.stop()
			nc, js := h.client()
			defer nc.Close()
			if err := js.DeleteStream(context.Background(), Stream); err != nil {
				t.Fatal(err)
			}
			h.log.cut(c.cut)
			h.config.Cursor = c.cursor
			h.startOutbox()
			h.published()
			h.complete(c.begins)
			if n := h.metric("skua_outbox_gaps_total"); n != 1 {
				t.Errorf("%v gaps", n)
			}
		})
	}
}

// TestStreamBehindTheLogIsAGap: the stream is older than what the log keeps.
func TestStreamBehindTheLogIsAGap(t *testing.T) {
	h, dice := newHarness(t), seeded(t)
	h.startServer()
	h.startOutbox()
	for range 10 {
		h.log.random(dice)
	}
	h.log.append(record(h.log.movement("a", "main", 1)))
	h.published()
	h.stop()
	before := len(h.log.wants(1))
	for range 10 {
		h.log.random(dice)
	}
	h.log.cut(15)
	h.startOutbox()
	h.published()
	if got, want := len(h.stored(Stream)), before+len(h.log.wants(15)); got != want {
		t.Errorf("%d messages, should be %d", got, want)
	}
	if n := h.metric("skua_outbox_gaps_total"); n != 1 {
		t.Errorf("%v gaps", n)
	}
}

// TestForeignStreamIsLeftAlone: another log has written to the stream, or this one was replaced.
func TestForeignStreamIsLeftAlone(t *testing.T) {
	for name, disturb := range map[string]func(h *harness){
		"another node":    func(h *harness) { h.config.Node = "n2" },
		"a shorter log":   func(h *harness) { h.log = newLedger(); h.config.Feed = h.log },
		"not of a ledger": func(h *harness) { h.foreign() },
	} {
		t.Run(name, func(t *testing.T) {
			h, dice := newHarness(t), seeded(t)
			h.config.StopWait = 10 * time.Millisecond
			h.startServer()
			h.startOutbox()
			for range 10 {
				h.log.random(dice)
			}
			h.log.append(record(h.log.movement("a", "main", 1)))
			h.published()
			h.stop()
			disturb(h)
			before := len(h.stored(Stream))
			h.log.random(dice)
			h.startOutbox()
			eventually(t, "some tries", func() bool { return h.metric("skua_outbox_retries_total") >= 3 })
			if got := len(h.stored(Stream)); got != before {
				t.Errorf("%d messages, %d before", got, before)
			}
		})
	}
}

// foreign publishes what is no movement to the stream.
func (h *harness) foreign() {
	h.t.Helper()
	nc, js := h.client()
	defer nc.Close()
	if _, err := js.Publish(context.Background(), SubjectPrefix+"main.x", []byte("hello")); err != nil {
		h.t.Fatal(err)
	}
}

// TestForeignMessageStopsTheChain: somebody who may not has published while the outbox runs.
func TestForeignMessageStopsTheChain(t *testing.T) {
	h := newHarness(t)
	h.startServer()
	h.startOutbox()
	h.log.append(record(h.log.movement("a", "main", 1)))
	h.published()
	h.foreign()
	h.log.append(record(h.log.movement("a", "main", 1)))
	eventually(t, "the session to fail", func() bool { return h.metric("skua_outbox_retries_total") >= 2 })
	_, newest := h.log.Bounds()
	if h.outbox.Published() >= newest {
		t.Error("published behind a message that is not ours")
	}
	// The remedy: delete the message.
	nc, js := h.client()
	defer nc.Close()
	s, err := js.Stream(context.Background(), Stream)
	if err == nil {
		err = s.DeleteMsg(context.Background(), s.CachedInfo().State.LastSeq)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.published()
	h.complete(1)
}

// TestStreamIsLookedAfter: limits of a stream that is there are set, the rest is left alone.
func TestStreamIsLookedAfter(t *testing.T) {
	h := newHarness(t)
	h.startServer()
	nc, js := h.client()
	defer nc.Close()
	ctx := context.Background()
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Description: "mine", Subjects: []string{"mine.>"}, Storage: jetstream.MemoryStorage,
	}); err != nil {
		t.Fatal(err)
	}
	h.config.MaxAge, h.config.EventBytesMax = time.Hour, 1<<20
	h.startOutbox()
	h.log.append(engine.Record{})
	h.published()
	s, err := js.Stream(ctx, Stream)
	if err != nil {
		t.Fatal(err)
	}
	c := s.CachedInfo().Config
	if c.Description != "mine" || c.Storage != jetstream.MemoryStorage || c.MaxAge != time.Hour ||
		c.MaxBytes != 1<<20 || c.Discard != jetstream.DiscardOld {
		t.Errorf("%+v", c)
	}
	if diff := cmp.Diff([]string{"mine.>", SubjectPrefix + ">"}, c.Subjects); diff != "" {
		t.Error(diff)
	}
	if s, err = js.Stream(ctx, AlertStream); err != nil {
		t.Fatal(err)
	}
	c = s.CachedInfo().Config
	if c.MaxBytes != AlertBytesMaxDefault || c.MaxAge != time.Hour || c.Duplicates != DuplicatesWindow || c.Storage != jetstream.FileStorage {
		t.Errorf("%+v", c)
	}
}

func TestConfigSaysWhatIsMissing(t *testing.T) {
	if _, err := New(Config{StopWait: -1}); err == nil {
		t.Error("an empty configuration went through")
	} else {
		t.Log(err)
	}
}
