package gateway

import (
	"context"
	"sync"
	"sync/atomic"
)

// gathering is where the answers to many commands of one request come together, with a bound on
// how many are awaited. One goroutine hands the commands over, and waits; answers come on any.
//
// Whoever has an answer takes the gathering, writes what he has into memory that it guards, and
// counts it: nothing of an answer is kept, and no channel is passed but by those that are waited
// for. An answer that comes after the gathering was given up finds it over and writes nothing.
type gathering struct {
	// handed is how many commands were handed over; late, that time was up while they were.
	handed int
	late   bool
	// answered is changed under mu, and looked at without.
	answered atomic.Int64
	// wake is given to when what is awaited is there.
	wake chan struct{}

	mu   sync.Mutex
	over bool
	done []bool
	// count and one are what is awaited: a number of answers, or one answer, by its index plus
	// one; zero for nothing.
	count int64
	one   int
}

// begin empties the gathering for n answers.
func (g *gathering) begin(n int) {
	if g.wake == nil {
		g.wake = make(chan struct{}, 1)
	}
	if cap(g.done) < n {
		g.done = make([]bool, n)
	}
	g.done = g.done[:n]
	clear(g.done)
	g.handed, g.late, g.over, g.count, g.one = 0, false, false, 0, 0
	g.answered.Store(0)
}

// take begins to file an answer; false means that nobody wants it any more. It never waits but for
// another answer to be written.
func (g *gathering) take() bool {
	g.mu.Lock()
	if g.over {
		g.mu.Unlock()
		return false
	}
	return true
}

// filed ends what take began.
func (g *gathering) filed(i int) {
	g.done[i] = true
	if n := g.answered.Add(1); g.one == i+1 || g.count > 0 && n >= g.count {
		g.count, g.one = 0, 0
		g.wake <- struct{}{} // There is room: it is given once for each wait.
	}
	g.mu.Unlock()
}

// full reports whether as many are in flight as may be.
func (g *gathering) full() bool { return g.handed-int(g.answered.Load()) >= AnswersMax }

// acquire waits until one more command may be handed over; false means that time is up. When as
// many are in flight as may be, it waits for half of them, since answers come in bursts.
func (g *gathering) acquire(ctx context.Context) bool {
	if g.late {
		return false
	}
	if g.full() && !g.await(ctx, int64(g.handed-AnswersMax/2), 0) {
		return false
	}
	g.handed++
	return true
}

// wait waits until everything that was handed over is answered.
func (g *gathering) wait(ctx context.Context) bool { return g.await(ctx, int64(g.handed), 0) }

// waitFor waits for one answer.
func (g *gathering) waitFor(ctx context.Context, i int) bool { return g.await(ctx, 0, i+1) }

// await waits for a number of answers, or for one.
func (g *gathering) await(ctx context.Context, count int64, one int) bool {
	g.mu.Lock()
	if one == 0 && g.answered.Load() >= count || one > 0 && g.done[one-1] {
		g.mu.Unlock()
		return true
	}
	g.count, g.one = count, one
	g.mu.Unlock()
	select {
	case <-g.wake:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count == 0 && g.one == 0 {
		<-g.wake // It was given in this moment.
		return true
	}
	g.count, g.one, g.late = 0, 0, true
	return false
}

// end gives up what is not answered. From then on nothing is written, and what was can be read.
// It reports whether everything is answered: only then may the memory be used again.
func (g *gathering) end() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	return g.answered.Load() == int64(g.handed)
}
