package events

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/engine"
)

// makeStream makes the stream without an outbox.
func (h *harness) makeStream(js jetstream.JetStream) {
	h.t.Helper()
	c := jetstream.StreamConfig{Name: Stream, Subjects: []string{SubjectPrefix + ">"}}
	if _, err := js.CreateStream(context.Background(), c); err != nil {
		h.t.Fatal(err)
	}
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
			h.makeStream(js)
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
					c.add(flight{place: place{1, n, 3}, sequence: uint64(n + 1), asks: true})
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
	if c.MaxBytes != AlertBytesMaxDefault || c.MaxAge != time.Hour || c.Duplicates != AlertDuplicates || c.Storage != jetstream.FileStorage {
		t.Errorf("%+v", c)
	}
}
