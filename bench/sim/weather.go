package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// weather is what one life is like. Each seed switches some faults off and makes others wild: bugs
// hide behind faults that happen all the time as well as behind those that never do.
type weather struct {
	clients, ops, items, cold, locations int
	units                                int64
	think                                time.Duration // between two commands of a client, at most
	ttl                                  time.Duration // of holds, at most
	reads, batches                       int           // in percent

	loss, repeat int // of messages, in percent
	delay        time.Duration
	timeout      time.Duration

	diskTime time.Duration // of one operation of the log, at most
	pause    time.Duration // of the node's goroutines, at most
	keep     int           // percent of what was not synced that a power failure leaves; -1 for any
	torn     bool
	rot      bool

	faults  int // about how many in the life
	kinds   []faultKind
	downFor time.Duration // at most

	limits     actors.Limits
	partitions int
	segment    int64
	snapshot   time.Duration
	keyBytes   int64
}

func newWeather(dice *rand.Rand) weather {
	w := weather{
		clients: 8 + dice.IntN(23), ops: 10 + dice.IntN(60), items: 1 + dice.IntN(6), locations: 1 + dice.IntN(2),
		units: 1 << dice.IntN(8), think: time.Millisecond << dice.IntN(12), ttl: time.Millisecond << dice.IntN(24),
		reads: dice.IntN(40), timeout: 10 * time.Millisecond << dice.IntN(9),
		diskTime: 20 * time.Microsecond << dice.IntN(9), keep: -1,
		downFor: time.Millisecond << dice.IntN(16), partitions: 1 << dice.IntN(4), segment: 8 << 10 << dice.IntN(4),
		snapshot: 20 * time.Millisecond << dice.IntN(10), keyBytes: 64 << 10 << dice.IntN(5),
	}
	some := func() bool { return dice.IntN(2) == 0 }
	if some() {
		w.loss, w.repeat = dice.IntN(30), dice.IntN(40)
	}
	if some() {
		w.batches = dice.IntN(30)
	}
	w.delay = 50 * time.Microsecond << dice.IntN(12)
	if dice.IntN(4) == 0 {
		w.cold = 20 + dice.IntN(100)
	}
	if some() {
		w.pause = 10 * time.Microsecond << dice.IntN(8)
	}
	if some() {
		w.keep = []int{0, 50, 100}[dice.IntN(3)]
	}
	w.torn, w.rot = some(), some()
	if dice.IntN(8) > 0 {
		w.faults = 1 + dice.IntN(12)
	}
	for _, k := range faultKinds {
		if some() {
			w.kinds = append(w.kinds, k)
		}
	}
	if dice.IntN(6) == 0 {
		w.downFor = time.Hour << dice.IntN(6)
	}
	w.limit(dice, some)
	return w
}

// limit draws how much the node takes on.
func (w *weather) limit(dice *rand.Rand, some func() bool) {
	w.limits.Workers = 6 // However many processors there are.
	w.limits.IdleAfter = time.Second << dice.IntN(6)
	if some() {
		w.limits.Resident = 1 + dice.IntN(w.items+w.cold)
	}
	if dice.IntN(4) == 0 {
		w.limits.InFlight = 1 + dice.IntN(20)
	}
	if dice.IntN(4) == 0 {
		w.limits.InFlightPerSKU = 1 + dice.IntN(6)
	}
	if dice.IntN(8) == 0 {
		w.limits.InFlightPerPartition = 2 + dice.IntN(12)
	}
}

// wreck draws what the next power failure leaves.
func (w *weather) wreck(dice *rand.Rand) wreck {
	keep := w.keep
	if keep < 0 {
		keep = dice.IntN(101)
	}
	return wreck{seed: dice.Uint64(), keep: keep, torn: w.torn, rot: w.rot}
}

func (w *weather) sku(i int) string { return fmt.Sprintf("item-%d", i) }

// life is about how long the clients take.
func (w *weather) life() time.Duration {
	return time.Duration(w.ops) * (w.think/4 + w.delay + 2*w.diskTime)
}

// expiresLate is by how many milliseconds the expiry of a hold may be written late when all is calm.
func (w *weather) expiresLate() engine.Time { return 2 + engine.Time(4*w.pause/time.Millisecond) }
