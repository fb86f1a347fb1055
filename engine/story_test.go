package engine_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/skua-stock/skua/engine"
)

// TestStories plays the stories in testdata. They are written to be read: each says what happens
// and what the ledger says of it. The twin sits next to every one of them.
//
// After a change of the rules, run
//
//	go test ./engine -run TestStories -rewrite
//
// and look at the difference. Commit it only if you understand what caused it and want it so.
func TestStories(t *testing.T) {
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &storyteller{world: newWorld(t)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.tell(t, d)
		})
		s.world.finish()
	})
}

// storyteller plays one story.
type storyteller struct {
	world *world
	told  int // records of the log
	nonce uint64
}

// tell plays one line of a story, or the lines below "together" as one atomic turn.
func (s *storyteller) tell(t *testing.T, d *datadriven.TestData) string {
	w := s.world
	words := append([]string{d.Cmd}, rest(d)...)
	switch d.Cmd {
	case "at":
		w.now = engine.Time(number(t, words[1]))
		return ""
	case "drain":
		pieces := int(number(t, words[1]))
		w.drain = func() int { return pieces }
		return ""
	case "look":
		w.visit(words[1])
		return s.records() + item(w, words[1])
	case "reservation":
		return s.reservation(uint64(number(t, words[1])))
	case "many":
		return s.many(t, words[1:])
	case "together":
		var cs []*engine.Command
		for _, l := range strings.Split(strings.TrimSpace(d.Input), "\n") {
			cs = append(cs, s.command(t, strings.Fields(l)))
		}
		return s.play(cs...)
	}
	return s.play(s.command(t, words))
}

// rest gives back the words of a line, which datadriven takes apart.
func rest(d *datadriven.TestData) []string {
	var words []string
	for _, a := range d.CmdArgs {
		words = append(words, a.String())
	}
	return words
}

func number(t *testing.T, word string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		t.Fatalf("a number is wanted: %v", err)
	}
	return n
}

// play takes commands and tells what came of them.
func (s *storyteller) play(cs ...*engine.Command) string {
	answers := s.world.do(cs...)
	out := s.records()
	for _, a := range answers {
		if a.Refusal.Refused() {
			out += refusal(&a.Refusal)
		}
	}
	return out
}

func refusal(r *engine.Refusal) string {
	out := fmt.Sprintf("refused: %v (%s: %s)\n", r.Code, r.Field, r.Detail)
	for _, l := range r.Lines {
		out += fmt.Sprintf("  %s: %d asked for, %d there", place(l.SKU, l.Location), l.Requested, l.Available)
		if l.NextExpiryAt != 0 {
			out += fmt.Sprintf(", next expiry at %d", l.NextExpiryAt)
		}
		out += "\n"
	}
	if r.Current != 0 {
		out += fmt.Sprintf("  met %d\n", r.Current)
	}
	return out
}

func place(sku, location string) string {
	if location == "" {
		return sku
	}
	return sku + "@" + location
}

// actsTold is how many acts of a record are told one by one.
const actsTold = 4

// records tells the records since the last time.
func (s *storyteller) records() string {
	var b strings.Builder
	for _, r := range s.world.log[s.told:] {
		if len(r.Acts) > actsTold {
			first, last := &r.Acts[0].Events[0], &r.Acts[len(r.Acts)-1].Events[0]
			fmt.Fprintf(&b, "%d acts of %v: %s %d to %d\n", len(r.Acts), r.Acts[0].Op,
				r.SKUs[first.Stock], first.Sequence, last.Sequence)
			continue
		}
		for _, m := range r.Movements {
			movement(&b, m)
		}
	}
	s.told = len(s.world.log)
	return b.String()
}

// movement tells a movement in a line: which states went from what to what.
func movement(b *strings.Builder, m *engine.Movement) {
	fmt.Fprintf(b, "%s %d %v", place(m.SKU, m.Level.Location), m.Sequence, m.Type)
	if m.Reservation.Nonce != 0 {
		fmt.Fprintf(b, " (reservation %d of %s)", m.Reservation.Nonce, m.Reservation.Home)
	}
	if m.Holds != 0 {
		fmt.Fprintf(b, " (%d holds)", m.Holds)
	}
	sep := ": "
	for state := engine.OnHand; state <= engine.Backordered; state++ {
		if was, is := m.Before.Of(state), m.After.Of(state); was != is {
			fmt.Fprintf(b, "%s%v %d -> %d", sep, state, was, is)
			sep = ", "
		}
	}
	for _, alert := range m.Alerts.Names() {
		fmt.Fprintf(b, " !%s", strings.TrimPrefix(alert, "stock."))
	}
	b.WriteString("\n")
}

// item tells the levels of an item.
func item(w *world, sku string) string {
	view := w.stock(sku).View()
	out := fmt.Sprintf("%s at sequence %d\n", sku, view.Sequence)
	for i := range view.Levels {
		l := &view.Levels[i]
		out += "  " + l.Key.Location + ":"
		for state := engine.OnHand; state <= engine.Backordered; state++ {
			if n := l.Of(state); n != 0 || state == engine.OnHand || state == engine.Available {
				out += fmt.Sprintf(" %v %d", state, n)
			}
		}
		out += "\n"
	}
	return out
}

// reservation tells a reservation, from the stocks or from the history.
func (s *storyteller) reservation(nonce uint64) string {
	w := s.world
	w.reservation(nonce) // The twin agrees.
	home := w.homes[nonce]
	others, _ := w.stock(home).Participants(nonce)
	stocks := w.visit(append(others, home)...)
	w.turn.Begin(w.now, stocks)
	v, ok := w.turn.ReservationView(engine.ReservationRef{Home: home, Nonce: nonce})
	out := s.records()
	if !ok {
		return out + fmt.Sprintf("over: %v\n", w.ended[nonce])
	}
	out += v.State.String()
	if v.ExpiresAt != 0 {
		out += fmt.Sprintf(" until %d", v.ExpiresAt)
	}
	if v.Owner != "" {
		out += " for " + v.Owner
	}
	for _, l := range v.Lines {
		out += fmt.Sprintf("; %s: %d, %d open, %d fulfilled", place(l.SKU, l.Location), l.Quantity, l.Open, l.Fulfilled)
	}
	return out + "\n"
}

// many makes many reservations of one line each: many 1000 tea@main:1 ttl=10.
func (s *storyteller) many(t *testing.T, words []string) string {
	var cs []*engine.Command
	for range number(t, words[0]) {
		s.nonce++
		c := &engine.Command{Op: engine.OpReserve, Reservation: engine.ReservationRef{Nonce: 1000 + s.nonce}}
		s.words(t, c, words[1:])
		cs = append(cs, c)
	}
	s.world.do(cs...)
	return s.records()
}

var ops = func() map[string]engine.Op {
	m := make(map[string]engine.Op)
	for op := engine.OpPutItem; op <= engine.OpCancel; op++ {
		m[op.String()] = op
	}
	return m
}()

// command reads a command:
//
//	put_item tea limit=5 safety=main:2 order=shop,main reorder=3
//	receive tea main 10
//	adjust tea main -3 state=damaged from=10 match=4
//	move tea main 2 available damaged
//	reserve 7 tea@main:4 tea:3 ttl=100 owner=cart-7
//	confirm 7 tea:2
func (s *storyteller) command(t *testing.T, words []string) *engine.Command {
	op, ok := ops[words[0]]
	if !ok {
		t.Fatalf("there is no %q", words[0])
	}
	c := &engine.Command{Op: op}
	switch {
	case op.Step() || op == engine.OpReserve || op == engine.OpCommit:
		c.Reservation = engine.ReservationRef{Home: "nowhere", Nonce: uint64(number(t, words[1]))}
		s.words(t, c, words[2:])
	case op == engine.OpPutItem:
		c.SKU = words[1]
		s.words(t, c, words[2:])
	default:
		c.SKU, c.Location, c.Quantity = words[1], words[2], number(t, words[3])
		words = words[4:]
		if op == engine.OpMove {
			c.From, c.To = state(t, words[0]), state(t, words[1])
			words = words[2:]
		}
		if op == engine.OpAdjust {
			c.Reason = "correction"
		}
		s.words(t, c, words)
	}
	return c
}

func state(t *testing.T, name string) engine.State {
	t.Helper()
	s, ok := engine.ParseState(name)
	if !ok {
		t.Fatalf("there is no state %q", name)
	}
	return s
}

// words reads the settings and lines at the end of a command.
func (s *storyteller) words(t *testing.T, c *engine.Command, words []string) {
	t.Helper()
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			item, q, _ := strings.Cut(word, ":")
			sku, location, _ := strings.Cut(item, "@")
			c.Lines = append(c.Lines, engine.Line{SKU: sku, Location: location, Quantity: number(t, q)})
			continue
		}
		value = strings.Trim(value, "()")
		switch name {
		case "limit":
			c.Settings.BackorderLimit = number(t, value)
		case "reorder":
			c.Settings.ReorderPoint = number(t, value)
		case "order":
			c.Settings.LocationOrder = strings.Split(value, ">")
		case "safety":
			location, q, _ := strings.Cut(value, ":")
			if c.Settings.SafetyStock == nil {
				c.Settings.SafetyStock = map[string]int64{}
			}
			c.Settings.SafetyStock[location] = number(t, q)
		case "state":
			c.State = state(t, value)
		case "from":
			c.ChangeFrom, c.HasChangeFrom = number(t, value), true
		case "match":
			c.IfMatch, c.HasIfMatch = uint64(number(t, value)), true
		case "reason":
			c.Reason = value
		case "ttl":
			c.TTL = number(t, value)
		case "owner":
			c.Owner = value
		default:
			t.Fatalf("there is no %q", word)
		}
	}
}
