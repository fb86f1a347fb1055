package engine

import "fmt"

// Apply changes the stocks by one record; stocks[i] is that of Record.SKUs[i], or nil for an item
// that is not wanted (a replay that has it already). It cannot fail: an event that does not fit is
// a bug, here or in the log, and panics.
func (r *Record) Apply(stocks []*Stock) {
	for a := range r.Acts {
		act := &r.Acts[a]
		for i := range act.Events {
			if s := stocks[act.Events[i].Stock]; s != nil {
				s.apply(r, act, &act.Events[i])
			}
		}
		for i := range act.Events {
			if s := stocks[act.Events[i].Stock]; s != nil {
				s.settle(act)
			}
		}
	}
}

func (s *Stock) apply(r *Record, act *Act, e *Event) {
	if e.Movement() {
		if e.Sequence != s.sequence+1 {
			s.misfit(e, "the last sequence is %d", s.sequence)
		}
		s.sequence = e.Sequence
	}
	if e.Settings != nil {
		s.applySettings(e)
		return
	}
	if !s.exists {
		s.misfit(e, "the item does not exist")
	}
	level := s.applyCounts(e)
	switch e.Type {
	case StockReserved, StockCommitted:
		s.open(r, act, e, level)
	case ReservationConfirmed, ReservationReleasedEvent, ReservationExtended, ReservationExpiredEvent,
		StockFulfilled, StockCancelled, LineUnchanged:
		if act.Op != OpFree {
			s.step(act, e, level)
		}
	}
}

func (s *Stock) applySettings(e *Event) {
	if (e.Type == ItemCreated) == s.exists {
		s.misfit(e, "the item exists: %v", s.exists)
	}
	s.exists = true
	s.decide(e.Settings)
}

// decide takes settings, which nobody changes any more.
func (s *Stock) decide(settings *Settings) {
	if s.settings = settings; settings.Equal(&noSettings) {
		s.settings = &noSettings
	}
}

// applyCounts moves one level from Before to After and returns its index.
func (s *Stock) applyCounts(e *Event) int {
	i := s.find(e.Level)
	if i < 0 {
		if e.Before != (Counts{Safety: e.Before.Safety}) {
			s.misfit(e, "there is no such level")
		}
		return s.addLevel(e.Level, e.After)
	}
	l := s.level(i)
	if l.Counts != e.Before {
		s.misfit(e, "the level is %+v", l.Counts)
	}
	if e.Before != e.After {
		s.set(l, &e.After)
	}
	return i
}

// open adds the line of a new reservation.
func (s *Stock) open(r *Record, act *Act, e *Event, level int) {
	if p := s.acting; p != 0 {
		s.holds.addLine(s.holds.at(p), holdLine{level: int32(level), LineStatus: e.Line})
		return
	}
	p, h := s.anyHolds().add(act.Reservation.Nonce)
	h.deadline, h.state, h.level, h.LineStatus = act.ExpiresAt, act.State, int32(level), e.Line
	if act.Reservation.Home != s.sku {
		s.holds.giveRest(h, act.Owner, act.Reservation.Home, nil)
	} else {
		s.holds.giveLinesElsewhere(h, r, act, e.Stock)
	}
	s.acting = p
	s.touch(p, h)
}

// step moves one line of a reservation that is there already.
func (s *Stock) step(act *Act, e *Event, level int) {
	if s.acting == 0 && s.holds != nil {
		s.acting = s.holds.find(act.Reservation.Nonce)
	}
	if s.acting == 0 {
		s.misfit(e, "there is no hold %x", act.Reservation.Nonce)
	}
	h := s.holds.at(s.acting)
	var line *LineStatus
	for i := range s.holds.countLines(h) {
		if at, l := s.holds.line(h, i); int(at) == level {
			line = l
		}
	}
	if line == nil {
		s.misfit(e, "hold %x has no line there", h.nonce)
	}
	if h.linked {
		s.unlink(h)
	}
	*line = e.Line
	h.state, h.deadline = act.State, act.ExpiresAt
	s.touch(s.acting, h)
}

// settle does what an act does once to a stock, after all its events: queue a hold for its
// deadline, forget a reservation that is over, or set many due holds to drain. Doing it again
// changes nothing.
func (s *Stock) settle(act *Act) {
	if act.Op == OpFree {
		s.free(act.ExpiresAt)
		return
	}
	p := s.acting
	if p == 0 {
		return
	}
	s.acting = 0
	h := s.holds.at(p)
	if !h.state.Final() {
		if h.state == Active && !h.linked {
			s.link(p)
		}
		return
	}
	if s.tracked && h.saved {
		rest := s.extra()
		rest.gone = append(rest.gone, h.nonce)
	}
	if s.holds.remove(p); s.holds.live == 0 {
		s.holds = nil // An item without holds should cost nothing.
	}
}

// anyHolds is holds, made if there are none.
func (s *Stock) anyHolds() *holds {
	if s.holds == nil {
		s.holds = new(holds)
	}
	return s.holds
}

func (s *Stock) free(through Time) {
	if s.HasDue(through) {
		s.holds.queue.move(through, &s.extra().draining)
	}
	s.freedThrough = max(s.freedThrough, through)
}

// touch notes that a hold differs from the last snapshot.
func (s *Stock) touch(p place, h *hold) {
	if s.tracked && !h.changed {
		h.changed = true
		hs := s.holds
		if hs.changed == nil {
			hs.changed = make([]place, 0, 2*roomAtFirst)
		}
		hs.changed = append(hs.changed, p)
	}
}

func (s *Stock) misfit(e *Event, format string, args ...any) {
	panic(fmt.Sprintf("engine: event %d %s of item %q at %q does not fit: %s",
		e.Sequence, e.Type, s.sku, e.Level.Location, fmt.Sprintf(format, args...)))
}
