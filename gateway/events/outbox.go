package events

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Outbox publishes the durable log to JetStream. See the package comment.
type Outbox struct {
	c       Config
	encoder encoder
	metrics *metrics

	published atomic.Uint64
	settling  settling
	// waiting is the time, in Unix milliseconds, of the oldest record that is not published, as far
	// as known while there is no session or it gives way; current is the chain of the session.
	waiting atomic.Int64
	current atomic.Pointer[chain]

	mu  sync.Mutex
	end tail

	// What sessions leave to the next one; only the goroutine of Run touches it.
	suspects []flight
	doubt    doubt
	lastGap  string
	// doubtWait is DoubtWait, but in tests.
	doubtWait time.Duration
	episode   episode
	pacer     pacer

	weight atomic.Uint64 // of the pacer, as the bits of a float, for the metrics
}

// feedError is a failure of the log, which no other session can help.
type feedError struct{ error }

func (e *feedError) Unwrap() error { return e.error }

// New makes an outbox.
func New(c Config) (*Outbox, error) {
	c.ensureDefaults()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("configure the outbox: %w", err)
	}
	o := &Outbox{c: c, encoder: newEncoder(c.Node, c.AppendReservationID), doubtWait: DoubtWait}
	o.pacer.total = float64(c.Pace)
	o.settling = settling{wait: c.SyncInterval + SyncMargin, settled: c.Cursor}
	o.published.Store(c.Cursor)
	o.metrics = newMetrics(c.Registerer, o)
	return o, nil
}

// Published is the log index through which every event was acknowledged. It goes back when the
// stream is found to have lost its tail.
func (o *Outbox) Published() uint64 { return o.published.Load() }

// Settled is the log index through which every event was still in the stream one sync interval
// after it was acknowledged, as far as that is known at now. The log is needed above it.
func (o *Outbox) Settled(now time.Time) uint64 { return o.settling.at(now) }

// Run publishes until the context ends, and then what is durable at that moment, for a bounded
// time. While NATS is away it tries again for ever. An error is one of the log.
func (o *Outbox) Run(ctx context.Context) error {
	for {
		err := o.session(ctx, 0)
		var broken *feedError
		if errors.As(err, &broken) {
			return err
		}
		if ctx.Err() != nil {
			return o.finish()
		}
		if !sleep(ctx, o.failed(err)) {
			return o.finish()
		}
	}
}

// finish publishes what is durable now.
func (o *Outbox) finish() error {
	_, until := o.c.Feed.Bounds()
	ctx, cancel := context.WithTimeout(context.Background(), o.c.StopWait)
	defer cancel()
	for o.published.Load() < until {
		err := o.session(ctx, until)
		var broken *feedError
		if errors.As(err, &broken) {
			return err
		}
		if err != nil && !sleep(ctx, o.failed(err)) {
			o.c.Logger.Warn("stopped before everything was published; the next start goes on",
				"published", o.published.Load(), "durable", until, "err", err)
			return nil
		}
	}
	return nil
}

// session runs one session. Without until it only returns with an error.
func (o *Outbox) session(ctx context.Context, until uint64) error {
	o.peek(ctx)
	s, err := o.connect(ctx)
	if err != nil {
		return err
	}
	defer s.end()
	if err := s.locate(); err != nil {
		if lost := s.events.failure(); lost != nil {
			return lost
		}
		return err
	}
	o.waiting.Store(0)
	o.current.Store(s.events)
	o.metrics.connected.Set(1)
	defer o.over(s)
	go s.watch()
	return s.follow(until)
}

// peek finds the time of the oldest record that is not published.
func (o *Outbox) peek(ctx context.Context) {
	next := o.published.Load() + 1
	oldest, newest := o.c.Feed.Bounds()
	if o.waiting.Load() != 0 || next < oldest || next > newest {
		return
	}
	f := o.c.Feed.Follow(next)
	// An error here is met again, and reported, by the session.
	if _, r, err := f.Next(ctx); err == nil {
		o.waiting.Store(int64(r.Time))
	}
	_ = f.Close()
}

// began notes what a session has found in the stream, which was seen at a time.
func (o *Outbox) began(s *session, seen time.Time) {
	through := s.next - 1
	o.published.Store(through)
	o.settling.restart(through, seen)
	if _, newest := o.c.Feed.Bounds(); through >= newest {
		o.recovered()
	}
}

// over notes the end of a session.
func (o *Outbox) over(s *session) {
	o.metrics.connected.Set(0)
	o.metrics.paced.Set(0)
	o.waiting.Store(0)
	if f, ok := s.events.oldest(); ok {
		o.waiting.Store(int64(f.at))
	}
	o.current.Store(nil)
}

// acknowledged notes that the stream has n messages more, and which is the last of them. The lock of
// the chain is held.
func (o *Outbox) acknowledged(n int, last *flight) {
	o.setTail(last.place, last.sequence)
	o.metrics.published.Add(float64(n))
	o.settling.prove(last.sent)
	o.acknowledge(last.through)
	o.recovered()
}

// acknowledge notes that everything through a record is published.
func (o *Outbox) acknowledge(through uint64) {
	if through > o.published.Load() {
		o.published.Store(through)
		o.settling.acknowledge(through, time.Now())
	}
}

func (o *Outbox) setTail(p place, sequence uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = tail{known: true, place: p, sequence: sequence}
}

func (o *Outbox) tail() tail {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end
}

// sleep pauses; it reports false when the context ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// jittered is a pause between half of d and d, so that many nodes do not come back at once.
func jittered(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }
