package engine

import "fmt"

// step decides what is done to a reservation that is there: confirm, release, extend, fulfill and
// cancel. The turn holds every SKU that the reservation has lines on.
func (t *Turn) step(c *Command) Refusal {
	home := t.stock(c.Reservation.Home)
	h := t.stocks[home].holds[c.Reservation.Nonce]
	if h == nil || h.rest != nil && h.rest.home != "" {
		return StepRefused(c.Op, StateNone)
	}
	state := h.state
	if state == Active && h.deadline <= max(t.now, t.stocks[home].freedThrough) {
		state = Expired
	}
	if r := StepRefused(c.Op, state); r.Refused() {
		return r
	}
	if t.stepped[h.nonce] {
		return refuse(InvalidRequest, "id", "an atomic batch may take one step of a reservation")
	}
	lines := t.stepLines(home, h)
	asked, r := t.asked(c, lines)
	if r.Refused() {
		return r
	}
	if c.Op == OpFulfill {
		if r := t.onHandFor(lines, asked); r.Refused() {
			return r
		}
	}
	if t.stepped == nil {
		t.stepped = make(map[uint64]bool)
	}
	t.stepped[h.nonce] = true
	t.takeStep(c, h, state, lines, asked)
	return Refusal{}
}

// stepLine is one line of a reservation within a turn.
type stepLine struct {
	stock int
	key   LevelKey
	LineStatus
}

// stepLines gathers the lines of a reservation over all its SKUs, in visiting order.
func (t *Turn) stepLines(home int, h *hold) []stepLine {
	lines := t.linesOf(nil, home, h)
	last := ""
	for _, l := range h.others() {
		if l.SKU == last {
			continue
		}
		last = l.SKU
		i := t.stock(l.SKU)
		part := t.stocks[i].holds[h.nonce]
		if part == nil {
			panic(fmt.Sprintf("engine: reservation %x of %q has no lines on %q", h.nonce, t.stocks[home].sku, l.SKU))
		}
		lines = t.linesOf(lines, i, part)
	}
	return lines
}

func (t *Turn) linesOf(lines []stepLine, stock int, h *hold) []stepLine {
	for i := range h.lines() {
		l := h.at(i)
		lines = append(lines, stepLine{stock, t.stocks[stock].levels[l.level].Key, l.LineStatus})
	}
	return lines
}

// asked says how many units of each line the step is about: those of the command's lines, or all
// that are open when it has none.
func (t *Turn) asked(c *Command, lines []stepLine) ([]int64, Refusal) {
	asked := make([]int64, len(lines))
	if len(c.Lines) == 0 {
		for i := range lines {
			asked[i] = lines[i].Open
		}
		return asked, Refusal{}
	}
	var r Refusal
	var sum int64
	for n := range c.Lines {
		l := &c.Lines[n]
		i := t.matching(lines, l)
		if i < 0 || l.Quantity > lines[i].Open-asked[i] {
			if !r.Refused() {
				r = refuse(ExceedsReservedQuantity, fmt.Sprintf("lines[%d]", n),
					"more than the reservation has open on the line")
			}
			left := int64(0)
			if i >= 0 {
				left = lines[i].Open - asked[i]
			}
			r.Lines = append(r.Lines, RefusedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity, Available: left})
			continue
		}
		asked[i] += l.Quantity
		sum |= l.Quantity
	}
	if !r.Refused() && sum == 0 {
		return nil, refuse(InvalidQuantityTooLow, "lines", "at least one line must have a quantity of 1 or more")
	}
	return asked, r
}

// matching finds the line that a command's line means. A location may be left out where the
// reservation has one line for the SKU.
func (t *Turn) matching(lines []stepLine, l *Line) int {
	found := -1
	for i := range lines {
		if t.stocks[lines[i].stock].sku != l.SKU {
			continue
		}
		if l.Location == lines[i].key.Location {
			return i
		}
		if l.Location == "" {
			if found >= 0 {
				return -1
			}
			found = i
		}
	}
	return found
}

// onHandFor checks that what is to leave is there: promises may exceed stock, shipments may not.
func (t *Turn) onHandFor(lines []stepLine, asked []int64) Refusal {
	var r Refusal
	for i := range lines {
		c, _ := t.level(lines[i].stock, lines[i].key)
		there := c.OnHand - c.setAside()
		if asked[i] <= there {
			continue
		}
		if !r.Refused() {
			r = refuse(InsufficientStock, "lines", "not enough units on hand to fulfill")
		}
		r.Lines = append(r.Lines, RefusedLine{
			SKU: t.stocks[lines[i].stock].sku, Location: lines[i].key.Location,
			Requested: asked[i], Available: there,
		})
	}
	return r
}

// takeStep writes the act of a step: an event for every line, so that each SKU learns the new
// state and the answer can be read from the record.
func (t *Turn) takeStep(c *Command, h *hold, state ReservationState, lines []stepLine, asked []int64) {
	act := t.begin(c)
	act.Reservation, act.Owner = c.Reservation, h.owner()
	var open int64
	for i := range lines {
		l := &lines[i]
		before, _ := t.level(l.stock, l.key)
		typ, after, status := stepped(c.Op, before, l.LineStatus, asked[i])
		if typ == LineUnchanged {
			act.Events = append(act.Events, Event{Type: typ, Stock: l.stock, Level: l.key, Before: before, After: after, Line: status})
		} else {
			e := t.event(act, typ, l.stock, l.key, before, after)
			e.Line, e.Quantity = status, asked[i]
			if typ == ReservationReleasedEvent || typ == ReservationExtended {
				e.Quantity = l.Open
			}
		}
		open |= status.Open
	}
	act.State = nextState(c.Op, state, open == 0)
	if act.State == Active {
		ttl := c.TTL
		if ttl == 0 {
			ttl = HoldTTLDefault.Milliseconds()
		}
		act.ExpiresAt = t.now + Time(ttl)
	}
}

// stepped computes what a step does to one line and its level.
func stepped(op Op, before Counts, line LineStatus, asked int64) (EventType, Counts, LineStatus) {
	after := before
	switch op {
	case OpConfirm:
		after.Reserved -= line.Open
		after.Committed += asked
		line.Open = asked
		if asked == 0 {
			return ReservationReleasedEvent, after, line
		}
		return ReservationConfirmed, after, line
	case OpRelease:
		after.Reserved -= line.Open
		line.Open = 0
		return ReservationReleasedEvent, after, line
	case OpExtend:
		return ReservationExtended, after, line
	}
	if asked == 0 {
		return LineUnchanged, after, line
	}
	after.Committed -= asked
	line.Open -= asked
	if op == OpCancel {
		return StockCancelled, after, line
	}
	after.OnHand -= asked
	line.Fulfilled += asked
	return StockFulfilled, after, line
}

// nextState is the state of a reservation after a step; one that leaves nothing open ends it.
func nextState(op Op, state ReservationState, over bool) ReservationState {
	switch op {
	case OpConfirm:
		return Confirmed
	case OpRelease:
		return Released
	case OpExtend:
		return Active
	case OpFulfill:
		if over {
			return Fulfilled
		}
		return PartiallyFulfilled
	case OpCancel:
		if over {
			return Cancelled
		}
		return state
	}
	panic("engine: next state of " + op.String())
}

// ReservationView reads a reservation from the stocks that hold its lines; the home is among
// them. ok is false when it is not there.
func (t *Turn) ReservationView(ref ReservationRef) (v ReservationView, ok bool) {
	home := t.stock(ref.Home)
	h := t.stocks[home].holds[ref.Nonce]
	if h == nil || h.rest != nil && h.rest.home != "" {
		return v, false
	}
	v = ReservationView{Ref: ref, State: h.state, Owner: h.owner(), ExpiresAt: h.deadline}
	expired := h.state == Active && h.deadline <= max(t.now, t.stocks[home].freedThrough)
	if expired {
		v.State = Expired
	}
	for _, l := range t.stepLines(home, h) {
		if expired {
			l.Open = 0
		}
		v.Lines = append(v.Lines, LineView{
			SKU: t.stocks[l.stock].sku, Location: l.key.Location, LineStatus: l.LineStatus,
			Sequence: t.stocks[l.stock].sequence,
		})
	}
	return v, true
}
