package bench

import "fmt"

// Ledger is what an engine has acknowledged, in units. What it has written down has to agree with
// it: see [Ledger.Check].
type Ledger struct {
	// Reserved is all that was reserved; the others are those of it that are not held any more, or
	// will not be when they have lapsed.
	Reserved, Released, Fulfilled, Lapsed int64
}

// Add adds what was acknowledged elsewhere.
func (l *Ledger) Add(o Ledger) {
	l.Reserved += o.Reserved
	l.Released += o.Released
	l.Fulfilled += o.Fulfilled
	l.Lapsed += o.Lapsed
}

// Books are the sums over the items of a workload, as an engine has them.
type Books struct {
	// Held is the units that are reserved or committed, OnHand those that are there.
	Held, OnHand int64
}

// Check compares the books of a workload's items, which all came with it, with what was
// acknowledged. All that lapsed has to be due.
func (l *Ledger) Check(b Books, w Workload) error {
	held := l.Reserved - l.Released - l.Fulfilled - l.Lapsed
	onHand := int64(w.SKUs)*Stock - l.Fulfilled
	switch {
	case b.Held != held:
		return fmt.Errorf("the books are wrong: %d units are held, %d by what was acknowledged", b.Held, held)
	case b.OnHand != onHand:
		return fmt.Errorf("the books are wrong: %d units are there, %d by what was acknowledged", b.OnHand, onHand)
	}
	return nil
}
