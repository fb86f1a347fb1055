package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// Workload says what is asked of the engine.
type Workload struct {
	Name string
	// SKUs is how many items there are; Lines how many of them one order takes from.
	SKUs, Lines int
	// TTL is the life of the holds, in milliseconds.
	TTL int64
}

// Workloads are those that there are.
func Workloads() []Workload {
	const ttl = 15 * 60 * 1000
	return []Workload{
		{Name: "uniform", SKUs: 100_000, Lines: 1, TTL: ttl},
		{Name: "hot", SKUs: 1, Lines: 1, TTL: ttl},
		{Name: "order", SKUs: 100_000, Lines: 3, TTL: ttl},
	}
}

// Stock is how many units an item begins with: more than any run takes.
const Stock = 1 << 40

// Location is where all stock is.
const Location = "main"

// Steps reports whether reservations are confirmed, fulfilled and released, so that the driver has
// to remember which they are.
func (w Workload) Steps() bool { return false }

// SKU names an item.
func SKU(n int) string { return "SKU-" + strconv.Itoa(1_000_000+n) }

// Seed calls do with the commands that make the items and stock them.
func (w Workload) Seed(run string, do func(engine.Command)) {
	for n := range w.SKUs {
		do(engine.Command{Op: engine.OpPutItem, SKU: SKU(n), Key: fmt.Sprint(run, "-put-", n)})
		do(engine.Command{Op: engine.OpReceive, SKU: SKU(n), Location: "main", Quantity: Stock, Key: fmt.Sprint(run, "-receive-", n)})
	}
}

// source makes the commands of one worker.
type source struct {
	w     Workload
	rng   *rand.Rand
	names []string
	key   []byte
	n     uint64
}

func newSource(w Workload, names []string, run string, worker int) *source {
	return &source{w: w, rng: rand.New(rand.NewPCG(uint64(worker), 7)), names: names, key: fmt.Appendf(nil, "%s-%d-", run, worker)}
}

// next fills in a reservation.
func (s *source) next(c *engine.Command) {
	lines := c.Lines[:0]
	s.n++
	*c = engine.Command{Op: engine.OpReserve, TTL: s.w.TTL, Key: string(strconv.AppendUint(s.key, s.n, 36))}
	for range s.w.Lines {
		lines = append(lines, engine.Line{SKU: s.names[s.rng.IntN(len(s.names))], Location: "main", Quantity: 1})
	}
	c.Lines = lines
}
