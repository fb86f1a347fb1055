package gateway

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestGathering hands over many commands to goroutines that answer in any order and time.
func TestGathering(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var g gathering
	for range 200 {
		n := 1 + random.IntN(3*AnswersMax)
		g.begin(n)
		var under atomic.Int64
		queue := make(chan int, n)
		var answering sync.WaitGroup
		for range 3 {
			answering.Go(func() {
				for i := range queue {
					if !g.take() {
						t.Error("an answer came after the end")
						continue
					}
					under.Add(-1)
					g.filed(i)
				}
			})
		}
		for i := range n {
			if !g.acquire(t.Context()) {
				t.Fatal("not acquired")
			}
			if most := under.Add(1); most > AnswersMax {
				t.Fatalf("%d are in flight (seed %d)", most, seed)
			}
			queue <- i
			if random.IntN(20) == 0 {
				one := random.IntN(i + 1)
				if !g.waitFor(t.Context(), one) || !isDone(&g, one) {
					t.Fatalf("answer %d did not come (seed %d)", one, seed)
				}
			}
		}
		if !g.wait(t.Context()) || !g.end() {
			t.Fatal("not everything is answered")
		}
		close(queue)
		answering.Wait()
	}
}

func isDone(g *gathering, i int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done[i]
}

// TestGatheringGivenUp: what comes after the end is turned away, and what is not there in time
// ends the handing over.
func TestGatheringGivenUp(t *testing.T) {
	var g gathering
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	g.begin(AnswersMax + 1)
	for range AnswersMax {
		if !g.acquire(ctx) {
			t.Fatal("there is room")
		}
	}
	if g.acquire(ctx) {
		t.Fatal("one too many")
	}
	if g.take(); !g.late {
		t.Error("the gathering is not late")
	}
	g.filed(7)
	if g.acquire(ctx) {
		t.Error("a command is handed over after time was up")
	}
	if g.waitFor(ctx, 8) || !g.waitFor(ctx, 7) {
		t.Error("answer 7 is there, answer 8 is not")
	}
	if g.end() {
		t.Error("everything is answered")
	}
	if g.take() {
		t.Error("an answer is taken after the end")
	}
}
