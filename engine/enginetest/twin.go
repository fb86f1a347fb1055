package enginetest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/skua-stock/skua/engine"
)

// Twin is a model of many items and of all their reservations.
type Twin struct {
	items        map[string]*item
	reservations map[uint64]*reservation
}

type item struct {
	settings engine.Settings
	// sequence counts the movements: one for every change of a level.
	sequence uint64
	shelves  map[string]*shelf
}

// shelf is what is physically at a location; what is promised of it is added up from the
// reservations.
type shelf struct{ onHand, damaged, qualityControl, other int64 }

type reservation struct {
	state     engine.ReservationState
	owner     string
	expiresAt engine.Time
	lines     []*line
	// writtenOut are the SKUs in whose ledger it says that the reservation expired.
	writtenOut map[string]bool
}

type line struct {
	sku, location             string
	quantity, open, fulfilled int64
}

// NewTwin returns a twin that knows no item.
func NewTwin() *Twin {
	return &Twin{items: map[string]*item{}, reservations: map[uint64]*reservation{}}
}

// Clone copies the twin, so that a world can go on in two ways.
func (t *Twin) Clone() *Twin {
	c := NewTwin()
	for sku, it := range t.items {
		shelves := make(map[string]*shelf, len(it.shelves))
		for loc, s := range it.shelves {
			copied := *s
			shelves[loc] = &copied
		}
		c.items[sku] = &item{settings: it.settings, sequence: it.sequence, shelves: shelves}
	}
	for nonce, r := range t.reservations {
		copied := *r
		copied.lines = nil
		for _, l := range r.lines {
			line := *l
			copied.lines = append(copied.lines, &line)
		}
		copied.writtenOut = maps.Clone(r.writtenOut)
		c.reservations[nonce] = &copied
	}
	return c
}

// Outcome is what a command is told.
type Outcome struct {
	Code engine.Code
	// Failed are the lines that the refusal names, in the order of the command.
	Failed []FailedLine
	// Current is what a stale ChangeFrom or IfMatch met.
	Current int64

	// Sequence is that of the item that the command changed, and Amounts is the level after it.
	Sequence uint64
	Amounts  Amounts
	Created  bool
	// Reservation is the one that the command made or changed.
	Reservation Reservation
}

// FailedLine is a line that cannot be served.
type FailedLine struct {
	SKU, Location        string
	Requested, Available int64
	NextExpiryAt         engine.Time
}

// Reservation is a reservation as a client sees it.
type Reservation struct {
	State     engine.ReservationState
	Owner     string
	ExpiresAt engine.Time
	// Lines are in ascending order of SKU and location.
	Lines []ReservationLine
}

// ReservationLine is one line of it: of Quantity, Open are still promised, and Fulfilled left.
type ReservationLine struct {
	SKU, Location             string
	Quantity, Open, Fulfilled int64
}

// Amounts are all quantities of one level.
type Amounts struct {
	OnHand, Available, Reserved, Committed, SafetyStock      int64
	Damaged, QualityControl, Other, Backordered, Withholding int64
}

// Of returns the quantity in a state.
func (a Amounts) Of(s engine.State) int64 {
	switch s {
	case engine.OnHand:
		return a.OnHand
	case engine.Available:
		return a.Available
	case engine.Reserved:
		return a.Reserved
	case engine.Committed:
		return a.Committed
	case engine.SafetyStock:
		return a.SafetyStock
	case engine.Damaged:
		return a.Damaged
	case engine.QualityControl:
		return a.QualityControl
	case engine.Other:
		return a.Other
	case engine.Backordered:
		return a.Backordered
	}
	panic("enginetest: quantity of no state")
}

// Do takes one valid command.
func (t *Twin) Do(c *engine.Command, now engine.Time) Outcome {
	switch c.Op {
	case engine.OpPutItem:
		return t.putItem(c)
	case engine.OpReserve, engine.OpCommit:
		return t.reserve(c, now)
	case engine.OpConfirm, engine.OpRelease, engine.OpExtend, engine.OpFulfill, engine.OpCancel:
		return t.step(c, now)
	case engine.OpReceive, engine.OpRestock, engine.OpAdjust, engine.OpSet, engine.OpMove:
		return t.change(c, now)
	}
	panic(fmt.Sprintf("enginetest: no twin of %v", c.Op))
}

// DoAll takes all commands or none: when one is refused, refused is its index, and nothing
// happened.
func (t *Twin) DoAll(cs []*engine.Command, now engine.Time) (outcomes []Outcome, refused int) {
	before := t.Clone()
	stepped := map[uint64]bool{}
	for i, c := range cs {
		var o Outcome
		if c.Op.Step() && stepped[c.Reservation.Nonce] {
			o.Code = engine.InvalidRequest // One step of a reservation in one moment.
		} else {
			o = t.Do(c, now)
		}
		stepped[c.Reservation.Nonce] = true
		outcomes = append(outcomes, o)
		if o.Code != engine.NotRefused {
			*t = *before
			return outcomes, i
		}
	}
	return outcomes, -1
}

// Exists reports whether there is such an item.
func (t *Twin) Exists(sku string) bool { return t.items[sku] != nil }

// SKUs lists the items in ascending order.
func (t *Twin) SKUs() []string { return slices.Sorted(maps.Keys(t.items)) }

// Sequence is how many movements the item had.
func (t *Twin) Sequence(sku string) uint64 {
	if it := t.items[sku]; it != nil {
		return it.sequence
	}
	return 0
}

// Settings are those of the item.
func (t *Twin) Settings(sku string) engine.Settings { return t.items[sku].settings }

// Locations lists where the item is stocked, in ascending order.
func (t *Twin) Locations(sku string) []string {
	if it := t.items[sku]; it != nil {
		return slices.Sorted(maps.Keys(it.shelves))
	}
	return nil
}

// Amounts adds up everything about an item at a location.
func (t *Twin) Amounts(sku, location string, now engine.Time) Amounts {
	it := t.items[sku]
	s := it.shelves[location]
	if s == nil {
		s = &shelf{}
	}
	a := Amounts{
		OnHand: s.onHand, Damaged: s.damaged, QualityControl: s.qualityControl, Other: s.other,
		Withholding: it.settings.SafetyStock[location],
	}
	for _, r := range t.reservations {
		for _, l := range r.lines {
			if l.sku != sku || l.location != location {
				continue
			}
			switch r.stateAt(now) {
			case engine.Active:
				a.Reserved += l.open
			case engine.Confirmed, engine.PartiallyFulfilled:
				a.Committed += l.open
			}
		}
	}
	free := a.OnHand - a.setAside() - a.Reserved - a.Committed
	switch {
	case free < 0:
		a.Backordered = -free
	case free <= a.Withholding:
		a.SafetyStock = free
	default:
		a.SafetyStock, a.Available = a.Withholding, free-a.Withholding
	}
	return a
}

func (a *Amounts) setAside() int64 { return a.Damaged + a.QualityControl + a.Other }

// total sums one state over all locations of an item.
func (t *Twin) total(sku string, state engine.State, now engine.Time) int64 {
	var n int64
	for loc := range t.items[sku].shelves {
		n += t.Amounts(sku, loc, now).Of(state)
	}
	return n
}

// sum adds numbers that are not negative, and stops counting beyond QuantityMax.
func sum(numbers ...int64) int64 {
	var total int64
	for _, n := range numbers {
		if total += n; total > engine.QuantityMax {
			return engine.QuantityMax + 1
		}
	}
	return total
}

// faults gathers everything that is wrong with a command; the code that comes first in the list
// of codes is answered, with all lines that fail with it.
type faults []fault

type fault struct {
	code    engine.Code
	line    FailedLine
	named   bool
	current int64
}

func (f *faults) add(code engine.Code) { *f = append(*f, fault{code: code}) }

func (f *faults) addLine(code engine.Code, l FailedLine) {
	*f = append(*f, fault{code: code, line: l, named: true})
}

func (f *faults) addCurrent(code engine.Code, current int64) {
	*f = append(*f, fault{code: code, current: current})
}

// answer is the refusal for these faults; ok is false when there are none.
func (f faults) answer() (o Outcome, refused bool) {
	if len(f) == 0 {
		return Outcome{}, false
	}
	first := f[0]
	for _, x := range f {
		if x.code < first.code {
			first = x
		}
	}
	o.Code, o.Current = first.code, first.current
	for _, x := range f {
		if x.code == first.code && x.named {
			o.Failed = append(o.Failed, x.line)
		}
	}
	return o, true
}
