package actors_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// counted draws the numbers of reservations in order, so that two systems draw the same.
func counted(cfg *actors.Config) {
	n := uint64(0)
	cfg.Nonce = func() uint64 { n++; return n }
}

// sendEach submits commands together and returns where their answers will be, in order.
func (b *bench) sendEach(cmds []engine.Command) []chan engine.Answer {
	answers := make([]chan engine.Answer, len(cmds))
	all := make([]*engine.Command, len(cmds))
	for i := range cmds {
		answers[i], all[i] = make(chan engine.Answer, 2), &cmds[i]
	}
	b.SubmitEach(all, func(i int, a *engine.Answer) { answers[i] <- a.Clone() })
	return answers
}

// anything draws a command on A, now and then one that comes again, is refused, or is on another item
// as well.
func anything(rng *rand.Rand, before []engine.Command) engine.Command {
	key := fmt.Sprint("key ", len(before))
	quantity := 1 + rng.Int64N(4)
	switch rng.IntN(40) {
	case 0:
		if len(before) > 0 {
			return before[rng.IntN(len(before))]
		}
	case 1:
		if len(before) > 0 {
			key = before[rng.IntN(len(before))].Key
		}
	case 2:
		quantity = 1000
	case 3:
		return get("A")
	case 4:
		return reserve(key, "A", "B")
	case 5:
		return engine.Command{Op: engine.OpPutItem, SKU: "A", Key: key, Settings: engine.Settings{ReorderPoint: quantity}}
	case 6:
		return engine.Command{
			Op: engine.OpSet, SKU: "A", Location: "main", Quantity: 50, Key: key, ChangeFrom: 40 + rng.Int64N(20), HasChangeFrom: true,
		}
	}
	if rng.IntN(3) == 0 {
		return receive("A", quantity, key)
	}
	c := reserve(key, "A")
	c.Lines[0].Quantity = quantity
	return c
}

// Commands that are done in one turn come to the same as if they had been done one by one.
func TestTogetherIsAsOneByOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(drawSeed(t), 1))
	joined := 0
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			several, single := start(t, newGround(t, true), counted), start(t, newGround(t, true), counted)
			for _, b := range []*bench{several, single} {
				b.stocked("A", 50)
				b.stocked("B", 1000)
			}
			var cmds []engine.Command
			for range 1 + rng.IntN(120) {
				cmds = append(cmds, anything(rng, cmds))
			}
			answers := several.sendEach(slices.Clone(cmds))
			for i := range cmds {
				want := single.do(cmds[i])
				got := <-answers[i]
				if diff := cmp.Diff(want, got, settings, cmp.Comparer(errors.Is)); diff != "" {
					t.Fatalf("command %d, %+v (-one by one +together):\n%s", i, cmds[i], diff)
				}
			}
			for _, sku := range []string{"A", "B"} {
				several.agree(sku)
				want, got := single.must(get(sku)).Item, several.must(get(sku)).Item
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-one by one +together):\n%s", sku, diff)
				}
			}
			for _, l := range several.ground.records {
				if len(l.record.Acts) > 1 {
					joined++
				}
			}
			several.idle()
			several.close()
			single.close()
		})
	}
	if joined == 0 {
		t.Error("no turn did several commands, so nothing was shown")
	}
}

// What waited in a mailbox is done together as well, in its order and at most so many in one turn.
func TestWhatWaitedIsDoneTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		loading := make(chan struct{})
		b := start(t, g)
		b.stocked("A", 1)
		b.close()
		g.set(func() { g.onLoad = func(string) error { <-loading; return nil } })
		b = start(t, g)
		before := g.Last()
		var answers []chan engine.Answer
		const many = 100
		for i := range many {
			answers = append(answers, b.send(receive("A", 1, fmt.Sprint(i))))
		}
		synctest.Wait()
		close(loading)
		for i, c := range answers {
			if a := <-c; a.Err != nil || a.Level.OnHand != int64(i)+2 {
				t.Fatalf("command %d: %+v", i, a)
			}
		}
		if n := g.Last() - before; n > many/8 {
			t.Errorf("%d commands took %d turns", many, n)
		}
		b.agree("A")
		b.idle()
		b.close()
	})
}

// A panic in Decide answers its own command, the others are done; a panic in Apply throws away the
// memory of the item, and nothing of the turn was done.
func TestPanicAmongOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 5)
		bad := engine.Command{Op: engine.OpFree, SKU: "A", Key: "bad"}
		answers := b.sendEach([]engine.Command{receive("A", 1, "1"), bad, receive("A", 1, "2")})
		synctest.Wait()
		for i, c := range answers {
			if a := <-c; errors.Is(a.Err, engine.ErrInternal) != (i == 1) {
				t.Errorf("command %d: %+v", i, a)
			}
		}
		if b.gauge("skua_items_fenced_total") != 0 || b.onHand("A") != 7 {
			t.Error("the command that broke did something")
		}
		g.breakOnce(anyRecord)
		for i, c := range b.sendEach([]engine.Command{receive("A", 1, "3"), receive("A", 1, "4"), receive("A", 1, "5")}) {
			if a := <-c; !errors.Is(a.Err, engine.ErrInternal) {
				t.Errorf("command %d of a turn that broke: %+v", i, a)
			}
		}
		b.must(receive("A", 1, "4"))
		if n := b.onHand("A"); n != 8 {
			t.Errorf("%d units are there", n)
		}
		b.agree("A")
		b.idle()
		b.close()
	})
}
