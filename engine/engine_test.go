package engine

import "testing"

func do(t *testing.T, s *Stock, now Time, c Command) Answer {
	t.Helper()
	var r Record
	for s.Expire(now, &r) {
		r.Apply([]*Stock{s})
	}
	if c.Key == "" {
		c.Key = "k"
	}
	if v := c.Validate(); v.Refused() {
		return Answer{Refusal: v}
	}
	var turn Turn
	turn.Begin(now, []*Stock{s})
	if v := turn.Decide(&c); v.Refused() {
		return Answer{Refusal: v}
	}
	turn.Record.Apply([]*Stock{s})
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	return turn.Record.Answer(0)
}

func TestLifeOfAReservation(t *testing.T) {
	s := NewStock("A")
	do(t, s, 1, Command{Op: OpPutItem, SKU: "A"})
	do(t, s, 1, Command{Op: OpReceive, SKU: "A", Location: "main", Quantity: 10})
	a := do(t, s, 2, Command{Op: OpReserve, Lines: []Line{{"A", "main", 4}, {"A", "", 3}}, TTL: 100, Reservation: ReservationRef{Nonce: 7}})
	if a.Refusal.Refused() || a.Reservation.State != Active || a.Reservation.ExpiresAt != 102 || a.Reservation.Lines[0].Quantity != 7 {
		t.Fatalf("%+v", a)
	}
	ref := a.Reservation.Ref
	if a = do(t, s, 3, Command{Op: OpReserve, Lines: []Line{{"A", "main", 4}}, Reservation: ReservationRef{Nonce: 8}}); a.Refusal.Code != InsufficientStock || a.Refusal.Lines[0].Available != 3 {
		t.Fatalf("%+v", a)
	}
	if a = do(t, s, 101, Command{Op: OpConfirm, Reservation: ref, Lines: []Line{{"A", "", 5}}}); a.Reservation.State != Confirmed {
		t.Fatalf("%+v", a)
	}
	if a = do(t, s, 1010, Command{Op: OpFulfill, Reservation: ref}); a.Reservation.State != Fulfilled || a.Reservation.Lines[0].Fulfilled != 5 {
		t.Fatalf("%+v", a)
	}
	if v := s.View(); v.Total(OnHand) != 5 || v.Total(Available) != 5 || v.Sequence != 5 {
		t.Fatalf("%+v", v)
	}
}

func TestExpiryOfVeryMany(t *testing.T) {
	s := NewStock("A")
	do(t, s, 1, Command{Op: OpPutItem, SKU: "A"})
	do(t, s, 1, Command{Op: OpReceive, SKU: "A", Location: "main", Quantity: 1000})
	for n := range uint64(1000) {
		do(t, s, 2, Command{Op: OpReserve, Lines: []Line{{"A", "main", 1}}, TTL: 10, Reservation: ReservationRef{Nonce: n + 1}})
	}
	var r Record
	if s.Expire(11, &r) || !s.Expire(12, &r) {
		t.Fatal("expired early or late")
	}
	r.Apply([]*Stock{s})
	if v := s.View(); v.Total(Available) != 1000 || s.Holds() != 1000 {
		t.Fatalf("%+v", v)
	}
	var im Image
	s.Capture(&im, 10)
	restored := Restore(im, func(yield func(HoldImage) bool) {
		for _, h := range s.holds {
			yield(h.image())
		}
	})
	for _, s := range []*Stock{s, restored} {
		pieces := 0
		for s.Expire(12, &r) {
			r.Apply([]*Stock{s})
			pieces++
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
		}
		if pieces != 4 || s.Holds() != 0 || s.Sequence() != 2+1000+1+1000 {
			t.Fatal(pieces, s.Holds(), s.Sequence())
		}
	}
}
