package gateway

import (
	"context"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// gathering collects the answers to many commands, with a bound on how many are awaited. Answers
// that come after it was given up find their place and are never looked at.
type gathering struct {
	slots chan struct{}
	mu    sync.Mutex
	items []gathered
}

type gathered struct {
	answer engine.Answer
	done   bool
	// then is closed when the answer is there, if somebody waits for it.
	then chan struct{}
}

func newGathering(n int) *gathering {
	return &gathering{slots: make(chan struct{}, AnswersMax), items: make([]gathered, n)}
}

// acquire waits until one more command may be handed over; false means that time is up.
func (g *gathering) acquire(ctx context.Context) bool {
	select {
	case g.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// put files an answer. It never blocks.
func (g *gathering) put(i int, a *engine.Answer) {
	g.mu.Lock()
	it := &g.items[i]
	it.answer, it.done = *a, true
	if it.then != nil {
		close(it.then)
	}
	g.mu.Unlock()
	<-g.slots
}

// get returns an answer, if it is there.
func (g *gathering) get(i int) (engine.Answer, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.items[i].answer, g.items[i].done
}

// await waits for one answer.
func (g *gathering) await(ctx context.Context, i int) bool {
	g.mu.Lock()
	it := &g.items[i]
	if it.done {
		g.mu.Unlock()
		return true
	}
	if it.then == nil {
		it.then = make(chan struct{})
	}
	then := it.then
	g.mu.Unlock()
	select {
	case <-then:
		return true
	case <-ctx.Done():
		return false
	}
}

// wait waits until nothing that was handed over is unanswered.
func (g *gathering) wait(ctx context.Context) bool {
	for range cap(g.slots) {
		if !g.acquire(ctx) {
			return false
		}
	}
	for range cap(g.slots) {
		<-g.slots
	}
	return true
}
