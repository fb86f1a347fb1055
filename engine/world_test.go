package engine_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// reporter is what *testing.T and *rapid.T have in common.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

// world is real stocks next to their twin. It uses the engine as doc.go says, plays the log, and
// holds everything that comes out against the twin and against the rules.
type world struct {
	t      reporter
	twin   *enginetest.Twin
	stocks map[string]*engine.Stock
	now    engine.Time
	turn   engine.Turn
	record engine.Record
	// log has a copy of every record.
	log []*engine.Record
	// homes and ended are what reservation ids and the history are for.
	homes   map[uint64]string
	ended   map[uint64]engine.ReservationState
	ledgers map[string]*ledger
	// used is an answer whose memory is used again and again.
	used engine.Answer
	// drain says how many pieces of what was freed by sums are written out before a turn goes on.
	drain func() int
	// pure says that stocks are compared before and after each decision.
	pure bool
}

func newWorld(t reporter) *world {
	return &world{
		t: t, twin: enginetest.NewTwin(), stocks: map[string]*engine.Stock{}, now: 1,
		homes: map[uint64]string{}, ended: map[uint64]engine.ReservationState{},
		ledgers: map[string]*ledger{}, drain: func() int { return 1 << 30 }, pure: true,
	}
}

func (w *world) stock(sku string) *engine.Stock {
	s := w.stocks[sku]
	if s == nil {
		s = engine.NewStock(sku)
		s.Track()
		w.stocks[sku] = s
		w.ledgers[sku] = &ledger{levels: map[engine.LevelKey]engine.Counts{}}
	}
	return s
}

// visit holds stocks in ascending order of SKU, and expires what is due on them.
func (w *world) visit(skus ...string) []*engine.Stock {
	w.t.Helper()
	slices.Sort(skus)
	var stocks []*engine.Stock
	for _, sku := range slices.Compact(skus) {
		stocks = append(stocks, w.stock(sku))
	}
	for _, s := range stocks {
		w.expire(s)
	}
	return stocks
}

// expire frees what is due and writes out as much of the rest as drain says.
func (w *world) expire(s *engine.Stock) {
	w.t.Helper()
	for s.HasDue(w.now) {
		w.expireOnce(s)
	}
	for n := w.drain(); n > 0 && s.Draining(); n-- {
		w.expireOnce(s)
	}
	if due := w.twin.Due(s.SKU(), w.now); s.Draining() != (len(due) > 0) {
		w.t.Fatalf("at %d, item %q: draining %v, but the twin has %v due", w.now, s.SKU(), s.Draining(), due)
	}
	if !s.Draining() && s.Expire(w.now, &w.record) {
		w.t.Fatalf("at %d, item %q: expires something although nothing is due", w.now, s.SKU())
	}
}

func (w *world) expireOnce(s *engine.Stock) {
	w.t.Helper()
	before := w.dump([]*engine.Stock{s})
	if !s.Expire(w.now, &w.record) {
		w.t.Fatalf("at %d, item %q: nothing expires although something is due", w.now, s.SKU())
	}
	w.same("Expire", before, []*engine.Stock{s})
	events := 0
	for i := range w.record.Acts {
		act := &w.record.Acts[i]
		events += len(act.Events)
		if act.Op == engine.OpFree {
			w.twin.Freed(s.SKU(), len(act.Events))
		} else if err := w.twin.WrittenOut(s.SKU(), act.Reservation.Nonce, w.now); err != nil {
			w.t.Fatalf("%v", err)
		} else {
			w.expired(s.SKU(), &w.record, i)
		}
	}
	if events > max(engine.ExpiryPieceMax, len(s.View().Levels)) && len(w.record.Acts) > 1 {
		w.t.Fatalf("an expiry record has %d events", events)
	}
	w.apply(&w.record, []*engine.Stock{s})
}

// apply applies a record and puts a copy of it in the log.
func (w *world) apply(r *engine.Record, stocks []*engine.Stock) {
	w.t.Helper()
	kept := clone(r)
	w.log = append(w.log, kept)
	w.book(kept)
	answers := answersOf(r)
	r.Apply(stocks)
	if later := answersOf(kept); !reflect.DeepEqual(answers, later) {
		w.t.Fatalf("the answer is not a function of the record alone (-before +after):\n%s", cmp.Diff(answers, later))
	}
	for i := range kept.Acts {
		if act := &kept.Acts[i]; act.Reservation.Nonce != 0 && act.State.Final() {
			w.ended[act.Reservation.Nonce] = act.State
		}
	}
	for _, s := range stocks {
		w.check(s)
	}
}

// skus lists what a command needs held. Those of a step are found as actors find them: the home
// is in the id, and the stock there knows the others.
func (w *world) skus(c *engine.Command) []string {
	switch {
	case c.Op.Step():
		home := w.home(c)
		others, _ := w.stock(home).Participants(c.Reservation.Nonce)
		return append(others, home)
	case c.Op == engine.OpReserve || c.Op == engine.OpCommit:
		var skus []string
		for _, l := range c.Lines {
			skus = append(skus, l.SKU)
		}
		return skus
	}
	return []string{c.SKU}
}

// home fills in the home of a step, and returns it.
func (w *world) home(c *engine.Command) string {
	if home, ok := w.homes[c.Reservation.Nonce]; ok {
		c.Reservation.Home = home
	}
	return c.Reservation.Home
}

// do takes commands in one atomic turn, on the engine and on the twin, and returns the answers.
func (w *world) do(cs ...*engine.Command) []engine.Answer {
	w.t.Helper()
	var skus []string
	for _, c := range cs {
		if c.Key == "" {
			c.Key = "key"
		}
		skus = append(skus, w.skus(c)...)
	}
	stocks := w.visit(skus...)
	for _, s := range stocks {
		w.agree(s)
	}
	before := w.dump(stocks)
	w.turn.Begin(w.now, stocks)
	refusals := make([]engine.Refusal, 0, len(cs))
	for _, c := range cs {
		r := w.decide(c)
		if refusals = append(refusals, r); r.Refused() {
			break
		}
	}
	w.same("Decide", before, stocks)
	outcomes, _ := w.twin.DoAll(cs[:len(refusals)], w.now)
	w.outcomes(cs, outcomes, refusals)
	answers := make([]engine.Answer, len(cs))
	if last := len(refusals) - 1; refusals[last].Refused() {
		answers[last].Refusal = refusals[last]
		w.used.Refusal = refusals[last]
		return answers
	}
	for i := range cs {
		answers[i] = w.turn.Record.Answer(i)
		w.renews(i, answers[i])
		w.answer(cs[i], &outcomes[i], &answers[i])
		w.carried(cs[i], &w.turn.Record.Acts[i])
	}
	w.apply(&w.turn.Record, stocks)
	for _, s := range stocks {
		w.agree(s)
	}
	for _, c := range cs {
		if c.Reservation.Nonce != 0 {
			w.reservation(c.Reservation.Nonce)
		}
	}
	return answers
}

// renews sees that an answer whose memory is used again is as good as a new one, whatever it was before.
func (w *world) renews(act int, want engine.Answer) {
	w.used.Renew()
	if a := w.used.Clone(); !reflect.DeepEqual(a, engine.Answer{}) {
		w.t.Fatalf("an answer that was renewed still has %+v", a)
	}
	w.turn.Record.AnswerTo(&w.used, act)
	if a := w.used.Clone(); !reflect.DeepEqual(a, want.Clone()) {
		w.t.Fatalf("an answer in memory that was used before is %+v, want %+v", a, want)
	}
}

// decide decides, and asks the history about what the stock has forgotten.
func (w *world) decide(c *engine.Command) engine.Refusal {
	if r := c.Validate(); r.Refused() {
		w.t.Fatalf("generated a command that is not valid: %+v: %+v", c, r)
	}
	r := w.turn.Decide(c)
	if state, ok := w.ended[c.Reservation.Nonce]; ok && r.Code == engine.ReservationNotFound {
		r = engine.StepRefused(c.Op, state)
	}
	return r
}

// finish compares everything, and replays the log on fresh stocks.
func (w *world) finish() {
	w.t.Helper()
	w.drain = func() int { return 1 << 30 }
	for _, nonce := range w.twin.Nonces() {
		w.reservation(nonce)
	}
	for _, s := range w.visit(slices.Collect(maps.Keys(w.stocks))...) {
		w.agree(s)
		if diff := cmp.Diff(s.Dump(), w.replay(s.SKU()).Dump()); diff != "" {
			w.t.Fatalf("item %q (-live +replayed from the log):\n%s", s.SKU(), diff)
		}
	}
}

// replay makes one stock from the log, as if no other were wanted.
func (w *world) replay(sku string) *engine.Stock {
	fresh := engine.NewStock(sku)
	for _, r := range w.log {
		stocks := make([]*engine.Stock, len(r.SKUs))
		for i := range r.SKUs {
			if r.SKUs[i] == sku {
				stocks[i] = fresh
			}
		}
		r.Apply(stocks)
	}
	return fresh
}

// clone copies a record with everything in it.
func clone(r *engine.Record) *engine.Record {
	c := &engine.Record{Time: r.Time, SKUs: slices.Clone(r.SKUs), Acts: slices.Clone(r.Acts)}
	for i := range c.Acts {
		act := &c.Acts[i]
		act.Others, act.Events = slices.Clone(act.Others), slices.Clone(act.Events)
	}
	return c
}

// tell is a command in a line, for messages.
func tell(c *engine.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v", c.Op)
	if c.SKU != "" {
		fmt.Fprintf(&b, " %s@%s %d", c.SKU, c.Location, c.Quantity)
	}
	if c.State != engine.StateUnset {
		fmt.Fprintf(&b, " of %v", c.State)
	}
	if c.Op == engine.OpMove {
		fmt.Fprintf(&b, " from %v to %v", c.From, c.To)
	}
	if c.HasChangeFrom {
		fmt.Fprintf(&b, " change_from %d", c.ChangeFrom)
	}
	if c.HasIfMatch {
		fmt.Fprintf(&b, " if_match %d", c.IfMatch)
	}
	if c.Reservation.Nonce != 0 {
		fmt.Fprintf(&b, " reservation %d", c.Reservation.Nonce)
	}
	if c.TTL != 0 {
		fmt.Fprintf(&b, " ttl %d", c.TTL)
	}
	for _, l := range c.Lines {
		fmt.Fprintf(&b, " [%s@%s %d]", l.SKU, l.Location, l.Quantity)
	}
	if c.Op == engine.OpPutItem {
		fmt.Fprintf(&b, " %+v", c.Settings)
	}
	return b.String()
}
