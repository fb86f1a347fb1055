package gateway

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
)

// late is a port that answers on goroutines of its own, in any order and time. It checks that no
// more is in flight than may be.
type late struct {
	bursts
	t       *testing.T
	under   atomic.Int64
	queue   chan func()
	clients sync.WaitGroup
}

func (p *late) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	if most := p.under.Add(int64(len(cs))); most > AnswersMax {
		p.t.Errorf("%d are in flight", most)
	}
	for i, c := range cs {
		sku := c.SKU
		p.queue <- func() { p.under.Add(-1); answer(i, &engine.Answer{SKU: sku}) }
	}
	clear(cs) // It is the caller's again.
}

// TestBunch hands over many commands, and holds every answer against its command.
func TestBunch(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p := &late{t: t, queue: make(chan func(), AnswersMax)}
	for range 3 {
		p.clients.Go(func() {
			for give := range p.queue {
				give()
			}
		})
	}
	var b bunch
	for range 200 {
		n := 1 + random.IntN(3*AnswersMax)
		commands := make([]engine.Command, n)
		b.start(n, p, func(i int, a *engine.Answer) {
			if !b.take() {
				t.Error("an answer came after the end")
				return
			}
			if b.done[i] || a.SKU != commands[i].SKU {
				t.Errorf("command %d, %q, got the answer to %q (seed %d)", i, commands[i].SKU, a.SKU, seed)
			}
			b.filed(i)
		})
		added := 0
		for i := range n {
			if random.IntN(4) == 0 {
				continue // As one that has a problem already.
			}
			commands[i].SKU = string(rune('a' + random.IntN(26)))
			if !b.add(t.Context(), i, &commands[i]) {
				t.Fatal("not added")
			}
			added++
			if random.IntN(40) == 0 && (!b.awaitOne(t.Context(), i) || !isDone(&b.gathering, i)) {
				t.Fatalf("answer %d did not come (seed %d)", i, seed)
			}
		}
		if !b.awaitAll(t.Context()) || int(b.answered.Load()) != added || !b.end() {
			t.Fatalf("%d of %d answers came (seed %d)", b.answered.Load(), added, seed)
		}
	}
	close(p.queue)
	p.clients.Wait()
}

// TestBunchGivenUp: when time is up, what was added is handed over, and nothing else is.
func TestBunchGivenUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	p := &late{t: t, queue: make(chan func(), 2*AnswersMax)}
	var b bunch
	b.start(2*AnswersMax, p, func(int, *engine.Answer) {})
	added := 0
	for i := range 2 * AnswersMax {
		if b.add(ctx, i, new(engine.Command)) {
			added++
		}
	}
	if b.awaitAll(ctx) {
		t.Error("there are no answers")
	}
	if b.end() || added != AnswersMax || len(p.queue) != AnswersMax {
		t.Errorf("%d are added and %d handed over, want %d", added, len(p.queue), AnswersMax)
	}
}
