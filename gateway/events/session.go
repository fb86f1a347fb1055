package events

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/gateway"
)

// session is one connection and what is published through it, until something fails. There is
// nothing that a session repairs; the next one begins with what the stream says.
type session struct {
	o      *Outbox
	nc     *nats.Conn
	js     jetstream.JetStream
	ctx    context.Context
	cancel context.CancelFunc
	lost   chan struct{} // closed when the connection is
	inbox  string
	batch  batch

	events, alerts *chain
	eventHeader    *header
	alertHeader    *header
	// now is the time, as often as it is needed: when a batch is begun and after every waiting.
	now time.Time
	// sequence is that of the stream with everything that was published. next is the record that
	// is read next, of which skip movements are in the stream already.
	sequence uint64
	next     uint64
	skip     int
}

// The kinds of answers, as the first letter of the last token of the subject they come to.
const (
	answerEvent = 'e'
	answerAlert = 'a'
)

// connect begins a session.
func (o *Outbox) connect(ctx context.Context) (*session, error) {
	s := &session{o: o, lost: make(chan struct{}), batch: batch{encoder: o.encoder}}
	s.events = newChain(true, o.acknowledged)
	s.alerts = newChain(false, func(n int, _ *flight) { o.metrics.alerts.Add(float64(n)) })
	s.eventHeader, s.alertHeader = newHeader(o.c.Node), newHeader(o.c.Node)
	s.ctx, s.cancel = context.WithCancel(ctx)
	nc, err := o.c.Connect(
		nats.Name("skua outbox "+o.c.Node), nats.NoReconnect(), nats.RetryOnFailedConnect(false),
		nats.Timeout(ConnectWait),
		nats.FlusherTimeout(AckWait), nats.PingInterval(AckWait), nats.MaxPingsOutstanding(2),
		nats.ClosedHandler(func(nc *nats.Conn) {
			s.fail(fmt.Errorf("connection is lost: %w", errors.Join(nats.ErrConnectionClosed, nc.LastError())))
			close(s.lost)
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { s.fail(err) }),
	)
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	s.nc = nc
	s.inbox = nc.NewInbox()
	if s.js, err = jetstream.New(nc); err == nil {
		_, err = nc.Subscribe(s.inbox+".*", s.answer)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("await acknowledgements: %w", err)
	}
	return s, nil
}

func (s *session) fail(err error) {
	s.events.fail(err)
	s.alerts.fail(err)
	s.cancel()
}

// answer takes an acknowledgement.
func (s *session) answer(m *nats.Msg) {
	token := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	if len(token) < 2 {
		return
	}
	number, err := strconv.ParseUint(token[1:], 10, 64)
	if err != nil {
		return // Not an answer to us.
	}
	c := s.events
	if token[0] == answerAlert {
		c = s.alerts
	}
	sequence, err := readAck(m)
	c.answered(number, sequence, err)
	if err := c.failure(); err != nil {
		s.fail(err)
	}
}

// follow publishes from the log until something fails, or, unless until is zero, until everything
// through that record is acknowledged.
func (s *session) follow(until uint64) (err error) {
	f := s.o.c.Feed.Follow(s.next)
	defer func() { err = errors.Join(err, f.Close()) }()
	for until == 0 || s.next <= until {
		if until == 0 {
			s.giveWay()
		}
		index, err := s.batch.read(s.ctx, s.o.c.Feed, f, until, s.skip)
		if err != nil {
			return s.readFailure(err)
		}
		s.next, s.skip = index+1, 0
		if err := s.publishBatch(); err != nil {
			return err
		}
		s.o.pacer.spend(len(s.batch.events), len(s.batch.records))
		s.o.weight.Store(math.Float64bits(s.o.pacer.weight))
	}
	return s.await(s.events)
}

// giveWay waits while changes go first, or until the session is over.
func (s *session) giveWay() {
	paced := 0.0
	for s.ctx.Err() == nil {
		_, newest := s.o.c.Feed.Bounds()
		pause := s.o.pacer.wait(time.Now(), newest)
		if pause == 0 {
			break
		}
		paced = 1
		s.o.metrics.paced.Set(paced)
		s.o.waiting.Store(int64(s.batch.last)) // What is next is as old, or a little younger.
		sleep(s.ctx, pause)
	}
	s.o.metrics.paced.Set(paced)
	s.o.waiting.Store(0)
	// Under load, events go out some together: a batch of one wakes as many goroutines as a batch of
	// a hundred.
	if s.o.pacer.growth > GatherAbove && len(s.batch.events) < BatchMessages {
		sleep(s.ctx, time.Until(s.now.Add(GatherFor)))
	}
}

// readFailure says whether a record could not be read because the session was over already.
func (s *session) readFailure(err error) error {
	switch {
	case s.events.failure() != nil:
		return s.events.failure()
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	case errors.Is(err, gateway.ErrGone):
		return fmt.Errorf("read the log at %d: %w", s.next, err)
	}
	return &feedError{fmt.Errorf("read the log at %d: %w", s.next, err)}
}

// publishBatch publishes the alerts of a batch, awaits their acknowledgement, and publishes its
// events.
func (s *session) publishBatch() error {
	b := &s.batch
	s.now = time.Now()
	for i := range b.alerts {
		if err := s.publishAlert(&b.alerts[i]); err != nil {
			return err
		}
	}
	if len(b.alerts) > 0 {
		if err := s.await(s.alerts); err != nil {
			return err
		}
	}
	i := 0
	for _, r := range b.records {
		for ; i < r.events; i++ {
			asks := !s.o.c.Embedded || i%AskEvery == AskEvery-1 || i == len(b.events)-1
			if err := s.publishEvent(&b.events[i], asks); err != nil {
				return err
			}
		}
		if s.events.complete(r.index) {
			s.o.acknowledge(r.index)
		}
	}
	return nil
}

// publishEvent sends the next message of the chain, when there is room for it in the window.
func (s *session) publishEvent(m *message, asks bool) error {
	s.sequence++
	s.eventHeader.expect(s.sequence - 1)
	return s.publish(s.events, s.eventHeader, answerEvent, m, flight{sequence: s.sequence, asks: asks})
}

// publishAlert sends an alert, which always asks for an answer: it is stored whatever becomes of
// others.
func (s *session) publishAlert(m *message) error {
	return s.publish(s.alerts, s.alertHeader, answerAlert, m, flight{asks: true})
}

func (s *session) publish(c *chain, h *header, kind byte, m *message, f flight) error {
	if err := s.awaitRoom(c); err != nil {
		return err
	}
	f.place, f.at, f.sent, f.bytes, f.through = m.place, m.at, s.now, m.to-m.from, m.place.through()
	number, asks := c.add(f)
	out := nats.Msg{Subject: m.subject, Header: h.of(m), Data: s.batch.buf[m.from:m.to]}
	if asks {
		reply := append(append(make([]byte, 0, 64), s.inbox...), '.', kind)
		out.Reply = string(strconv.AppendUint(reply, number, 10))
	}
	if err := s.nc.PublishMsg(&out); err != nil {
		c.answered(number, 0, err)
		return fmt.Errorf("publish %s: %w", m.place, err)
	}
	return nil
}

func (s *session) awaitRoom(c *chain) error {
	for {
		if room, err := c.room(); room || err != nil {
			return err
		}
		if err := s.awaitMove(c); err != nil {
			return err
		}
	}
}

// await waits until everything published is acknowledged.
func (s *session) await(c *chain) error {
	for {
		if err := c.failure(); err != nil {
			return err
		}
		if c.outstanding() == 0 {
			return nil
		}
		if err := s.awaitMove(c); err != nil {
			return err
		}
	}
}

func (s *session) awaitMove(c *chain) error {
	select {
	case <-c.moved:
		s.now = time.Now()
		return nil
	case <-s.ctx.Done():
		if err := c.failure(); err != nil {
			return err
		}
		return s.ctx.Err()
	}
}

// watch fails the session when an acknowledgement is late, and looks at the stream when nothing
// else shows that it still has what it acknowledged.
func (s *session) watch() {
	tick := time.NewTicker(WatchEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		for _, c := range []*chain{s.events, s.alerts} {
			if f, ok := c.oldest(); ok && now.Sub(f.sent) > AckWait {
				s.fail(fmt.Errorf("publish %s: not acknowledged in %s", f.place, AckWait))
			}
		}
		if s.o.settling.unproved(now) {
			if err := s.look(now); err != nil {
				s.fail(err)
			}
		}
	}
}

// look sees whether the stream still holds all that it acknowledged.
func (s *session) look(now time.Time) error {
	ctx, cancel := context.WithTimeout(s.ctx, AskWait)
	defer cancel()
	acknowledged := s.o.tail().sequence
	stream, err := s.js.Stream(ctx, Stream)
	if err != nil {
		return fmt.Errorf("look at stream %s: %w", Stream, err)
	}
	if last := stream.CachedInfo().State.LastSeq; last < acknowledged {
		return fmt.Errorf("%w: it is at %d and has acknowledged %d", errOutOfStep, last, acknowledged)
	}
	s.o.settling.prove(now)
	return nil
}

// end takes the answers that are still to come, as long as they can come, and closes the
// connection.
func (s *session) end() {
	timeout := time.NewTimer(EndWait)
	defer timeout.Stop()
	for _, c := range []*chain{s.events, s.alerts} {
		for c.outstanding() > 0 {
			select {
			case <-c.moved:
				continue
			case <-s.lost:
			case <-timeout.C:
				timeout.Reset(0)
			}
			break
		}
	}
	s.close()
}

func (s *session) close() {
	s.o.suspects = append(s.o.suspects, s.events.close()...)
	s.alerts.close()
	s.cancel()
	s.nc.Close()
	<-s.lost
}
