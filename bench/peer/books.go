package peer

import (
	"fmt"
	"sync/atomic"
)

// books are what a peer has written down.
type books struct {
	// taken is the units that are gone from what is free, held those in live reservations.
	taken, held int64
	// oversold is how many SKUs have fewer units than are reserved.
	oversold int64
}

// ledger is what the driver was told.
type ledger struct {
	// acknowledged is the units of reservations that were made. doubtful is those of commands that
	// failed otherwise than by a refusal, so that nobody knows.
	acknowledged, doubtful atomic.Int64
}

// check compares the two.
func (l *ledger) check(b books) error {
	least := l.acknowledged.Load()
	most := least + l.doubtful.Load()
	switch {
	case b.oversold > 0:
		return fmt.Errorf("the books are wrong: %d SKUs are oversold", b.oversold)
	case b.taken != b.held:
		return fmt.Errorf("the books are wrong: %d units are taken from the stock, %d are in reservations", b.taken, b.held)
	case b.taken < least || b.taken > most:
		return fmt.Errorf("the books are wrong: %d units are taken, %d to %d were acknowledged", b.taken, least, most)
	}
	return nil
}
