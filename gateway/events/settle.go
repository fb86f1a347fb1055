package events

import (
	"sync"
	"time"
)

// settling tells when what was acknowledged is on JetStream's disk. An acknowledgement says that a
// message is in the stream; a sync interval later it is synced, if the server has not crashed in
// between. Whether it has shows in what the stream says then: so an index is settled when, at least
// the wait after its acknowledgement, the stream was seen to hold it still.
type settling struct {
	mu      sync.Mutex
	wait    time.Duration
	settled uint64
	marks   []mark    // acknowledged and not settled, oldest first
	proof   time.Time // when the stream was last seen to hold all that was acknowledged before
}

// mark says that everything through an index was acknowledged at a time or before it.
type mark struct {
	begun, at time.Time
	index     uint64
}

// acknowledge notes that everything through index was acknowledged at a time.
func (s *settling) acknowledge(index uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.marks); n > 0 {
		m := &s.marks[n-1]
		if m.index == index {
			return
		}
		if at.Sub(m.begun) < MarkEvery {
			m.at, m.index = at, index
			return
		}
	}
	if index > s.settled {
		s.marks = append(s.marks, mark{begun: at, at: at, index: index})
	}
}

// prove notes that the stream, at a time, held everything that was acknowledged before.
func (s *settling) prove(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at.After(s.proof) {
		s.proof = at
	}
	s.advance(s.proof)
}

// at returns the index that is settled at a time.
func (s *settling) at(now time.Time) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.After(s.proof) {
		now = s.proof
	}
	s.advance(now)
	return s.settled
}

func (s *settling) advance(now time.Time) {
	for len(s.marks) > 0 && !s.marks[0].at.Add(s.wait).After(now) {
		s.settled = s.marks[0].index
		s.marks = s.marks[1:]
	}
}

// unproved reports whether a look at the stream now would settle something.
func (s *settling) unproved(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.marks) > 0 && !s.marks[0].at.Add(s.wait).After(now)
}

// restart begins anew with what a new session found in the stream: it holds everything through
// index, seen at a time. What was thought settled and is gone is not settled any more.
func (s *settling) restart(index uint64, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = min(s.settled, index)
	s.marks, s.proof = nil, at
	if index > s.settled {
		s.marks = append(s.marks, mark{begun: at, at: at, index: index})
	}
}
