package events

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errNotOurs means that the stream holds what this log did not put there. Publishing to it would
// mix two histories, so it is left alone until an operator has decided; see docs/reference/events.md.
var errNotOurs = errors.New("the stream is not of this log")

// tail is the end of what the stream acknowledged, as far as this process knows.
type tail struct {
	known    bool
	place    place
	sequence uint64
}

// doubt is a stream whose last sequence has no message.
type doubt struct {
	last, found uint64
	since       time.Time
}

// locate asks the stream where it is, and so where in the log to go on.
func (s *session) locate() error {
	ctx, cancel := context.WithTimeout(s.ctx, 4*AskWait)
	defer cancel()
	seen := time.Now()
	wanted := s.o.wanted()
	// First how far the stream is, then what is there: what comes between is refused by the chain.
	// The other way round, a sequence could be taken for that of an earlier message.
	info, err := s.o.ensure(ctx, s.js, wanted[0])
	if err != nil {
		return err
	}
	if _, err := s.o.ensure(ctx, s.js, wanted[1]); err != nil {
		return err
	}
	last, ok, err := ask(ctx, s.nc, 0)
	if err != nil {
		return err
	}
	if err := s.checkSuspects(ctx); err != nil {
		return err
	}
	s.sequence = max(info.State.LastSeq, last.sequence)
	if info.State.Msgs == 0 && !ok {
		s.beginEmpty()
	} else if err := s.beginAfter(last); err != nil {
		return err
	}
	s.o.began(s, seen)
	return nil
}

// beginAfter goes on behind the last message of the stream.
func (s *session) beginAfter(last stored) error {
	if err := s.o.doubtful(s.sequence, last.sequence); err != nil {
		return err
	}
	p, err := parsePlace(last.place)
	if err != nil || last.node != s.o.c.Node {
		return fmt.Errorf("%w: message %d of %s is of node %q, place %q",
			errNotOurs, last.sequence, Stream, last.node, last.place)
	}
	if _, newest := s.o.c.Feed.Bounds(); p.index > newest {
		return fmt.Errorf("%w: it has record %d, the log ends at %d", errNotOurs, p.index, newest)
	}
	s.o.setTail(p, s.sequence)
	s.behind(p)
	return nil
}

// behind goes on behind a place, or where the log begins when it does not keep that any more.
func (s *session) behind(p place) {
	s.next, s.skip = p.index, p.n+1
	if p.last() {
		s.next, s.skip = p.index+1, 0
	}
	if oldest, _ := s.o.c.Feed.Bounds(); oldest > s.next {
		s.o.gap("the log does not keep what comes after the end of the stream",
			"stream_ends", p.String(), "log_begins", oldest)
		s.next, s.skip = oldest, 0
	}
}

// beginEmpty finds the place for a stream without messages: new, emptied by an operator or by age,
// or lost.
func (s *session) beginEmpty() {
	if t := s.o.tail(); t.known && t.sequence == s.sequence {
		s.behind(t.place)
		return
	}
	oldest, _ := s.o.c.Feed.Bounds()
	settled := s.o.settling.at(time.Now())
	s.next, s.skip = max(oldest, settled+1), 0
	switch {
	case oldest > settled+1:
		s.o.gap("the stream is empty and the log does not keep all that may be missing",
			"settled", settled, "log_begins", oldest)
	case s.sequence == 0 && settled > 0:
		s.o.gap("the stream is gone with what it had, and goes on without", "settled", settled)
	}
}

// doubtful returns an error while a last sequence without a message is not to be believed.
func (o *Outbox) doubtful(last, found uint64) error {
	if last == found {
		o.doubt = doubt{}
		return nil
	}
	now := time.Now()
	if o.doubt.last != last || o.doubt.found != found {
		o.doubt = doubt{last, found, now}
	}
	if now.Sub(o.doubt.since) < o.doubtWait {
		return fmt.Errorf("stream %s is at %d, but its last message is %d: its leader may be changing",
			Stream, last, found)
	}
	return nil
}

// checkSuspects looks whether messages that were refused in a chain that went on are in the stream.
func (s *session) checkSuspects(ctx context.Context) error {
	for len(s.o.suspects) > 0 {
		f := s.o.suspects[0]
		m, ok, err := ask(ctx, s.nc, f.sequence)
		if err != nil {
			return err
		}
		if !ok || m.place != f.place.String() || m.node != s.o.c.Node {
			s.o.gap("somebody else has published to the stream, in the place of an event",
				"event", f.place.String(), "sequence", f.sequence)
		}
		s.o.suspects = s.o.suspects[1:]
	}
	return nil
}

// gap counts and reports that the stream lacks events: once, though every session finds it anew
// until something is published behind it.
func (o *Outbox) gap(what string, args ...any) {
	found := what + fmt.Sprint(args...)
	if o.lastGap == found {
		return
	}
	o.lastGap = found
	o.metrics.gaps.Inc()
	o.c.Logger.Error("the event stream has a gap: "+what, args...)
}
