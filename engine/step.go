package engine

import "fmt"

// step decides what is done to a reservation that is there: confirm, release, extend, fulfill and
// cancel. The turn holds every SKU that the reservation has lines on.
func (t *Turn) step(c *Command) Refusal {
	home := t.stock(c.Reservation.Home)
	hs := t.stocks[home].holds
	h := hs.get(c.Reservation.Nonce)
	if h == nil || hs.away(h) {
		return StepRefused(c.Op, StateNone)
	}
	state := h.state
	if state == Active && h.deadline <= max(t.now, t.stocks[home].freedThrough) {
		state = Expired
	}
	if t.stepped[h.nonce] {
		return refuse(InvalidRequest, "id", "an atomic batch may take one step of a reservation")
	}
	if r := StepRefused(c.Op, state); r.Refused() {
		return r
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
	for _, l := range t.stocks[home].holds.restOf(h).others {
		if l.SKU == last {
			continue
		}
		last = l.SKU
		i := t.stock(l.SKU)
		part := t.stocks[i].holds.get(h.nonce)
		if part == nil {
			panic(fmt.Sprintf("engine: reservation %x of %q has no lines on %q", h.nonce, t.stocks[home].sku, l.SKU))
		}
		lines = t.linesOf(lines, i, part)
	}
	return lines
}

func (t *Turn) linesOf(lines []stepLine, stock int, h *hold) []stepLine {
	s := t.stocks[stock]
	for i := range s.holds.countLines(h) {
		level, l := s.holds.line(h, i)
		lines = append(lines, stepLine{stock, s.level(int(level)).key.Value(), *l})
	}
	return lines
}

// asked says how many units of each line the step is about: those of the command's lines, summed,
// or all that are open when it has none.
func (t *Turn) asked(c *Command, lines []stepLine) ([]int64, Refusal) {
	asked := make([]int64, len(lines))
	if len(c.Lines) == 0 || c.Op == OpRelease || c.Op == OpExtend {
		for i := range lines {
			asked[i] = lines[i].Open
		}
		return asked, Refusal{}
	}
	var r Refusal
	exceeds := func(n int, l RefusedLine) {
		if !r.Refused() {
			r = refuse(ExceedsReservedQuantity, fmt.Sprintf("lines[%d]", n),
				"more than the reservation has open on the line")
		}
		r.Lines = append(r.Lines, l)
	}
	named := make([]int, len(lines)) // The first of the command's lines for each.
	find := t.finder(lines)
	for n := range c.Lines {
		l := &c.Lines[n]
		i := find(l)
		switch {
		case i == lineAmbiguous:
			return nil, refuse(InvalidRequest, fmt.Sprintf("lines[%d].location", n),
				"the reservation has lines for this item at several locations, so one must be named")
		case i == lineNone:
			exceeds(n, RefusedLine{SKU: l.SKU, Location: l.Location, Requested: l.Quantity})
			continue
		case asked[i] == 0:
			named[i] = n
		}
		asked[i] = min(asked[i]+l.Quantity, QuantityMax+1) // More than enough is all the same.
	}
	for i := range lines {
		if asked[i] > lines[i].Open {
			exceeds(named[i], RefusedLine{
				SKU: t.stocks[lines[i].stock].sku, Location: lines[i].key.Location,
				Requested: asked[i], Available: lines[i].Open,
			})
		}
	}
	return asked, r
}

// What a finder may find instead of a line.
const (
	lineNone      = -1
	lineAmbiguous = -2
)

// finder returns a function that finds the line that a command's line means. A location may be
// left out where the reservation has one line for the SKU.
func (t *Turn) finder(lines []stepLine) func(l *Line) int {
	if len(lines) == 1 {
		only := Line{SKU: t.stocks[lines[0].stock].sku, Location: lines[0].key.Location}
		return func(l *Line) int {
			if l.SKU == only.SKU && (l.Location == "" || l.Location == only.Location) {
				return 0
			}
			return lineNone
		}
	}
	index := make(map[Line]int, 2*len(lines))
	for i := range lines {
		sku := t.stocks[lines[i].stock].sku
		index[Line{SKU: sku, Location: lines[i].key.Location}] = i
		if _, ok := index[Line{SKU: sku}]; ok {
			i = lineAmbiguous
		}
		index[Line{SKU: sku}] = i
	}
	return func(l *Line) int {
		if i, ok := index[Line{SKU: l.SKU, Location: l.Location}]; ok {
			return i
		}
		return lineNone
	}
}

// onHandFor checks that what is to leave is there: promises may exceed stock, shipments may not.
func (t *Turn) onHandFor(lines []stepLine, asked []int64) Refusal {
	var r Refusal
	for i := range lines {
		c, _ := t.scratch[lines[i].stock].level(lines[i].key)
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
	act.Reservation, act.Owner = c.Reservation, t.stocks[t.stock(c.Reservation.Home)].holds.restOf(h).owner
	var open int64
	for i := range lines {
		l := &lines[i]
		before, _ := t.scratch[l.stock].level(l.key)
		typ, after, status := stepped(c.Op, before, l.LineStatus, asked[i])
		if typ == LineUnchanged {
			act.Events = append(act.Events, Event{
				Type: typ, Stock: l.stock, Level: l.key, Before: before, After: after, Line: status,
			})
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
	hs := t.stocks[home].holds
	h := hs.get(ref.Nonce)
	if h == nil || hs.away(h) {
		return v, false
	}
	rest := hs.restOf(h)
	v = ReservationView{Ref: ref, State: h.state, Owner: rest.owner, ExpiresAt: h.deadline}
	if h.state == Active && h.deadline <= max(t.now, t.stocks[home].freedThrough) {
		// Its other SKUs may have written it out before this one.
		v.State = Expired
		for i := range hs.countLines(h) {
			level, l := hs.line(h, i)
			location := t.stocks[home].level(int(level)).key.Value().Location
			v.Lines = append(v.Lines, t.lineView(home, location, LineStatus{Quantity: l.Quantity}))
		}
		for _, l := range rest.others {
			v.Lines = append(v.Lines, t.lineView(t.stock(l.SKU), l.Location, LineStatus{Quantity: l.Quantity}))
		}
		return v, true
	}
	for _, l := range t.stepLines(home, h) {
		v.Lines = append(v.Lines, t.lineView(l.stock, l.key.Location, l.LineStatus))
	}
	return v, true
}

func (t *Turn) lineView(stock int, location string, status LineStatus) LineView {
	s := t.stocks[stock]
	return LineView{SKU: s.sku, Location: location, LineStatus: status, Sequence: s.sequence}
}
