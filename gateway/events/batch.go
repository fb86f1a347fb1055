package events

import (
	"context"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// batch is what is read from the log at once: some records as messages, and their alerts.
type batch struct {
	encoder encoder
	buf     []byte
	names   []byte // of the message that is being added
	events  []message
	alerts  []message
	// records says, for each record, where its events end, so that one without any counts too. last
	// is the time of the last.
	records []recordEnd
	last    engine.Time
}

// message is one message to publish; its body is buf[from:to] of the batch.
type message struct {
	subject     string
	id, typ     string
	from, to    int
	place       place
	placeHeader string // place as a text
	at          engine.Time
}

type recordEnd struct {
	index  uint64
	events int
}

func (b *batch) reset() {
	b.events, b.alerts, b.records = b.events[:0], b.alerts[:0], b.records[:0]
	if cap(b.buf) > BatchBytesKept {
		b.buf = nil
	}
	b.buf = b.buf[:0]
}

func (b *batch) full() bool { return len(b.events) >= BatchMessages || len(b.buf) >= BatchBytes }

// add adds the movements of a record from number skip on.
func (b *batch) add(index uint64, r *engine.Record, skip int) {
	p := place{index: index, of: movements(r)}
	r.Movements(func(n int, m *engine.Movement) bool {
		if n < skip {
			return true
		}
		p.n = n
		b.addAlerts(p, m)
		from := len(b.buf)
		b.buf = b.encoder.event(b.buf, p, m)
		b.names = append(b.names[:0], SubjectPrefix...)
		b.events = append(b.events, b.message(p, m, "", m.Type.String(), from))
		return true
	})
	b.records = append(b.records, recordEnd{index, len(b.events)})
	b.last = r.Time
}

func (b *batch) addAlerts(p place, m *engine.Movement) {
	if m.Alerts == 0 {
		return
	}
	for _, name := range m.Alerts.Names() {
		from := len(b.buf)
		b.buf = b.encoder.alert(b.buf, p, name, m)
		short := shortAlert(name)
		b.names = append(append(append(b.names[:0], AlertPrefix...), short...), '.')
		b.alerts = append(b.alerts, b.message(p, m, short, name, from))
	}
}

// message is the message whose body was just written. The beginning of its subject is in names,
// where what is to be text is put together, so that it is one piece of memory.
func (b *batch) message(p place, m *engine.Movement, alert, typ string, from int) message {
	t := appendSubject(b.names, m.Level.Location, m.SKU)
	subject := len(t)
	t = appendAlertID(t, p, alert)
	id := len(t)
	t = p.append(t)
	b.names = t
	text := string(t)
	return message{
		subject: text[:subject], id: text[subject:id], placeHeader: text[id:],
		typ: typ, from: from, to: len(b.buf), place: p, at: m.At,
	}
}

// read fills the batch and returns the index of its last record: it waits for one record, and takes what else is durable without waiting. It
// does not go beyond the record until, unless that is zero. skip is how many movements of the first
// record are published already.
func (b *batch) read(
	ctx context.Context, feed gateway.Feed, f gateway.Follower, until uint64, skip int,
) (uint64, error) {
	b.reset()
	index, r, err := f.Next(ctx)
	if err != nil {
		return 0, err
	}
	b.add(index, r, skip)
	_, newest := feed.Bounds()
	if until != 0 {
		newest = min(newest, until)
	}
	for index < newest && !b.full() {
		if index, r, err = f.Next(ctx); err != nil {
			return 0, err
		}
		b.add(index, r, 0)
	}
	return index, nil
}
