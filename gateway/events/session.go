package events

import (
	"context"
	"errors"
	"fmt"
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
	header nats.Header
	batch  batch

	events, alerts *chain
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
	s := &session{o: o, lost: make(chan struct{}), header: make(nats.Header), batch: batch{encoder: o.encoder}}
	s.events = newChain(true, o.acknowledged)
	s.alerts = newChain(false, func(*flight) { o.metrics.alerts.Inc() })
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
		index, err := s.batch.read(s.ctx, s.o.c.Feed, f, until, s.skip)
		if err != nil {
			return s.readFailure(err)
		}
		s.next, s.skip = index+1, 0
		if err := s.publishBatch(); err != nil {
			return err
		}
	}
	return s.await(s.events)
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
	for i := range b.alerts {
		if err := s.publish(s.alerts, &b.alerts[i]); err != nil {
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
			if err := s.publish(s.events, &b.events[i]); err != nil {
				return err
			}
		}
		if s.events.complete(r.index) {
			s.o.acknowledge(r.index)
		}
	}
	return nil
}

// publish sends one message, when there is room for it in the window.
func (s *session) publish(c *chain, m *message) error {
	if err := s.awaitRoom(c); err != nil {
		return err
	}
	f := flight{place: m.place, at: m.at, sent: time.Now(), bytes: m.to - m.from, through: m.place.through()}
	kind := byte(answerAlert)
	h := s.header
	if c == s.events {
		kind = answerEvent
		set(h, nats.ExpectedLastSeqHdr, strconv.FormatUint(s.sequence, 10))
		s.sequence++
		f.sequence = s.sequence
	} else {
		delete(h, nats.ExpectedLastSeqHdr)
	}
	set(h, nats.MsgIdHdr, m.id)
	set(h, HeaderContentType, contentType)
	set(h, HeaderType, m.typ)
	set(h, HeaderPlace, m.place.String())
	set(h, HeaderNode, s.o.c.Node)
	number := c.add(f)
	reply := strconv.AppendUint(append([]byte(s.inbox), '.', kind), number, 10)
	err := s.nc.PublishMsg(&nats.Msg{
		Subject: m.subject, Reply: string(reply), Header: h, Data: s.batch.buf[m.from:m.to],
	})
	if err != nil {
		c.answered(number, 0, err)
		return fmt.Errorf("publish %s: %w", m.place, err)
	}
	return nil
}

// set sets a header field in the memory of the one before.
func set(h nats.Header, name, value string) {
	if v := h[name]; len(v) == 1 {
		v[0] = value
	} else {
		h[name] = []string{value}
	}
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
