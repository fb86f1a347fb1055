package sim

import (
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// Inside a synctest bubble time moves on only when every goroutine waits. So whoever acts at a
// nanosecond of its own acts alone, and how goroutines are scheduled does not matter. The lanes see
// to that: everybody who acts by themselves has one, and acts only at moments whose nanosecond,
// modulo laneCount, is the lane's number. Timers of whole microseconds stay in their lane.
const laneCount = 1000

// The lanes. Those of clients and of the disk's files are ranges.
const (
	laneDriver = iota
	laneFaults
	lanePace          // and the next few, see paceLanes
	laneClients = 20  // four for each client: thinking, and messages on their way
	laneDisk    = 300 // by the name of the file
	laneEnd     = 990 // for what comes after all clients
)

const lanesPerClient = 4

// paceLanes are those of the node's own goroutines.
var paceLanes = map[string]int{
	"commit": 0, "wheel": 1, "sweep": 2, "deadlines": 3, "save": 4, "upkeep": 5, "convert": 6, "read": 7, "work": 8,
}

// timeline hands out moments. No moment is given twice.
type timeline struct {
	mu    sync.Mutex
	taken map[int64]struct{}
	dice  [laneCount]*rand.Rand
	seed  uint64
	// pauseMax is how long a goroutine of the node waits at most for the processor.
	pauseMax time.Duration
}

func newTimeline(seed uint64) *timeline {
	return &timeline{taken: make(map[int64]struct{}), seed: seed}
}

// place takes the first free moment of a lane after a delay, and says how far away it is.
func (tl *timeline) place(lane int, delay time.Duration) time.Duration {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	return tl.placeLocked(lane, delay)
}

func (tl *timeline) placeLocked(lane int, delay time.Duration) time.Duration {
	now := time.Now().UnixNano()
	at := now + int64(delay)
	at += int64(lane) - at%laneCount
	for _, ok := tl.taken[at]; at <= now || ok; _, ok = tl.taken[at] {
		at += laneCount
	}
	tl.taken[at] = struct{}{}
	return time.Duration(at - now)
}

// sleep waits until a moment of a lane.
func (tl *timeline) sleep(lane int, delay time.Duration) { time.Sleep(tl.place(lane, delay)) }

// within draws a duration up to most, with the dice of a lane; small ones are as likely as large ones.
func (tl *timeline) within(lane int, most time.Duration) time.Duration {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	return tl.withinLocked(lane, most)
}

func (tl *timeline) withinLocked(lane int, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	if tl.dice[lane] == nil {
		tl.dice[lane] = rand.New(rand.NewPCG(tl.seed, uint64(lane)))
	}
	return spread(tl.dice[lane], most)
}

// spread draws a duration whose order of magnitude is as good as any up to most.
func spread(dice *rand.Rand, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	top := time.Microsecond << dice.IntN(34)
	return time.Duration(dice.Int64N(int64(min(most, top)) + 1))
}

// pace is the node's: each of its goroutines acts in a lane of its own.
func (tl *timeline) pace(who string) (wait func()) {
	n, ok := paceLanes[who]
	if !ok {
		panic("sim: a goroutine that has no lane: " + who)
	}
	lane := lanePace + n
	tl.mu.Lock()
	d := tl.placeLocked(lane, tl.withinLocked(lane, tl.pauseMax))
	tl.mu.Unlock()
	return func() { time.Sleep(d) }
}

// laneOf is the lane of a file.
func laneOf(path string) int {
	h := fnv.New32a()
	h.Write([]byte(path))
	return laneDisk + int(h.Sum32()%(laneEnd-laneDisk))
}
