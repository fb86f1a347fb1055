package actors_test

import (
	"testing"
	"testing/synctest"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// told reports how many of the answers are there.
func told[T any](answers []chan T) (n int) {
	for _, a := range answers {
		n += len(a)
	}
	return n
}

// Nothing leaves above the watermark: whatever says something about the stock waits until the
// record that it was read from is durable, and not one record longer.
func TestNothingLeavesAboveTheWatermark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 2)
		b.stocked("B", 2)
		b.stocked("quiet", 2)
		old := b.must(reserve("old", "A")).Reservation.Ref
		both := b.must(reserve("both", "A", "B")).Reservation.Ref
		b.must(step(engine.OpConfirm, "confirmed", both))
		synctest.Wait()
		g.set(func() { g.auto = false })
		durable := g.Durable()

		receipt := receive("A", 5, "more")
		answers := []chan engine.Answer{b.send(receipt)}
		read := durable + 1
		for name, c := range map[string]engine.Command{
			"a read":              get("A"),
			"a refusal":           {Op: engine.OpReserve, Key: "too many", Lines: []engine.Line{{SKU: "A", Quantity: 100}}},
			"a replay":            receipt,
			"a mismatch":          receive("A", 6, "more"),
			"a reservation":       {Op: engine.OpGetReservation, Reservation: old},
			"a reservation of 2":  {Op: engine.OpGetReservation, Reservation: both},
			"a refused step":      step(engine.OpFulfill, "too early", old),
			"a refused step of 2": step(engine.OpConfirm, "again", both),
			"a refusal of 2":      {Op: engine.OpReserve, Key: "too many of 2", Lines: []engine.Line{{SKU: "A", Quantity: 100}, {SKU: "B", Quantity: 1}}},
			"no reservation":      {Op: engine.OpGetReservation, Reservation: engine.ReservationRef{Home: "A", Nonce: 1}},
			"a refused create":    {Op: engine.OpPutItem, SKU: "A", Key: "stale", HasIfMatch: true, IfMatch: 1},
		} {
			answer := b.send(c)
			synctest.Wait()
			if len(answer) != 0 {
				t.Errorf("%s was let out: %+v", name, <-answer)
			}
			answers = append(answers, answer)
		}
		heads := make(chan uint64, 2)
		b.Head("A", func(last uint64, err error) { heads <- last })
		synctest.Wait() // It asks before what follows.
		changes := []chan engine.Answer{b.send(step(engine.OpRelease, "release", old)), b.send(reserve("one more of 2", "B", "A"))}
		batch := b.batch(receive("A", 1, "b1"), receive("B", 1, "b2"))
		refusedBatch := b.batch(receive("A", 1, "b3"), receive("unknown", 1, "b4"))
		synctest.Wait()
		if n := told(answers) + told(changes) + len(heads) + len(batch) + len(refusedBatch); n != 0 {
			t.Fatalf("%d answers were let out", n)
		}
		if a := b.do(get("quiet")); a.Item == nil {
			t.Errorf("an item with nothing above the watermark waits for others: %+v", a)
		}
		if a := b.do(get("unknown")); a.Refusal.Code != engine.ItemNotFound {
			t.Errorf("%+v", a)
		}

		g.move(read)
		synctest.Wait()
		if n := told(answers); n != len(answers) {
			t.Errorf("%d of %d answers are there although what they were read from is durable", n, len(answers))
		}
		if told(changes) != 0 || len(batch) != 0 {
			t.Error("a later change was let out with them")
		}
		if len(heads) != 1 || <-heads != read {
			t.Error("the head waits, or is another")
		}
		for last := g.Last(); read < last; read++ {
			before := told(changes) + len(batch)
			g.move(read + 1)
			synctest.Wait()
			if n := told(changes) + len(batch); n != before+1 {
				t.Errorf("record %d let out %d answers", read+1, n-before)
			}
		}
		if len(refusedBatch) != 1 {
			t.Error("the refused batch got no answer")
		}
		b.idle()
		b.close()
	})
}

// What was only read from the memory of an actor waits for the highest of all the states it saw.
func TestAVisitWaitsForEachOfItsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 2)
		b.stocked("B", 2)
		both := b.must(reserve("both", "A", "B")).Reservation.Ref
		synctest.Wait()
		g.set(func() { g.auto = false })
		durable := g.Durable()
		for i, sku := range []string{"B", "A"} {
			b.send(receive(sku, 1, "more"+sku))
			answer := b.send(engine.Command{Op: engine.OpGetReservation, Reservation: both})
			synctest.Wait()
			if len(answer) != 0 {
				t.Errorf("a view of %q was let out", sku)
			}
			g.move(durable + uint64(i) + 1)
			synctest.Wait()
			if len(answer) != 1 {
				t.Error("the view waits for more than it has seen")
			}
		}
		b.close()
	})
}

// A refusal for want of room says nothing about the stock, and comes at once. So does the answer
// that changes are not taken.
func TestOverloadedAnswersAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g, limits(actors.Limits{InFlightPerSKU: 2}))
		b.stocked("A", 2)
		synctest.Wait()
		g.set(func() { g.auto = false; g.accepting = engine.ErrUnavailable })
		if a := <-b.send(receive("A", 1, "full")); a.Err != engine.ErrUnavailable {
			t.Errorf("%+v", a)
		}
		if a := <-b.batch(receive("A", 1, "full"), receive("A", 1, "too")); a[0].Err != engine.ErrUnavailable || a[1].Err != engine.ErrUnavailable {
			t.Errorf("%+v", a)
		}
		g.set(func() { g.accepting = nil })
		waiting := []chan engine.Answer{b.send(receive("A", 1, "k1")), b.send(get("A"))}
		synctest.Wait()
		if a := <-b.send(get("A")); a.Err != engine.ErrOverloaded {
			t.Errorf("%+v", a)
		}
		if a := <-b.send(reserve("of 2", "A", "B")); a.Err != engine.ErrOverloaded {
			t.Errorf("%+v", a)
		}
		if told(waiting) != 0 {
			t.Error("they came out")
		}
		g.move(g.Last())
		synctest.Wait()
		if a := <-b.send(get("A")); a.Err != nil || told(waiting) != 2 {
			t.Errorf("no recovery: %+v", a)
		}
		b.idle()
		b.close()
	})
}

// When the log dies, whoever waits is told that nothing is known, once.
func TestTheLogDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGround(t, true)
		b := start(t, g)
		b.stocked("A", 2)
		b.stocked("B", 2)
		synctest.Wait()
		g.set(func() { g.auto = false })
		answers := []chan engine.Answer{
			b.send(receive("A", 1, "k")), b.send(get("A")), b.send(receive("A", 1, "k")), b.send(reserve("both", "A", "B")),
		}
		batch := b.batch(receive("A", 1, "b1"), receive("B", 1, "b2"))
		synctest.Wait()
		g.die(errBroken)
		synctest.Wait()
		for i, answer := range answers {
			if len(answer) != 1 {
				t.Fatalf("answer %d came %d times", i, len(answer))
			}
			if a := <-answer; a.Err == nil {
				t.Errorf("answer %d: %+v", i, a)
			}
		}
		if a := <-batch; a[0].Err == nil || a[1].Err == nil {
			t.Errorf("%+v", a)
		}
		b.idle()
		b.Close()
	})
}
