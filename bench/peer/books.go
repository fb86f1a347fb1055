package peer

import (
	"fmt"
	"sync/atomic"

	"github.com/skua-stock/skua/engine"
)

// books are what a peer has written down.
type books struct {
	// taken is the units that are gone from what is free, shipped ones among them; held those in
	// reservations that were not given back.
	taken, held int64
	// oversold is how many SKUs have fewer units than are reserved.
	oversold int64
}

// ledger is what the driver was told.
type ledger struct {
	// acknowledged is the units of reservations that were made, without those that were given back.
	// doubtful is those of reservations that failed otherwise than by a refusal, so that nobody knows,
	// and unsure says that a step did, which may have given back whatever there was.
	acknowledged, doubtful atomic.Int64
	unsure                 atomic.Bool
}

// enter writes down what came of a call.
func (l *ledger) enter(c *call) {
	switch {
	case c.err == nil:
		l.acknowledged.Add(c.taken)
	case refused(c.err) || c.cmd.Op == engine.OpGetItem:
	case c.cmd.Op == engine.OpReserve:
		l.doubtful.Add(units(c.cmd.Lines))
	default:
		l.unsure.Store(true)
	}
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
	case b.taken > most || b.taken < least && !l.unsure.Load():
		return fmt.Errorf("the books are wrong: %d units are taken, %d to %d were acknowledged", b.taken, least, most)
	}
	return nil
}
