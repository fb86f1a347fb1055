package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// said is what a client was told, in the words of both doors. Of an operation that the client gave
// up nothing is known: it may have happened, it may happen yet, or never.
type said struct {
	unknown bool
	code    string
	problem problem

	SKU      string           `json:"sku"`
	Sequence uint64           `json:"sequence"`
	Level    map[string]int64 `json:"level"`
	Totals   map[string]int64 `json:"totals"`
	State    string           `json:"state"`
	Lines    []saidLine       `json:"lines"`
}

type saidLine struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Quantity  int64  `json:"quantity"`
	Reserved  int64  `json:"reserved"`
	Committed int64  `json:"committed"`
	Fulfilled int64  `json:"fulfilled"`
	Sequence  uint64 `json:"sequence"`
}

// moment is a state of the model. Two that have the same digest cannot be told apart.
type moment struct {
	twin   *enginetest.Twin
	digest string
}

// linearNow is the model's only time: nothing falls due while a history is recorded.
const linearNow = engine.Time(1)

func newMoment(t *enginetest.Twin) *moment {
	var b strings.Builder
	for _, sku := range t.SKUs() {
		fmt.Fprintln(&b, sku, t.Sequence(sku))
		for _, at := range t.Locations(sku) {
			fmt.Fprintln(&b, t.Amounts(sku, at, linearNow))
		}
	}
	for _, nonce := range t.Nonces() {
		r, _ := t.Reservation(nonce, linearNow)
		fmt.Fprintln(&b, nonce, r.State)
	}
	return &moment{twin: t, digest: b.String()}
}

// linearModel is the naive twin of the engine as porcupine wants it: is there an order of all the
// operations, each between its call and its return, in which one item after the other, on one
// thread, would have told everyone what they were told?
var linearModel = porcupine.Model{
	Init: func() any { return newMoment(enginetest.NewTwin()) },
	Step: func(state, input, output any) (bool, any) {
		is, cmd, told := state.(*moment), input.(*engine.Command), output.(*said)
		if !cmd.Op.Mutates() {
			return told.unknown || agreesWithRead(is.twin, cmd, told), state
		}
		after := is.twin.Clone()
		outcome := after.Do(cmd, linearNow)
		if !told.unknown && !agrees(after, cmd, &outcome, told) {
			return false, state
		}
		if outcome.Code != engine.NotRefused {
			return true, state
		}
		return true, newMoment(after)
	},
	Equal:             func(a, b any) bool { return a.(*moment).digest == b.(*moment).digest },
	DescribeOperation: func(in, out any) string { return describeLinear(in.(*engine.Command), out.(*said)) },
	DescribeState:     func(s any) string { return s.(*moment).digest },
}

func describeLinear(cmd *engine.Command, told *said) string {
	return fmt.Sprintf("%s %s%v %d #%d -> %s %s %d %v", cmd.Op, cmd.SKU, cmd.Lines, cmd.Quantity, cmd.Reservation.Nonce,
		told.code, told.State, told.Sequence, told.Lines)
}

// agrees reports whether the twin, which has just taken the command, told the same.
func agrees(t *enginetest.Twin, cmd *engine.Command, o *enginetest.Outcome, told *said) bool {
	if o.Code != engine.NotRefused {
		return told.code == o.Code.String() && sameFailures(o.Failed, told.problem.Lines)
	}
	if told.code != "" {
		return false
	}
	switch cmd.Op {
	case engine.OpPutItem:
		return told.Sequence == o.Sequence
	case engine.OpReceive, engine.OpRestock, engine.OpAdjust, engine.OpSet, engine.OpMove:
		return told.Sequence == o.Sequence && sameAmounts(o.Amounts, told.Level)
	}
	for _, l := range told.Lines {
		if l.Sequence != 0 && l.Sequence != t.Sequence(l.SKU) {
			return false
		}
	}
	return sameReservation(&o.Reservation, told)
}

func agreesWithRead(t *enginetest.Twin, cmd *engine.Command, told *said) bool {
	if cmd.Op == engine.OpGetReservation {
		r, ok := t.Reservation(cmd.Reservation.Nonce, linearNow)
		return ok && told.code == "" && sameReservation(&r, told)
	}
	if !t.Exists(cmd.SKU) {
		return told.code == engine.ItemNotFound.String()
	}
	return told.code == "" && told.Sequence == t.Sequence(cmd.SKU) && sameAmounts(t.Amounts(cmd.SKU, linearLocation, linearNow), told.Totals)
}

func sameAmounts(a enginetest.Amounts, told map[string]int64) bool {
	for _, s := range []engine.State{
		engine.OnHand, engine.Available, engine.Reserved, engine.Committed, engine.SafetyStock, engine.Damaged,
		engine.QualityControl, engine.Other, engine.Backordered,
	} {
		if is, ok := told[s.String()]; !ok || is != a.Of(s) {
			return false
		}
	}
	return true
}

func sameReservation(r *enginetest.Reservation, told *said) bool {
	lines := slices.SortedFunc(slices.Values(told.Lines), func(a, b saidLine) int {
		return cmp.Or(cmp.Compare(a.SKU, b.SKU), cmp.Compare(a.Location, b.Location))
	})
	return told.State == r.State.String() && slices.EqualFunc(r.Lines, lines, func(l enginetest.ReservationLine, is saidLine) bool {
		return l.SKU == is.SKU && l.Location == is.Location && l.Quantity == is.Quantity && l.Open == is.Reserved+is.Committed &&
			l.Fulfilled == is.Fulfilled
	})
}

func sameFailures(want []enginetest.FailedLine, told []problemLine) bool {
	if len(want) != len(told) {
		return false
	}
	for _, w := range want {
		if !slices.ContainsFunc(told, func(l problemLine) bool {
			return l.SKU == w.SKU && l.Requested == w.Requested && l.Available == w.Available
		}) {
			return false
		}
	}
	return true
}
