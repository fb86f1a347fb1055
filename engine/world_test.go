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
	// drain says how many pieces of what was freed by sums are written out before a turn goes on.
	drain func() int
	// pure says that stocks are compared before and after each decision.
	pure bool
}

// ledger is what the movements of an item so far say.
type ledger struct {
	sequence     uint64
	reorderPoint int64
	levels       map[engine.LevelKey]engine.Counts
}

func (l *ledger) available() (n int64) {
	for _, c := range l.levels {
		n += c.Of(engine.Available)
	}
	return n
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

// expired looks at what the act of one expired hold tells the history: that of the home everything,
// those of the other items of the reservation their own lines.
func (w *world) expired(sku string, r *engine.Record, act int) {
	w.t.Helper()
	v := r.Answer(act).Reservation
	want, _ := w.twin.Reservation(v.Ref.Nonce, w.now)
	if v.Ref.Home != w.homes[v.Ref.Nonce] {
		w.t.Fatalf("reservation %d of %q expires as one of %q", v.Ref.Nonce, w.homes[v.Ref.Nonce], v.Ref.Home)
	}
	if v.Ref.Home != sku {
		want.Lines = slices.DeleteFunc(want.Lines, func(l enginetest.ReservationLine) bool { return l.SKU != sku })
	}
	w.sameReservation("expiry on "+sku, want, v)
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

// book enters the movements of a record into the ledgers.
func (w *world) book(r *engine.Record) {
	w.t.Helper()
	var movements []engine.Movement
	for i, m := range r.Movements {
		if i != len(movements) {
			w.t.Fatalf("movement %d of a record is called its %d", len(movements), i)
		}
		movements = append(movements, *m)
	}
	for i := range r.Acts {
		act := &r.Acts[i]
		w.alert(r, act)
		for j := range act.Events {
			if act.Events[j].Movement() {
				w.enter(act, &act.Events[j], &movements[0])
				movements = movements[1:]
			}
		}
	}
	if len(movements) > 0 {
		w.t.Fatalf("a record has movements that are no events: %+v", movements)
	}
}

// enter enters one movement: gap-free, and from where the last one left the level.
func (w *world) enter(act *engine.Act, e *engine.Event, m *engine.Movement) {
	w.t.Helper()
	l := w.ledgers[m.SKU]
	if m.Sequence != l.sequence+1 || m.Sequence != e.Sequence || m.Cause != act.Op || m.At != w.now {
		w.t.Fatalf("movement %d of %q by %v at %d comes after %d; its event is %d, by %v at %d",
			m.Sequence, m.SKU, m.Cause, m.At, l.sequence, e.Sequence, act.Op, w.now)
	}
	if e.Quantity != units(e) || m.Quantity != e.Quantity {
		w.t.Fatalf("movement %d of %q, %v, is about %d units, not %d", m.Sequence, m.SKU, m.Type, units(e), e.Quantity)
	}
	if m.Actor != act.Actor || m.Reason != act.Reason || m.Reference != act.Reference || m.Principal != act.Principal ||
		m.Type != e.Type || m.From != e.From || m.To != e.To || m.After != e.After || m.Alerts != e.Alerts ||
		m.Reservation != act.Reservation || m.Owner != act.Owner || m.ExpiresAt != act.ExpiresAt {
		w.t.Fatalf("the event %+v of %+v became the movement %+v", *e, *act, *m)
	}
	l.sequence = m.Sequence
	if m.Settings != nil {
		l.reorderPoint = m.Settings.ReorderPoint
		return
	}
	before, known := l.levels[m.Level]
	if !known {
		before.Safety = m.Before.Safety
	}
	if m.Before != before {
		w.t.Fatalf("movement %d of %q at %q goes from %+v, but the level was left at %+v",
			m.Sequence, m.SKU, m.Level.Location, m.Before, before)
	}
	if bad := broken(&m.After); bad != "" {
		w.t.Fatalf("movement %d of %q at %q: %s in %+v", m.Sequence, m.SKU, m.Level.Location, bad, m.After)
	}
	l.levels[m.Level] = m.After
}

// alert compares the alerts of an act with what its movements say happened.
func (w *world) alert(r *engine.Record, act *engine.Act) {
	w.t.Helper()
	fell := map[string]bool{} // The items whose reorder point was reached.
	levels := map[string]*ledger{}
	for i := range act.Events {
		e := &act.Events[i]
		sku := r.SKUs[e.Stock]
		if levels[sku] == nil {
			levels[sku] = &ledger{reorderPoint: w.ledgers[sku].reorderPoint, levels: maps.Clone(w.ledgers[sku].levels)}
		}
		if e.Settings != nil {
			levels[sku].reorderPoint = e.Settings.ReorderPoint
			continue
		}
		levels[sku].levels[e.Level] = e.After
		var want engine.Alerts
		was, is := e.Before.Of(engine.Available), e.After.Of(engine.Available)
		owed, owes := e.Before.Of(engine.Backordered), e.After.Of(engine.Backordered)
		for alert, on := range map[engine.Alerts]bool{
			engine.OutOfStock:         was > 0 && is == 0,
			engine.BackInStock:        was == 0 && is > 0,
			engine.SafetyStockReached: was > 0 && is == 0 && e.After.Safety > 0,
			engine.BackorderedAlert:   owes > owed,
			engine.BackorderFilled:    owes < owed,
		} {
			if on {
				want |= alert
			}
		}
		if got := e.Alerts &^ engine.ReorderPointReached; got != want {
			w.t.Fatalf("movement %d of %q has the alerts %v, should have %v", e.Sequence, sku, got.Names(), want.Names())
		}
		fell[sku] = fell[sku] || e.Alerts&engine.ReorderPointReached != 0
	}
	for sku, l := range levels {
		before, after, point := w.ledgers[sku].available(), l.available(), l.reorderPoint
		if want := before > point && after <= point && point > 0; want != fell[sku] && (want || act.Op != engine.OpPutItem) {
			w.t.Fatalf("%v of %q from %d to %d available, reorder point %d: alert %v", act.Op, sku, before, after, point, fell[sku])
		}
	}
}

// broken is the invariant of a level, as the design words it.
func broken(c *engine.Counts) string {
	sum := int64(0)
	for _, s := range []engine.State{engine.Available, engine.Reserved, engine.Committed, engine.SafetyStock,
		engine.Damaged, engine.QualityControl, engine.Other} {
		if c.Of(s) < 0 {
			return s.String() + " is negative"
		}
		sum += c.Of(s)
	}
	switch {
	case c.OnHand < 0 || c.Backordered() < 0:
		return "on_hand or backordered is negative"
	case c.OnHand+c.Backordered() != sum:
		return "on_hand + backordered is not the sum of the states"
	case c.Available() > 0 && c.Backordered() > 0:
		return "available and backordered at once"
	}
	return ""
}

// check holds one stock against its own rules and against the twin.
func (w *world) check(s *engine.Stock) {
	w.t.Helper()
	if err := s.Check(); err != nil {
		w.t.Fatalf("%v", err)
	}
	if s.Sequence() != w.ledgers[s.SKU()].sequence {
		w.t.Fatalf("item %q is at %d, its ledger at %d", s.SKU(), s.Sequence(), w.ledgers[s.SKU()].sequence)
	}
}

// agree compares a visited stock with the twin.
func (w *world) agree(s *engine.Stock) {
	w.t.Helper()
	sku := s.SKU()
	if s.Exists() != w.twin.Exists(sku) || s.Sequence() != w.twin.Sequence(sku) {
		w.t.Fatalf("item %q exists: %v, twin %v; sequence %d, twin %d", sku,
			s.Exists(), w.twin.Exists(sku), s.Sequence(), w.twin.Sequence(sku))
	}
	if !s.Exists() {
		return
	}
	view := s.View()
	var locations []string
	for i := range view.Levels {
		l := &view.Levels[i]
		locations = append(locations, l.Key.Location)
		if want, got := w.twin.Amounts(sku, l.Key.Location, w.now), amounts(&l.Counts); want != got {
			w.t.Fatalf("at %d, item %q at %q (-twin +engine):\n%s", w.now, sku, l.Key.Location, cmp.Diff(want, got))
		}
	}
	if want := w.twin.Locations(sku); !slices.Equal(want, locations) {
		w.t.Fatalf("item %q is at %q, twin %q", sku, locations, want)
	}
}

func amounts(c *engine.Counts) enginetest.Amounts {
	return enginetest.Amounts{
		OnHand: c.Of(engine.OnHand), Available: c.Of(engine.Available), Reserved: c.Of(engine.Reserved),
		Committed: c.Of(engine.Committed), SafetyStock: c.Of(engine.SafetyStock), Damaged: c.Of(engine.Damaged),
		QualityControl: c.Of(engine.QualityControl), Other: c.Of(engine.Other),
		Backordered: c.Of(engine.Backordered), Withholding: c.Safety,
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
		return answers
	}
	for i := range cs {
		answers[i] = w.turn.Record.Answer(i)
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

// outcomes compares how far a turn came, and why not further.
func (w *world) outcomes(cs []*engine.Command, twin []enginetest.Outcome, refusals []engine.Refusal) {
	w.t.Helper()
	for i := range twin {
		o, r := &twin[i], &refusals[i]
		if o.Code != r.Code {
			w.t.Fatalf("at %d, %s: twin %v, engine %v (%s)", w.now, tell(cs[i]), o.Code, r.Code, r.Detail)
		}
		var failed []enginetest.FailedLine
		for _, l := range r.Lines {
			failed = append(failed, enginetest.FailedLine(l))
		}
		if len(cs) > 1 {
			// The engine knows of the holds from before the turn, the twin of all.
			for _, lines := range [...][]enginetest.FailedLine{o.Failed, failed} {
				for j := range lines {
					lines[j].NextExpiryAt = 0
				}
			}
		}
		if !slices.Equal(sorted(o.Failed), sorted(failed)) {
			w.t.Fatalf("at %d, %s: failing lines (-twin +engine):\n%s", w.now, tell(cs[i]), cmp.Diff(o.Failed, failed))
		}
		if o.Current != r.Current {
			w.t.Fatalf("at %d, %s: met %d, twin %d", w.now, tell(cs[i]), r.Current, o.Current)
		}
		if r.Refused() && (r.Field == "" || r.Detail == "") {
			w.t.Fatalf("at %d, %s: refused without a word: %+v", w.now, tell(cs[i]), *r)
		}
	}
}

func sorted(lines []enginetest.FailedLine) []enginetest.FailedLine {
	key := func(l enginetest.FailedLine) string { return fmt.Sprintf("%q %q %d", l.SKU, l.Location, l.Requested) }
	slices.SortFunc(lines, func(a, b enginetest.FailedLine) int { return strings.Compare(key(a), key(b)) })
	return lines
}

// answer compares what a command that was taken is told.
func (w *world) answer(c *engine.Command, o *enginetest.Outcome, a *engine.Answer) {
	w.t.Helper()
	if a.Op != c.Op {
		w.t.Fatalf("%s: the answer is to %v", tell(c), a.Op)
	}
	if c.Reservation.Nonce != 0 {
		w.homes[c.Reservation.Nonce] = a.Reservation.Ref.Home
		w.sameReservation(tell(c), o.Reservation, a.Reservation)
		for _, l := range a.Reservation.Lines {
			if touched := l.Sequence > w.ledgers[l.SKU].sequence; !touched && l.Sequence != 0 {
				w.t.Fatalf("%s: a line of %q is answered with the sequence %d", tell(c), l.SKU, l.Sequence)
			}
		}
		return
	}
	if a.SKU != c.SKU || a.Sequence != o.Sequence || a.Created != o.Created {
		w.t.Fatalf("%s: answered %q %d %v, twin %d %v", tell(c), a.SKU, a.Sequence, a.Created, o.Sequence, o.Created)
	}
	if c.Op == engine.OpPutItem {
		want := c.Settings
		want.SafetyStock = maps.Clone(want.SafetyStock)
		maps.DeleteFunc(want.SafetyStock, func(_ string, q int64) bool { return q == 0 })
		if !a.Settings.Equal(&want) {
			w.t.Fatalf("%s: settings %+v", tell(c), *a.Settings)
		}
		return
	}
	if got := amounts(&a.Level.Counts); got != o.Amounts || a.Level.Key.Location != c.Location {
		w.t.Fatalf("%s: answered %q (-twin +engine):\n%s", tell(c), a.Level.Key.Location, cmp.Diff(o.Amounts, got))
	}
}

// carried looks for everything of a command that its act must carry on.
func (w *world) carried(c *engine.Command, act *engine.Act) {
	w.t.Helper()
	if act.Op != c.Op || act.KeyHash != c.KeyHash() || act.Fingerprint != c.Fingerprint() ||
		act.Principal != c.Principal || act.Actor != c.Actor || act.Reference != c.Reference ||
		act.Reason == "" || c.Reason != "" && act.Reason != c.Reason {
		w.t.Fatalf("%s by %q for %q is logged as %+v", tell(c), c.Actor, c.Reference, *act)
	}
	if !slices.Contains(engine.Reasons, act.Reason) {
		w.t.Fatalf("%s has the reason %q, which is none", tell(c), act.Reason)
	}
	for i := range act.Events {
		e := &act.Events[i]
		to := c.To
		if c.Op == engine.OpAdjust || c.Op == engine.OpSet {
			if to = c.State; to == engine.StateUnset {
				to = engine.OnHand
			}
		}
		if e.From != c.From || e.To != to || c.Location != "" && e.Quantity != c.Quantity {
			w.t.Fatalf("%s has the event %+v", tell(c), *e)
		}
	}
}

// units is how many units an event of a reservation is about, by what it did to the level.
func units(e *engine.Event) int64 {
	switch e.Type {
	case engine.StockReserved:
		return e.After.Reserved - e.Before.Reserved
	case engine.StockCommitted, engine.ReservationConfirmed:
		return e.After.Committed - e.Before.Committed
	case engine.ReservationReleasedEvent:
		return e.Before.Reserved - e.After.Reserved
	case engine.StockFulfilled:
		return e.Before.OnHand - e.After.OnHand
	case engine.StockCancelled:
		return e.Before.Committed - e.After.Committed
	case engine.ReservationExpiredEvent:
		if e.Before != e.After {
			return e.Before.Reserved - e.After.Reserved
		}
		return e.Line.Quantity // Freed before; nothing of a hold is gone before it expires.
	case engine.ReservationExtended:
		return e.Line.Open
	}
	return e.Quantity
}

func (w *world) sameReservation(what string, want enginetest.Reservation, v engine.ReservationView) {
	w.t.Helper()
	got := enginetest.Reservation{State: v.State, Owner: v.Owner, ExpiresAt: v.ExpiresAt}
	for _, l := range v.Lines {
		got.Lines = append(got.Lines, enginetest.ReservationLine{
			SKU: l.SKU, Location: l.Location, Quantity: l.Quantity, Open: l.Open, Fulfilled: l.Fulfilled,
		})
	}
	slices.SortFunc(got.Lines, func(a, b enginetest.ReservationLine) int {
		return strings.Compare(a.SKU+"\x00"+a.Location, b.SKU+"\x00"+b.Location)
	})
	if !reflect.DeepEqual(want, got) {
		w.t.Fatalf("at %d, %s: reservation (-twin +engine):\n%s", w.now, what, cmp.Diff(want, got))
	}
}

// reservation compares a reservation that may still be there with the twin.
func (w *world) reservation(nonce uint64) {
	w.t.Helper()
	want, made := w.twin.Reservation(nonce, w.now)
	home, ok := w.homes[nonce]
	if !made || !ok {
		return
	}
	others, _ := w.stock(home).Participants(nonce)
	stocks := w.visit(append(others, home)...)
	w.turn.Begin(w.now, stocks)
	v, ok := w.turn.ReservationView(engine.ReservationRef{Home: home, Nonce: nonce})
	if !ok {
		if w.ended[nonce] != want.State {
			w.t.Fatalf("at %d, reservation %d ended as %v, twin %v", w.now, nonce, w.ended[nonce], want.State)
		}
		return
	}
	w.sameReservation(fmt.Sprintf("reservation %d", nonce), want, v)
	for _, l := range v.Lines {
		if l.Sequence != w.stock(l.SKU).Sequence() {
			w.t.Fatalf("reservation %d is shown at %d of %q, which is at %d", nonce, l.Sequence, l.SKU, w.stock(l.SKU).Sequence())
		}
	}
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

func (w *world) dump(stocks []*engine.Stock) []string {
	if !w.pure {
		return nil
	}
	var all []string
	for _, s := range stocks {
		all = append(all, s.DumpTracking())
	}
	return all
}

// same fails when what only reads has changed a stock.
func (w *world) same(what string, before []string, stocks []*engine.Stock) {
	w.t.Helper()
	for i, after := range w.dump(stocks) {
		if after != before[i] {
			w.t.Fatalf("%s changed a stock (-before +after):\n%s", what, cmp.Diff(before[i], after))
		}
	}
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

func answersOf(r *engine.Record) []engine.Answer {
	var all []engine.Answer
	for i := range r.Acts {
		all = append(all, r.Answer(i))
	}
	return all
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
