package actors_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// Of many that come with one key at once, one is done and all are told what came of it.
func TestConcurrentDuplicatesHaveOneOutcome(t *testing.T) {
	const copies = 200
	for name, cmd := range map[string]engine.Command{
		"receive":      receive("A", 1, "k"),
		"reserve":      reserve("k", "A"),
		"reserve of 2": reserve("k", "B", "A"),
		"put":          {Op: engine.OpPutItem, SKU: "A", Key: "k", Settings: engine.Settings{ReorderPoint: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGround(t, true)
			b := start(t, g)
			b.stocked("A", copies)
			b.stocked("B", copies)
			before := g.Last()
			answers := make([]engine.Answer, copies)
			var wg sync.WaitGroup
			for i := range copies {
				wg.Go(func() { answers[i] = b.do(cmd) })
			}
			wg.Wait()
			if n := g.Last() - before; n != 1 {
				t.Errorf("done %d times", n)
			}
			first := 0
			for i := range answers {
				if !answers[i].Replayed {
					first++
				}
				answers[i].Replayed = false
				if diff := cmp.Diff(answers[0], answers[i], settings); diff != "" {
					t.Fatalf("two answers differ:\n%s", diff)
				}
			}
			if first != 1 {
				t.Errorf("%d answers are not marked as replayed", first)
			}
			b.idle()
			b.close()
		})
	}
}

func TestOneKeyForAnotherCommand(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	b.stocked("A", 5)
	b.stocked("B", 5)
	b.must(receive("A", 1, "k"))
	b.must(reserve("k2", "A", "B"))
	before := g.Last()
	for name, c := range map[string]engine.Command{
		"another quantity": receive("A", 2, "k"),
		"another command":  reserve("k", "A"),
		"other lines":      {Op: engine.OpReserve, Key: "k2", TTL: 1000, Lines: []engine.Line{{SKU: "A", Quantity: 2}, {SKU: "B", Quantity: 2}}},
		"another order":    {Op: engine.OpReserve, Key: "k2", TTL: 1000, Lines: []engine.Line{{SKU: "A", Quantity: 2}}},
	} {
		if a := b.do(c); a.Refusal.Code != engine.IdempotencyKeyParameterMismatch {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := <-b.batch(receive("A", 1, "k"), receive("B", 1, "new")); a[0].Refusal.Code != engine.IdempotencyKeyParameterMismatch || a[1].Refusal.Code != engine.LinkedLineFailed {
		t.Errorf("%+v", a)
	}
	if g.Last() != before {
		t.Error("something was done")
	}
	// The key of one home, and of one principal, is not that of another.
	if a := b.must(receive("B", 1, "k")); a.Replayed {
		t.Errorf("%+v", a)
	}
	other := receive("A", 1, "k")
	other.Principal = "somebody else"
	if a := b.must(other); a.Replayed {
		t.Errorf("%+v", a)
	}
	b.close()
}

// A batch that comes again is answered as the first time, whole.
func TestABatchComesAgain(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	b.stocked("A", 5)
	b.stocked("B", 5)
	cmds := []engine.Command{receive("A", 1, "1"), reserve("2", "A", "B"), receive("B", 1, "3")}
	first := <-b.batch(cmds...)
	again := <-b.batch(cmds...)
	for i := range first {
		if !again[i].Replayed {
			t.Errorf("%+v", again[i])
		}
		again[i].Replayed = false
	}
	if diff := cmp.Diff(first, again, settings); diff != "" {
		t.Error(diff)
	}
	b.close()
}

// A batch is refused whole when a key of it is another command's, whatever the keys beside it were used for.
func TestABatchWithAKeyOfAnotherCommand(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	b.stocked("A", 5)
	b.stocked("B", 5)
	b.must(receive("A", 1, "1"))
	b.must(receive("B", 1, "2"))
	for name, tc := range map[string]struct {
		second engine.Command
		want   [2]engine.Code
	}{
		"the other is known":   {receive("B", 2, "2"), [2]engine.Code{engine.LinkedLineFailed, engine.IdempotencyKeyParameterMismatch}},
		"the other is new":     {receive("B", 2, "3"), [2]engine.Code{engine.IdempotencyKeyParameterMismatch, engine.LinkedLineFailed}},
		"both were used apart": {receive("B", 1, "2"), [2]engine.Code{}},
	} {
		for i, a := range <-b.batch(receive("A", 1, "1"), tc.second) {
			if a.Refusal.Code != tc.want[i] || a.Replayed != (tc.want[i] == engine.NotRefused) {
				t.Errorf("%s: operation %d: %+v", name, i, a)
			}
		}
	}
	for _, sku := range []string{"A", "B"} {
		if n := b.must(get(sku)).Item.Levels[0].OnHand; n != 6 {
			t.Errorf("%d of %s are on hand", n, sku)
		}
	}
	b.close()
}

// mistaken is a memory that finds the key of every command in the first record, where no key is:
// as a table of hashes does once in very many keys.
type mistaken struct {
	*ground
	index uint64
}

func (m mistaken) Recall(trace uint64) (uint64, bool) {
	if index, ok := m.ground.Recall(trace); ok {
		return index, ok
	}
	return m.index, true
}

func (m mistaken) Ended(ref engine.ReservationRef) (uint64, bool) {
	if index, ok := m.ground.Ended(ref); ok {
		return index, ok
	}
	return m.index, true
}

// A key that was found by mistake is decided afresh, and so is one whose record is forgotten.
func TestAKeyFoundByMistake(t *testing.T) {
	for name, onRecord := range map[string]func(uint64) error{
		"another's record": nil,
		"forgotten": func(index uint64) error {
			if index == 1 {
				return fmt.Errorf("record 1: %w", actors.ErrForgotten)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGround(t, true)
				b := start(t, g)
				b.stocked("first", 1)
				b.close()
				g.onRecord = onRecord
				b = start(t, g, func(c *actors.Config) { c.Memory = mistaken{g, 1} })
				b.stocked("A", 9)
				b.stocked("B", 9)
				for range 2 {
					for _, c := range []engine.Command{receive("A", 1, "1"), reserve("2", "A"), reserve("3", "A", "B")} {
						b.must(c)
					}
					for _, a := range <-b.batch(receive("A", 1, "4"), receive("B", 1, "5"), reserve("6", "A", "B")) {
						if a.Err != nil || a.Refusal.Refused() {
							t.Errorf("%+v", a)
						}
					}
				}
				v := b.must(get("A")).Item
				if v.Total(engine.OnHand) != 11 || v.Total(engine.Reserved) != 3 {
					t.Errorf("%+v", v.Levels)
				}
				if a := b.do(step(engine.OpConfirm, "c", engine.ReservationRef{Home: "A", Nonce: 5})); a.Refusal.Code != engine.ReservationNotFound {
					t.Errorf("%+v", a)
				}
				b.idle()
				b.close()
			})
		})
	}
}

// A retry is answered although changes are not taken: it is none.
func TestARetryWhileNothingIsTaken(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	b.stocked("A", 5)
	b.stocked("B", 5)
	one, two := reserve("1", "A"), reserve("2", "A", "B")
	b.must(one)
	b.must(two)
	g.set(func() { g.accepting = engine.ErrUnavailable })
	if a := b.must(one); !a.Replayed {
		t.Errorf("%+v", a)
	}
	if a := b.must(two); !a.Replayed {
		t.Errorf("%+v", a)
	}
	b.close()
}
