package engine

// Time is milliseconds since the Unix epoch, UTC. The engine never asks for it: it comes in.
type Time int64

// State names a quantity of a stock level. The words are those of the field, see docs/concepts.
type State uint8

// The states. OnHand is the sum of what is physically there; Backordered is what is sold beyond
// it. The zero State means that a command did not say.
const (
	StateUnset State = iota
	OnHand
	Available
	Reserved
	Committed
	SafetyStock
	Damaged
	QualityControl
	Other
	Backordered
)

var stateNames = [...]string{
	StateUnset: "", OnHand: "on_hand", Available: "available", Reserved: "reserved",
	Committed: "committed", SafetyStock: "safety_stock", Damaged: "damaged",
	QualityControl: "quality_control", Other: "other", Backordered: "backordered",
}

func (s State) String() string { return stateNames[s] }

// ParseState finds the state of a name; ok is false for a name that is none.
func ParseState(name string) (s State, ok bool) {
	for i := OnHand; int(i) < len(stateNames); i++ {
		if stateNames[i] == name {
			return i, true
		}
	}
	return StateUnset, false
}

// Counts are the stored quantities of one level, in whole units. What a client sees besides
// (available, safety_stock, backordered) is derived from them, so that it can never disagree.
type Counts struct {
	OnHand, Reserved, Committed, Damaged, QualityControl, Other int64
	// Safety is the setting: what should be withheld. SafetyStock says what is.
	Safety int64
}

// Free is what is on hand and promised to nobody; it is negative when more is promised than is
// there.
func (c *Counts) Free() int64 {
	return c.OnHand - c.Reserved - c.Committed - c.Damaged - c.QualityControl - c.Other
}

// SafetyStock is what the safety setting withholds: at most what is free.
func (c *Counts) SafetyStock() int64 { return max(0, min(c.Safety, c.Free())) }

// Available is what can be sold from stock now.
func (c *Counts) Available() int64 { return max(0, c.Free()-c.Safety) }

// Backordered is what is promised beyond what is there.
func (c *Counts) Backordered() int64 { return max(0, -c.Free()) }

// Of returns the quantity in a state.
func (c *Counts) Of(s State) int64 {
	switch s {
	case OnHand:
		return c.OnHand
	case Available:
		return c.Available()
	case Reserved:
		return c.Reserved
	case Committed:
		return c.Committed
	case SafetyStock:
		return c.SafetyStock()
	case Damaged:
		return c.Damaged
	case QualityControl:
		return c.QualityControl
	case Other:
		return c.Other
	case Backordered:
		return c.Backordered()
	}
	panic("engine: quantity of no state")
}

// LevelKey says which level of an item is meant. Lot and Pool are empty until those features use
// them; they are here so that no format has to change for them.
type LevelKey struct{ Location, Lot, Pool string }

// Level is one stock level: an item at a location.
type Level struct {
	Key LevelKey
	Counts
}
