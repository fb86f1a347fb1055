package engine

// Movement is one row of the ledger of an item: a change of one level, whatever caused it. It
// stands alone: history, change events and the stream over HTTP all show it.
type Movement struct {
	SKU      string
	Sequence uint64
	Type     EventType
	// At is when it happened; it was in the log before anybody heard of it.
	At            Time
	Level         LevelKey
	Before, After Counts
	Quantity      int64
	From, To      State
	// Cause is the operation that did it.
	Cause                    Op
	Reason, Actor, Reference string
	Principal                string
	// Reservation is zero for what is not about one.
	Reservation ReservationRef
	Owner       string
	ExpiresAt   Time
	// Holds is how many holds were freed together, when they were very many, by this movement and
	// those of other levels in its record; each has a movement of its own later that changes no
	// level.
	Holds    int64
	Alerts   Alerts
	Settings *Settings
}

// Movements calls yield with every movement of the record, in order, until it returns false. n is
// dense from zero within the record: with the record's place in the log it names the movement.
func (r *Record) Movements(yield func(n int, m *Movement) bool) {
	var m Movement
	n := 0
	for a := range r.Acts {
		act := &r.Acts[a]
		for i := range act.Events {
			e := &act.Events[i]
			if !e.Movement() {
				continue
			}
			m = Movement{
				SKU: r.SKUs[e.Stock], Sequence: e.Sequence, Type: e.Type, At: r.Time, Level: e.Level,
				Before: e.Before, After: e.After, Quantity: e.Quantity, From: e.From, To: e.To,
				Cause: act.Op, Reason: act.Reason, Actor: act.Actor, Reference: act.Reference,
				Principal: act.Principal, Reservation: act.Reservation, Owner: act.Owner,
				ExpiresAt: act.ExpiresAt, Holds: act.Holds, Alerts: e.Alerts, Settings: e.Settings,
			}
			if !yield(n, &m) {
				return
			}
			n++
		}
	}
}
