package codec

import (
	"bytes"
	"fmt"
	"math"

	"github.com/skua-stock/skua/engine"
)

// Skim is what an entry is filed by: its place in the books, its SKUs, and the keys of its acts.
// Reading that alone takes a fraction of the time of a Decoder, and accepts and refuses the same
// bytes. It points into the bytes that it was read from.
type Skim struct {
	Epoch     uint32
	Time      engine.Time
	Positions []Position
	SKUs      [][]byte
	// Prev is, for each SKU, the log index of that SKU's record before; 0 for none.
	Prev []uint64
	Acts []SkimmedAct
}

// SkimmedAct is an act by what it is found under.
type SkimmedAct struct {
	KeyHash [16]byte
	// Home is the SKU that scopes the key: that of the reservation, or of the first event when the
	// act is about none.
	Home []byte
	// Nonce is that of the reservation, or zero.
	Nonce uint64
	State engine.ReservationState
	// AtHome says that the act has an event of its home.
	AtHome bool
}

// Read skims an entry; the memory of the last one is used again. After an error it holds nothing of
// use.
func (s *Skim) Read(b []byte) error {
	var r reader
	s.begin(&r, b)
	for range r.count(actBytesMin) {
		s.Acts = append(s.Acts, SkimmedAct{})
		if s.act(&r, &s.Acts[len(s.Acts)-1]); r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("skim entry: %w", err)
	}
	return nil
}

// Head reads what comes before the acts, and looks at nothing else.
func (s *Skim) Head(b []byte) error {
	var r reader
	if s.begin(&r, b); r.err != nil {
		return fmt.Errorf("skim head of entry: %w", r.err)
	}
	return nil
}

// begin reads what comes before the acts.
func (s *Skim) begin(r *reader, b []byte) {
	r.begin(b, EntryBytesMax, nil)
	r.head(KindRecord, recordVersion)
	if r.byte() > entryFlags {
		r.fail("unknown flag")
	}
	s.Epoch = uint32(r.number(math.MaxUint32, "epoch"))
	s.Time = r.time()
	s.Positions, s.SKUs, s.Prev, s.Acts = s.Positions[:0], s.SKUs[:0], s.Prev[:0], s.Acts[:0]
	for range r.count(positionBytesMin) {
		p := Position{Partition: uint16(r.number(math.MaxUint16, "partition")), Number: r.uvarint()}
		s.Positions = append(s.Positions, p)
	}
	for range r.count(skuBytesMin) {
		s.SKUs = append(s.SKUs, r.bytes())
		if s.Prev = append(s.Prev, r.uvarint()); r.err != nil {
			break
		}
	}
}

// act is reader.act, with less to keep.
func (s *Skim) act(r *reader, a *SkimmedAct) {
	r.enum(ops, "operation")
	flags := r.number(actFlags, "flags")
	r.skimReason()
	if flags&actKey != 0 {
		r.key(&a.KeyHash)
	}
	for texts := flags & (actPrincipal | actActor | actReference); texts != 0; texts &= texts - 1 {
		r.bytes()
	}
	if flags&actHome != 0 {
		a.Home = r.bytes()
	}
	if flags&actReservation != 0 {
		a.Nonce = r.fixed64()
	}
	if flags&actOwner != 0 {
		r.bytes()
	}
	if flags&actState != 0 {
		a.State = engine.ReservationState(r.enum(reservationStates, "state of a reservation"))
	}
	if flags&actExpires != 0 {
		r.uvarint()
	}
	if flags&actHolds != 0 {
		r.uvarint()
	}
	if flags&actOthers != 0 {
		r.skimLines()
	}
	s.events(r, a)
}

// events reads the events of an act, of which the first says where its home is unless the
// reservation has one.
func (s *Skim) events(r *reader, a *SkimmedAct) {
	last, first := 0, true
	for range r.count(eventBytesMin) {
		stock := r.skimEvent(len(s.SKUs), last)
		if r.err != nil {
			return
		}
		last = stock
		if first && (a.Nonce == 0 || a.Home == nil) {
			a.Home = s.SKUs[stock]
		}
		first = false
		a.AtHome = a.AtHome || bytes.Equal(s.SKUs[stock], a.Home)
	}
}

// skimEvent is reader.event for one who only wants to know the SKU.
func (r *reader) skimEvent(skus, last int) (stock int) {
	r.enum(eventTypes, "type of event")
	flags := r.byte()
	if flags > eventFlags {
		r.fail("unknown flag")
		return 0
	}
	stock = last
	if flags&eventStock != 0 {
		stock = int(r.number(EntryBytesMax, "SKU"))
	}
	if stock >= skus {
		r.fail("an event of no SKU")
		return 0
	}
	if flags&eventSequence != 0 {
		r.uvarint()
	}
	r.bytes()
	if flags&eventLot != 0 {
		r.bytes()
		r.bytes()
	}
	r.skimCounts()
	r.skimCounts()
	r.uvarint()
	if flags&eventStates != 0 {
		r.enum(states, "state")
		r.enum(states, "state")
	}
	if flags&eventLine != 0 {
		r.uvarint()
		r.uvarint()
		r.uvarint()
	}
	if flags&eventAlerts != 0 {
		r.enum(alertBits+1, "alert")
	}
	if flags&eventSettings != 0 {
		var settings engine.Settings
		r.settings(&settings)
	}
	return stock
}

func (r *reader) skimReason() {
	n := r.byte()
	if n == reasonText {
		r.bytes()
	} else if int(n) >= len(reasons) {
		r.fail("unknown reason")
	}
}

func (r *reader) skimCounts() {
	mask := r.byte()
	if mask >= 1<<countFields {
		r.fail("unknown quantity")
		return
	}
	for ; mask != 0; mask &= mask - 1 {
		r.uvarint()
	}
}

func (r *reader) skimLines() {
	for range r.count(lineBytesMin) {
		r.bytes()
		r.bytes()
		if r.uvarint(); r.err != nil {
			return
		}
	}
}
