package persistence

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
)

// The table against a map: whatever came within the minimum window, or since the floor, is found,
// as of its last record; what came before is given up, so that memory is bounded; and when neither
// is possible it says that it is full.
func TestRecallAgainstAMap(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	const window = 10 * time.Minute
	r := newRecall(1, window) // The smallest.
	type put struct {
		index uint64
		at    engine.Time
	}
	model := make(map[uint64]put)
	var order []uint64
	now, index := engine.Time(1_800_000_000_000), uint64(0)
	fulls, dropped := 0, 0
	for range 400 {
		pace := []int{1, 50, 2_000, 60_000}[rng.IntN(4)] // milliseconds between keys
		for range rng.IntN(600) {
			now += engine.Time(rng.IntN(2 * pace))
			if r.full(now) {
				fulls++
				now += engine.Time(rng.IntN(int(window.Milliseconds())))
				continue
			}
			hash := rng.Uint64() | 1
			if len(order) > 0 && rng.IntN(10) == 0 {
				hash = order[rng.IntN(len(order))]
			}
			index++
			r.put(hash, index, now)
			model[hash] = put{index, now}
			order = append(order, hash)
		}
		floor := r.floor()
		for hash, p := range model {
			got, ok := r.get(hash)
			if ok && got != p.index {
				t.Fatalf("found record %d, the key was last used in %d", got, p.index)
			}
			if must := p.at > floor || p.at > now-engine.Time(window.Milliseconds()); must && !ok {
				t.Fatalf("a key of %d ms ago is forgotten; the floor is %d ms ago", now-p.at, now-floor)
			}
			if !ok {
				dropped++
				delete(model, hash)
			}
		}
		order = order[max(0, len(order)-500):]
		if n := r.size(); n > 2*r.capacity {
			t.Fatalf("%d keys are held, twice %d should be the most", n, r.capacity)
		}
	}
	if fulls == 0 || dropped == 0 {
		t.Errorf("full %d times, %d keys dropped: too little was tried", fulls, dropped)
	}
	if _, ok := r.get(12345 << 1); ok {
		t.Error("a key that never came is found")
	}
}

// Half the longest window after it began a generation makes room, however few keys there are.
func TestRecallForgetsByTime(t *testing.T) {
	r := newRecall(1<<20, time.Minute)
	now := engine.Time(1_800_000_000_000)
	r.put(1, 1, now)
	step := engine.Time(KeyWindowMax.Milliseconds())/2 + 1
	for i := uint64(2); i < 6; i++ {
		now += step
		r.put(i, i, now)
		if _, ok := r.get(i - 1); !ok {
			t.Errorf("key %d is forgotten after %d ms", i-1, step)
		}
		if i > 2 {
			if _, ok := r.get(i - 2); ok {
				t.Errorf("key %d is remembered after %d ms", i-2, 2*step)
			}
			if f := r.floor(); f != now-step {
				t.Errorf("the floor is %d ms ago, want %d", now-f, step)
			}
		}
	}
}

// Many put and get at once, over the turns of generations.
func TestRecallAtOnce(t *testing.T) {
	r := newRecall(1, time.Minute)
	for phase := range engine.Time(10) {
		now := 1_800_000_000_000 + phase*engine.Time(2*time.Minute.Milliseconds())
		var wg sync.WaitGroup
		for worker := range uint64(8) {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(worker, uint64(phase)))
				for i := range uint64(500) {
					hash := rng.Uint64() | 1
					r.put(hash, i, now)
					if got, ok := r.get(hash); !ok || got != i {
						t.Errorf("a key is gone at once: %d %v", got, ok)
					}
					r.full(now)
					r.floor()
					r.size()
				}
			})
		}
		wg.Wait()
	}
	if n := r.size(); n >= 10*8*500 {
		t.Errorf("%d keys are held: no generation was dropped", n)
	}
}

// A generation that is full takes no more than its half of the memory.
func TestRecallTakesNoMoreThanItsMemory(t *testing.T) {
	rng := rand.New(rand.NewPCG(drawSeed(t), 1))
	for _, bytes := range []int64{1 << 20, 5 << 20, 16 << 20} {
		r := newRecall(bytes, time.Minute)
		for i := range r.capacity {
			r.put(rng.Uint64()|1, uint64(i), 1)
			if i%1000 != 0 && i != r.capacity-1 {
				continue
			}
			taken := 0
			for j := range r.young.Load().shards {
				taken += 16 * len(r.young.Load().shards[j].load())
			}
			if int64(taken) > bytes/2 {
				t.Fatalf("%d keys of %d take %d bytes of %d", i+1, r.capacity, taken, bytes/2)
			}
		}
	}
}

// Keys that are gathered first end where they would have, one by one: in the same generation, with the
// same record, and nothing but they.
func TestGatheredKeysAgainstOneByOne(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	for round := range 20 {
		const window = 10 * time.Minute
		bytes := []int64{1, 200_000, 1 << 30}[rng.IntN(3)]
		one, many := newRecall(bytes, window), newRecall(bytes, window)
		gathered := gatheredKeys{recall: many}
		now, puts := engine.Time(1_800_000_000_000), 1+rng.IntN(20_000)
		if round == 0 {
			puts = keysGathered + 100_000 // More than are gathered at once.
		}
		pace := []int{1, 5, 5_000}[rng.IntN(3)] // milliseconds between keys
		var hashes []uint64
		for i := range uint64(puts) {
			now += engine.Time(rng.IntN(2 * pace))
			hash := rng.Uint64() | 1
			if len(hashes) > 0 && rng.IntN(10) == 0 {
				hash = hashes[rng.IntN(len(hashes))]
			}
			hashes = append(hashes, hash)
			one.put(hash, i, now)
			gathered.put(hash, i, now)
			if rng.IntN(5000) == 0 {
				gathered.file()
			}
		}
		gathered.file()
		for _, hash := range hashes {
			want, wanted := one.get(hash)
			got, found := many.get(hash)
			if got != want || found != wanted {
				t.Fatalf("of %d keys %x leads to record %d (%v), one by one to %d (%v)", puts, hash, got, found, want, wanted)
			}
		}
		if one.size() != many.size() || one.floor() != many.floor() {
			t.Fatalf("of %d keys %d are held since %d, one by one %d since %d", puts, many.size(), many.floor(), one.size(), one.floor())
		}
	}
}

// A key that there is room for is put without any memory.
func TestRecallPutsWithoutAllocating(t *testing.T) {
	r := newRecall(1<<20, time.Minute)
	for i := range uint64(100) {
		r.put(i+1, i, 1)
	}
	if n := testing.AllocsPerRun(100, func() { r.put(50, 1, 1) }); n != 0 {
		t.Errorf("putting a key allocates %v times", n)
	}
}
