package engine

// Expire writes into r what falls due in s by now, and reports whether anything did. It reads s
// and never changes it. When more is due than a record should hold (ExpiryPieceMax), the record
// frees the units of all of it by sums, which costs the same for a million; calling it again after
// Apply writes the holds out, a piece at a time. So a turn that expires until HasDue says no, and
// decides then, sees every due unit free and never waits for the writing out.
func (s *Stock) Expire(now Time, r *Record) bool {
	if s.HasDue(now) {
		var n, weight int64
		s.holds.queue.upTo(now, func(d *due) { n, weight = n+int64(d.n), weight+d.weight })
		r.Reset(now)
		r.SKUs = append(r.SKUs, s.sku)
		if n > 1 && weight > ExpiryPieceMax {
			s.freeAll(now, n, r)
			return true
		}
		x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums().available}
		s.holds.queue.upTo(now, func(d *due) {
			for p := d.head; p != 0; {
				h := s.holds.at(p)
				x.hold(h, false)
				p = h.next
			}
		})
		return true
	}
	return s.drain(now, r)
}

// Draining reports whether expired holds wait to be written out.
func (s *Stock) Draining() bool { return s.rest != nil && s.rest.draining.next != 0 }

// freeAll frees the units of all holds due by now, in one movement a level.
func (s *Stock) freeAll(now Time, n int64, r *Record) {
	sums := make([]int64, s.levels)
	s.holds.queue.upTo(now, func(d *due) {
		s.holds.queue.sums(d, func(level int32, units int64) { sums[level] += units })
	})
	act := r.Add()
	act.Op, act.Reason, act.State, act.ExpiresAt, act.Holds = OpFree, "expiry", Expired, now, n
	x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums().available}
	for level, units := range sums {
		if units == 0 {
			continue
		}
		before := s.level(level).Counts
		after := before
		after.Reserved -= units
		x.event(act, level, before, after).Quantity = units
	}
}

// drain writes out the next piece of holds whose units were freed before.
func (s *Stock) drain(now Time, r *Record) bool {
	if !s.Draining() {
		return false
	}
	r.Reset(now)
	r.SKUs = append(r.SKUs, s.sku)
	x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums().available}
	weight, first := int64(0), true
	s.rest.draining.each(func(d *due) bool {
		for p := d.head; p != 0; {
			h := s.holds.at(p)
			if weight += s.holds.weight(h); weight > ExpiryPieceMax && !first {
				return false
			}
			first = false
			x.hold(h, true)
			p = h.next
		}
		return true
	})
	return true
}

// expiry is the state of one stock as a record expires its holds one by one.
type expiry struct {
	stock     *Stock
	record    *Record
	sequence  uint64
	available int64
	counts    []Counts
}

// hold writes the act of one expired hold. When its units were freed before, the level stands
// still.
func (x *expiry) hold(h *hold, freed bool) {
	if x.counts == nil {
		x.counts = make([]Counts, x.stock.levels)
		for i := range x.counts {
			x.counts[i] = x.stock.level(i).Counts
		}
	}
	act := x.record.Add()
	act.Op, act.Reason, act.State, act.ExpiresAt = OpExpire, "expiry", Expired, h.deadline
	hs := x.stock.holds
	act.Reservation = ReservationRef{Home: x.stock.sku, Nonce: h.nonce}
	rest := hs.restOf(h)
	if act.Owner, act.Others = rest.owner, rest.others; rest.home != "" {
		act.Reservation.Home = rest.home
	}
	for i := range hs.countLines(h) {
		level, l := hs.line(h, i)
		before := x.counts[level]
		after := before
		if !freed {
			after.Reserved -= l.Open
		}
		x.counts[level] = after
		e := x.event(act, int(level), before, after)
		e.Quantity = l.Open
		e.Line = LineStatus{Quantity: l.Quantity}
	}
}

func (x *expiry) event(act *Act, level int, before, after Counts) *Event {
	x.sequence++
	was := x.available
	x.available += after.Available() - before.Available()
	act.Events = append(act.Events, Event{
		Type: ReservationExpiredEvent, Sequence: x.sequence, Level: x.stock.level(level).key.Value(),
		Before: before, After: after,
		Alerts: levelAlerts(&before, &after) | reorderAlert(was, x.available, x.stock.settings.ReorderPoint),
	})
	return &act.Events[len(act.Events)-1]
}
