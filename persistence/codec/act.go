package codec

import (
	"encoding/binary"

	"github.com/skua-stock/skua/engine"
)

// The bits of an act's flags: which fields it has. The usual ones are below 1<<7, so that the flags
// of a usual act are one byte.
const (
	actKey = 1 << iota
	actReservation
	actState
	actExpires
	actOwner
	actActor
	actReference
	actPrincipal
	actHolds
	actOthers
	// actHome says that the reservation's home is another SKU than that of the first event.
	actHome
	actFlags = 1<<iota - 1
)

// appendAct writes an act with the events of one SKU or of all.
func appendAct(dst []byte, r *engine.Record, a *engine.Act, sku int) []byte {
	flags := actFlagsOf(r, a, sku)
	dst = appendUvarint(append(dst, byte(a.Op)), flags)
	dst = appendReason(dst, a.Reason)
	if flags&actKey != 0 {
		dst = append(dst, a.KeyHash[:]...)
		dst = binary.LittleEndian.AppendUint64(dst, a.Fingerprint)
	}
	if flags&actPrincipal != 0 {
		dst = appendText(dst, a.Principal)
	}
	if flags&actActor != 0 {
		dst = appendText(dst, a.Actor)
	}
	if flags&actReference != 0 {
		dst = appendText(dst, a.Reference)
	}
	if flags&actHome != 0 {
		dst = appendText(dst, a.Reservation.Home)
	}
	if flags&actReservation != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, a.Reservation.Nonce)
	}
	if flags&actOwner != 0 {
		dst = appendText(dst, a.Owner)
	}
	if flags&actState != 0 {
		dst = append(dst, byte(a.State))
	}
	if flags&actExpires != 0 {
		dst = appendVarint(dst, int64(a.ExpiresAt-r.Time))
	}
	if flags&actHolds != 0 {
		dst = appendVarint(dst, a.Holds)
	}
	if flags&actOthers != 0 {
		dst = appendLines(dst, a.Others)
	}
	dst = appendUvarint(dst, uint64(eventsOf(a, sku)))
	last := 0
	for i := range a.Events {
		e := &a.Events[i]
		switch {
		case sku == allSKUs:
			dst = appendEvent(dst, r, e, e.Stock, last)
			last = e.Stock
		case sku == e.Stock:
			dst = appendEvent(dst, r, e, 0, 0)
		}
	}
	return dst
}

func actFlagsOf(r *engine.Record, a *engine.Act, sku int) (flags uint64) {
	if a.Fingerprint != 0 || a.KeyHash != [16]byte{} {
		flags |= actKey
	}
	if a.Reservation != (engine.ReservationRef{}) {
		flags |= actReservation
		if a.Reservation.Home != firstSKU(r, a, sku) {
			flags |= actHome
		}
	}
	if a.State != 0 {
		flags |= actState
	}
	if a.ExpiresAt != 0 {
		flags |= actExpires
	}
	if a.Owner != "" {
		flags |= actOwner
	}
	if a.Actor != "" {
		flags |= actActor
	}
	if a.Reference != "" {
		flags |= actReference
	}
	if a.Principal != "" {
		flags |= actPrincipal
	}
	if a.Holds != 0 {
		flags |= actHolds
	}
	if len(a.Others) != 0 {
		flags |= actOthers
	}
	return flags
}

// firstSKU is the SKU of the first event that is written. It is the home of nearly every
// reservation, which is then not written.
func firstSKU(r *engine.Record, a *engine.Act, sku int) string {
	switch {
	case sku != allSKUs:
		return r.SKUs[sku]
	case len(a.Events) > 0:
		return r.SKUs[a.Events[0].Stock]
	}
	return ""
}

// act reads an act into a, which Record.Add gave.
func (r *reader) act(rec *engine.Record, a *engine.Act) {
	a.Op = engine.Op(r.enum(ops, "operation"))
	flags := r.number(actFlags, "flags")
	a.Reason = r.reason()
	if flags&actKey != 0 {
		a.Fingerprint = r.key(&a.KeyHash)
	}
	if flags&actPrincipal != 0 {
		a.Principal = r.name()
	}
	if flags&actActor != 0 {
		a.Actor = r.name()
	}
	if flags&actReference != 0 {
		a.Reference = r.text()
	}
	if flags&actHome != 0 {
		a.Reservation.Home = r.name()
	}
	if flags&actReservation != 0 {
		a.Reservation.Nonce = r.fixed64()
	}
	if flags&actOwner != 0 {
		a.Owner = r.text()
	}
	if flags&actState != 0 {
		a.State = engine.ReservationState(r.enum(reservationStates, "state of a reservation"))
	}
	if flags&actExpires != 0 {
		a.ExpiresAt = rec.Time + engine.Time(r.varint())
	}
	if flags&actHolds != 0 {
		a.Holds = r.varint()
	}
	if flags&actOthers != 0 {
		a.Others = r.lines()
	}
	last := 0
	for range r.count(eventBytesMin) {
		a.Events = append(a.Events, engine.Event{})
		e := &a.Events[len(a.Events)-1]
		if r.event(rec, e, last); r.err != nil {
			return
		}
		last = e.Stock
	}
	if flags&(actReservation|actHome) == actReservation {
		a.Reservation.Home = firstSKU(rec, a, allSKUs)
	}
}

func (r *reader) key(hash *[16]byte) (fingerprint uint64) {
	if len(r.b)-r.i < len(hash) {
		r.short()
		return 0
	}
	r.i += copy(hash[:], r.b[r.i:])
	return r.fixed64()
}
