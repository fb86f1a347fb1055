package actors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// Each limit refuses what is one too many, for whatever it bounds, and takes it again when there
// is room.
func TestAdmissionLimits(t *testing.T) {
	const room = 3
	for name, tc := range map[string]struct {
		limits actors.Limits
		skus   func(i int) string
	}{
		"of a SKU":       {actors.Limits{InFlightPerSKU: room}, func(int) string { return "S0000" }},
		"of a partition": {actors.Limits{InFlightPerPartition: room}, func(i int) string { return names(i + 1)[i] }},
		"of the node":    {actors.Limits{InFlight: room}, func(i int) string { return names(i + 1)[i] }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGround(t, true)
				b := start(t, g, limits(tc.limits), func(c *actors.Config) {
					if tc.limits.InFlightPerPartition != 0 {
						c.Partitions = 1
					}
				})
				for i := range room + 1 {
					b.do(put(tc.skus(i)))
				}
				for round := range 3 {
					synctest.Wait()
					g.set(func() { g.auto = false })
					var admitted []chan engine.Answer
					for i := range room {
						admitted = append(admitted, b.send(receive(tc.skus(i), 1, fmt.Sprint(round, i))))
					}
					for range 5 {
						answer := b.send(receive(tc.skus(room), 1, fmt.Sprint(round, "one too many")))
						synctest.Wait() // No time passes, and the disk stands still.
						if len(answer) != 1 {
							t.Fatal("no answer at once")
						}
						if a := <-answer; a.Err != engine.ErrOverloaded {
							t.Fatalf("%+v", a)
						}
					}
					g.move(g.Last())
					g.set(func() { g.auto = true })
					synctest.Wait()
					for _, answer := range admitted {
						if a := <-answer; a.Err != nil || a.Refusal.Refused() {
							t.Errorf("%+v", a)
						}
					}
					b.must(receive(tc.skus(room), 1, fmt.Sprint(round, "now")))
				}
				b.idle()
				b.close()
			})
		})
	}
}

// Whatever comes of a command, it is not counted as in flight afterwards: else a node would refuse
// everything in the end. And it is answered once.
func TestEveryOutcomeGivesItsPlaceBack(t *testing.T) {
	type outcome struct {
		prepare func(g *ground)
		cmd     func(b *bench) engine.Command
		want    func(a engine.Answer) bool
	}
	plain := func(c engine.Command) func(*bench) engine.Command { return func(*bench) engine.Command { return c } }
	fine := func(a engine.Answer) bool { return a.Err == nil && !a.Refusal.Refused() }
	failed := func(err error) func(a engine.Answer) bool {
		return func(a engine.Answer) bool { return errors.Is(a.Err, err) }
	}
	code := func(c engine.Code) func(a engine.Answer) bool {
		return func(a engine.Answer) bool { return a.Refusal.Code == c }
	}
	held := func(skus ...string) func(*bench) engine.ReservationRef {
		return func(b *bench) engine.ReservationRef { return b.must(reserve("hold", skus...)).Reservation.Ref }
	}
	stepOn := func(op engine.Op, ref func(*bench) engine.ReservationRef, before ...engine.Op) func(*bench) engine.Command {
		return func(b *bench) engine.Command {
			r := ref(b)
			for _, op := range before {
				b.must(step(op, op.String(), r))
			}
			c := step(op, "step", r)
			if op == engine.OpGetReservation {
				c.Key = ""
			}
			return c
		}
	}
	breakAppend := func(g *ground) { g.onAppend = func(*engine.Record) error { panic("while it was applied") } }
	breakRecord := func(err error) func(g *ground) {
		return func(g *ground) { g.onRecord = func(uint64) error { return err } }
	}
	short := engine.Command{Op: engine.OpReserve, Key: "k", Lines: []engine.Line{{SKU: "A", Quantity: 9}, {SKU: "B", Quantity: 9}}}
	replay := func(c engine.Command) func(*bench) engine.Command {
		return func(b *bench) engine.Command { b.must(c); return c }
	}
	for name, tc := range map[string]outcome{
		"success":                   {nil, plain(receive("A", 1, "k")), fine},
		"read":                      {nil, plain(get("A")), fine},
		"refusal":                   {nil, plain(engine.Command{Op: engine.OpReserve, Key: "k", Lines: short.Lines[:1]}), code(engine.InsufficientStock)},
		"unknown item":              {nil, plain(get("nobody")), code(engine.ItemNotFound)},
		"unknown item changed":      {nil, plain(receive("nobody", 1, "k")), code(engine.ItemNotFound)},
		"not accepting":             {func(g *ground) { g.accepting = engine.ErrUnavailable }, plain(receive("A", 1, "k")), failed(engine.ErrUnavailable)},
		"not accepting of 2":        {func(g *ground) { g.accepting = engine.ErrUnavailable }, plain(reserve("k", "A", "B")), failed(engine.ErrUnavailable)},
		"load fails":                {func(g *ground) { g.onLoad = func(string) error { return errBroken } }, plain(get("C")), failed(errBroken)},
		"load fails of 2":           {func(g *ground) { g.onLoad = func(string) error { return errBroken } }, plain(reserve("k", "A", "C")), failed(errBroken)},
		"panic in Decide":           {nil, plain(engine.Command{Op: engine.OpExpire, SKU: "A", Key: "k"}), failed(engine.ErrInternal)},
		"panic in Apply":            {breakAppend, plain(receive("A", 1, "k")), failed(engine.ErrInternal)},
		"panic in Apply of 2":       {breakAppend, plain(reserve("k", "A", "B")), failed(engine.ErrInternal)},
		"log refuses":               {func(g *ground) { g.onAppend = func(*engine.Record) error { return errBroken } }, plain(receive("A", 1, "k")), failed(engine.ErrInternal)},
		"replay":                    {nil, replay(receive("A", 1, "k")), func(a engine.Answer) bool { return fine(a) && a.Replayed }},
		"replay of 2":               {nil, replay(reserve("k", "A", "B")), func(a engine.Answer) bool { return fine(a) && a.Replayed }},
		"record forgotten":          {breakRecord(actors.ErrForgotten), replay(receive("A", 1, "k")), fine},
		"record forgotten of 2":     {breakRecord(actors.ErrForgotten), replay(reserve("k", "A", "B")), fine},
		"record unreadable":         {breakRecord(errBroken), replay(receive("A", 1, "k")), failed(engine.ErrUnavailable)},
		"record unreadable of 2":    {breakRecord(errBroken), replay(reserve("k", "A", "B")), failed(engine.ErrUnavailable)},
		"reservation":               {nil, stepOn(engine.OpGetReservation, held("A")), fine},
		"reservation of 2":          {nil, stepOn(engine.OpGetReservation, held("A", "B")), fine},
		"reservation over":          {nil, stepOn(engine.OpGetReservation, held("A"), engine.OpRelease), fine},
		"reservation of 2 over":     {nil, stepOn(engine.OpGetReservation, held("A", "B"), engine.OpRelease), fine},
		"step":                      {nil, stepOn(engine.OpConfirm, held("A")), fine},
		"step of 2":                 {nil, stepOn(engine.OpConfirm, held("B", "A")), fine},
		"step on what is over":      {nil, stepOn(engine.OpConfirm, held("A"), engine.OpRelease), code(engine.ReservationAlreadyReleased)},
		"step on what is over of 2": {nil, stepOn(engine.OpConfirm, held("A", "B"), engine.OpRelease), code(engine.ReservationAlreadyReleased)},
		"end forgotten":             {breakRecord(actors.ErrForgotten), stepOn(engine.OpConfirm, held("A"), engine.OpRelease), code(engine.ReservationNotFound)},
		"end unreadable":            {breakRecord(errBroken), stepOn(engine.OpConfirm, held("A"), engine.OpRelease), failed(engine.ErrUnavailable)},
		"no such reservation":       {nil, plain(step(engine.OpConfirm, "k", engine.ReservationRef{Home: "A", Nonce: 7})), code(engine.ReservationNotFound)},
		"reserve of 2":              {nil, plain(reserve("k", "B", "A")), fine},
		"refusal of 2":              {nil, plain(short), code(engine.InsufficientStock)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGround(t, true)
				b := start(t, g)
				b.stocked("A", 2)
				b.stocked("B", 2)
				cmd := tc.cmd(b)
				synctest.Wait()
				if tc.prepare != nil {
					g.set(func() { tc.prepare(g) })
				}
				answer := b.send(cmd)
				synctest.Wait()
				if len(answer) != 1 {
					t.Fatalf("%d answers", len(answer))
				}
				if a := <-answer; !tc.want(a) {
					t.Errorf("%+v", a)
				}
				b.idle()
				if n := b.Resident(); n != 2 {
					t.Errorf("%d items are in memory, there are 2", n)
				}
				g.set(func() { g.accepting, g.onAppend, g.onLoad, g.onRecord = nil, nil, nil, nil })
				b.must(receive("A", 1, "after"))
				b.agree("A")
				b.agree("B")
				b.close()
			})
		})
	}
}

// The same for atomic batches, heads and snapshots.
func TestBatchesHeadsAndSavesGiveTheirPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{InFlight: 20}))
		b.stocked("A", 2)
		b.stocked("B", 2)
		ref := b.must(reserve("hold", "A", "B")).Reservation.Ref
		over := b.must(reserve("over", "A")).Reservation.Ref
		b.must(step(engine.OpRelease, "released", over))
		gone := engine.ReservationRef{Home: "A", Nonce: 9}
		many := make([]engine.Command, 21)
		for i := range many {
			many[i] = receive(fmt.Sprint("unknown", i), 1, fmt.Sprint(i))
		}
		for name, cmds := range map[string][]engine.Command{
			"changes":          {receive("A", 1, "1"), receive("B", 1, "2"), receive("A", 1, "3")},
			"with a step":      {receive("A", 1, "4"), step(engine.OpConfirm, "5", ref)},
			"a step too late":  {receive("A", 1, "6"), step(engine.OpConfirm, "7", over)},
			"a step on none":   {receive("A", 1, "8"), step(engine.OpConfirm, "9", gone)},
			"a step nowhere":   {step(engine.OpConfirm, "10", engine.ReservationRef{Home: "nobody", Nonce: 9})},
			"one key twice":    {receive("A", 1, "11"), receive("B", 1, "11")},
			"too many":         many,
			"a panic":          {receive("A", 1, "12"), {Op: engine.OpExpire, SKU: "B", Key: "13"}},
			"an unknown item":  {receive("nobody", 1, "14")},
			"used keys":        {receive("A", 1, "1"), receive("B", 1, "2"), receive("A", 1, "3")},
			"some used keys":   {receive("A", 1, "receive A"), receive("B", 1, "16")},
			"all for 1 refuse": {receive("A", 1, "17"), {Op: engine.OpReserve, Key: "18", Lines: []engine.Line{{SKU: "B", Quantity: 1000}}}},
		} {
			answers := b.batch(cmds...)
			synctest.Wait()
			if len(answers) != 1 {
				t.Fatalf("%s: %d answers", name, len(answers))
			}
			if a := <-answers; len(a) != len(cmds) {
				t.Errorf("%s: %+v", name, a)
			}
			b.idle()
		}
		for _, sku := range []string{"A", "nobody"} {
			heads := make(chan error, 1)
			b.Head(sku, func(_ uint64, err error) { heads <- err })
			if err := <-heads; err != nil {
				t.Error(err)
			}
		}
		g.set(func() { g.onSave = func(string) error { return errBroken } })
		if err := b.Save(context.Background()); !errors.Is(err, errBroken) {
			t.Error(err)
		}
		g.set(func() { g.onSave = nil })
		synctest.Wait()
		b.idle()
		if err := b.Save(context.Background()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		b.idle()
		if n := b.Resident(); n != 2 {
			t.Errorf("%d items are in memory, there are 2", n)
		}
		b.agree("A")
		b.agree("B")
		b.close()
	})
}

// Commands that are more than an item takes at once do not keep it from being loaded, if they are its first.
func TestTooManyAtOnceOnANewItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{InFlightPerSKU: 1}))
		answers := make(chan engine.Answer, 16)
		var cmds []*engine.Command
		for i := range 2 {
			c := receive("A", 1, fmt.Sprint("k", i))
			cmds = append(cmds, &c)
		}
		b.SubmitEach(cmds, func(_ int, a *engine.Answer) { answers <- a.Clone() })
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(answers) != 2 {
			t.Errorf("%d of 2 answers after a minute", len(answers))
		}
		b.Close()
	})
}
