package engine

// Expire writes into r what falls due in s by now, and reports whether anything did. It reads s
// and never changes it. When more is due than a record should hold (ExpiryPieceMax), the record
// frees the units of all of it by sums, which costs the same for a million; calling it again after
// Apply writes the holds out, a piece at a time. So a turn that expires until HasDue says no, and
// decides then, sees every due unit free and never waits for the writing out.
func (s *Stock) Expire(now Time, r *Record) bool {
	if s.HasDue(now) {
		var n, weight int64
		s.queue.upTo(now, func(d *due) { n, weight = n+d.n, weight+d.weight })
		r.Reset(now)
		r.SKUs = append(r.SKUs, s.sku)
		if n > 1 && weight > ExpiryPieceMax {
			s.freeAll(now, n, r)
			return true
		}
		x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums.available}
		s.queue.upTo(now, func(d *due) {
			for h := d.head; h != nil; h = h.next {
				x.hold(h, false)
			}
		})
		return true
	}
	return s.drain(now, r)
}

// Draining reports whether expired holds wait to be written out.
func (s *Stock) Draining() bool { return len(s.draining) > 0 }

// freeAll frees the units of all holds due by now, in one movement a level.
func (s *Stock) freeAll(now Time, n int64, r *Record) {
	sums := make([]int64, len(s.levels))
	s.queue.upTo(now, func(d *due) {
		d.each(func(level int32, units int64) { sums[level] += units })
	})
	act := r.Add()
	act.Op, act.Reason, act.State, act.ExpiresAt, act.Holds = OpFree, "expiry", Expired, now, n
	x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums.available}
	for level, units := range sums {
		if units == 0 {
			continue
		}
		before := s.levels[level].Counts
		after := before
		after.Reserved -= units
		x.event(act, level, before, after).Quantity = units
	}
}

// drain writes out the next piece of holds whose units were freed before.
func (s *Stock) drain(now Time, r *Record) bool {
	if len(s.draining) == 0 {
		return false
	}
	r.Reset(now)
	r.SKUs = append(r.SKUs, s.sku)
	x := expiry{stock: s, record: r, sequence: s.sequence, available: s.sums.available}
	weight := int64(0)
	for _, d := range s.draining {
		for h := d.head; h != nil; h = h.next {
			if weight += h.weight(); weight > ExpiryPieceMax && h != s.draining[0].head {
				return true
			}
			x.hold(h, true)
		}
	}
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
		x.counts = make([]Counts, len(x.stock.levels))
		for i := range x.counts {
			x.counts[i] = x.stock.levels[i].Counts
		}
	}
	act := x.record.Add()
	act.Op, act.Reason, act.State, act.ExpiresAt = OpExpire, "expiry", Expired, h.deadline
	act.Owner = h.owner()
	act.Reservation = ReservationRef{Home: x.stock.sku, Nonce: h.nonce}
	if h.rest != nil {
		act.Others = h.rest.others
		if h.rest.home != "" {
			act.Reservation.Home = h.rest.home
		}
	}
	for i := range h.lines() {
		l := h.at(i)
		before := x.counts[l.level]
		after := before
		if !freed {
			after.Reserved -= l.Open
		}
		x.counts[l.level] = after
		e := x.event(act, int(l.level), before, after)
		e.Quantity = l.Open
		e.Line = LineStatus{Quantity: l.Quantity}
	}
}

func (x *expiry) event(act *Act, level int, before, after Counts) *Event {
	x.sequence++
	was := x.available
	x.available += after.Available() - before.Available()
	act.Events = append(act.Events, Event{
		Type: ReservationExpiredEvent, Sequence: x.sequence, Level: x.stock.levels[level].Key,
		Before: before, After: after,
		Alerts: levelAlerts(&before, &after) | reorderAlert(was, x.available, x.stock.settings.ReorderPoint),
	})
	return &act.Events[len(act.Events)-1]
}
