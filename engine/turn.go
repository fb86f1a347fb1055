package engine

// Turn is one moment in which some stocks are held and commands are decided on them. Decide adds
// to Record and changes no stock: it keeps what it has done so far beside them, so that a second
// command of the same turn sees the first. A refusal spoils the turn: nothing of it may be used.
//
// The order of use is Begin, Decide (once, or for each operation of an atomic batch), then
// Record.Apply. A Turn is meant to be reused: its memory is.
type Turn struct {
	Record Record

	now     Time
	stocks  []*Stock
	scratch []scratch
	bySKU   map[string]int
	wants   []want
	stepped map[uint64]bool
}

// stocksSearched is how many stocks are found by looking at each; more have a map.
const stocksSearched = 8

// Begin starts a turn at a time on stocks in visiting order: the first is the home of a
// reservation over them. What is due at now must have been expired before, see Expire.
func (t *Turn) Begin(now Time, stocks []*Stock) {
	t.now, t.stocks = now, stocks
	t.Record.Reset(now)
	if len(t.stepped) > 0 {
		clear(t.stepped)
	}
	for cap(t.scratch) < len(stocks) {
		t.scratch = append(t.scratch[:cap(t.scratch)], scratch{})
	}
	t.scratch = t.scratch[:len(stocks)]
	if len(t.bySKU) > 0 {
		clear(t.bySKU)
	}
	if len(stocks) > stocksSearched && t.bySKU == nil {
		t.bySKU = make(map[string]int, len(stocks))
	}
	for i, s := range stocks {
		t.Record.SKUs = append(t.Record.SKUs, s.sku)
		t.scratch[i].reset(s)
		if len(stocks) > stocksSearched {
			t.bySKU[s.sku] = i
		}
	}
}

// Decide says what a valid command does, as an act added to the record, or why it is refused.
// The caller has looked for the command's key before.
func (t *Turn) Decide(c *Command) Refusal {
	switch c.Op {
	case OpPutItem:
		return t.putItem(c)
	case OpReceive, OpRestock, OpAdjust, OpSet, OpMove:
		return t.changeLevel(c)
	case OpReserve, OpCommit:
		return t.reserve(c)
	case OpConfirm, OpRelease, OpExtend, OpFulfill, OpCancel:
		return t.step(c)
	}
	panic("engine: decide on " + c.Op.String())
}

// stock finds the stock of a SKU, or -1. That a command names a SKU that the turn does not hold
// is a bug of the caller.
func (t *Turn) stock(sku string) int {
	if len(t.stocks) > stocksSearched {
		if i, ok := t.bySKU[sku]; ok {
			return i
		}
		panic("engine: the turn does not hold " + sku)
	}
	for i, s := range t.stocks {
		if s.sku == sku {
			return i
		}
	}
	panic("engine: the turn does not hold " + sku)
}

// begin adds an act for a command to the record.
func (t *Turn) begin(c *Command) *Act {
	act := t.Record.Add()
	act.Op = c.Op
	act.KeyHash, act.Fingerprint = c.KeyHash(), c.Fingerprint()
	act.Principal, act.Actor, act.Reference, act.Reason = c.Principal, c.Actor, c.Reference, c.Reason
	if act.Reason == "" {
		act.Reason = defaultReason[c.Op]
	}
	return act
}

var defaultReason = [...]string{
	OpPutItem: "correction", OpReceive: "received", OpAdjust: "", OpSet: "correction", OpMove: "other",
	OpRestock: "restock", OpReserve: "reservation_created", OpCommit: "sale", OpConfirm: "sale",
	OpRelease: "reservation_deleted", OpExtend: "reservation_updated", OpFulfill: "sale",
	OpCancel: "cancellation", OpExpire: "expiry", OpFree: "expiry",
}

// event adds a movement of one level, which put has not seen yet.
func (t *Turn) event(act *Act, typ EventType, i int, key LevelKey, before, after Counts) *Event {
	sc := &t.scratch[i]
	availableBefore := sc.sums.available
	sc.put(key, before, after)
	e := t.movement(act, typ, i, key, before, after)
	e.Alerts |= reorderAlert(availableBefore, sc.sums.available, sc.settings.ReorderPoint)
	return e
}

// movement adds a movement of one level that put has seen.
func (t *Turn) movement(act *Act, typ EventType, i int, key LevelKey, before, after Counts) *Event {
	t.scratch[i].sequence++
	act.Events = append(act.Events, Event{
		Type: typ, Stock: i, Sequence: t.scratch[i].sequence, Level: key,
		Before: before, After: after, Alerts: levelAlerts(&before, &after),
	})
	return &act.Events[len(act.Events)-1]
}

func levelAlerts(before, after *Counts) Alerts {
	var a Alerts
	was, is := before.Available(), after.Available()
	if was > 0 && is == 0 {
		a |= OutOfStock
	}
	if was == 0 && is > 0 {
		a |= BackInStock
	}
	if after.Safety > 0 && before.Free() > before.Safety && after.Free() <= after.Safety {
		a |= SafetyStockReached
	}
	switch was, is := before.Backordered(), after.Backordered(); {
	case is > was:
		a |= BackorderedAlert
	case is < was:
		a |= BackorderFilled
	}
	return a
}

func reorderAlert(before, after, point int64) Alerts {
	if point > 0 && before > point && after <= point {
		return ReorderPointReached
	}
	return 0
}
