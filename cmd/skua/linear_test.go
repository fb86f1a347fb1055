package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/skua-stock/skua/engine"
)

var (
	linearSeed = flag.Uint64("linear.seed", 0, "seed of the recorded histories; 0 draws one")
	linearFor  = flag.Duration("linear.for", time.Second, "how long histories are recorded, in rounds of some seconds")
)

const (
	linearLocation = "main"
	linearClients  = 6
	linearWorlds   = 8
	linearKills    = 3
	// linearPause is about the time between two operations of a client. A history of a few thousand
	// operations on a few items is judged in seconds; one of a hundred thousand never.
	linearPause = 4 * time.Millisecond
	// linearPatience bounds the search for an order.
	linearPatience = time.Minute
)

// request is what a client asks of a door.
type request struct {
	told
	sku string
}

// record is the history of a world: a few items that no other world touches, and their clients.
type record struct {
	s     *killedServer
	name  string
	skus  []string
	begin time.Time

	mu   sync.Mutex
	ops  []porcupine.Operation
	ids  []string // by nonce of the model, from 1
	held []uint64
}

// TestLinearizable records what clients of both doors ask and are told while the server is killed
// and started again, and has porcupine look for an order in which the engine's naive twin would have
// told them the same. There is one for every world, or something that was told was not true.
func TestLinearizable(t *testing.T) {
	seed := *linearSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with: go test ./cmd/skua -run '^TestLinearizable$' -linear.seed %d -linear.for %s", seed, *linearFor)
	rng := rand.New(rand.NewPCG(seed, 0))
	s := &killedServer{t: t, dir: filepath.Join(t.TempDir(), "data")}
	s.start()
	for end := time.Now().Add(*linearFor); time.Now().Before(end) && !t.Failed(); {
		linearRound(s, rng)
	}
	s.end(syscall.SIGTERM)
}

// linearRound records and judges histories of some worlds that were not there before.
func linearRound(s *killedServer, rng *rand.Rand) {
	records := make([]*record, linearWorlds)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range records {
		r := &record{s: s, name: fmt.Sprintf("W%x-%d", rng.Uint32(), w), begin: time.Now()}
		records[w] = r
		for i := range 1 + w%2*2 { // Single items, and orders over three.
			r.skus = append(r.skus, fmt.Sprint(r.name, "-", i))
		}
		for c := range linearClients {
			plan := rand.New(rand.NewPCG(rng.Uint64(), uint64(c)))
			wg.Go(func() { r.live(c, plan, stop) })
		}
	}
	for range linearKills {
		time.Sleep(time.Duration(300+rng.IntN(900)) * time.Millisecond)
		s.end(syscall.SIGKILL)
		s.start()
	}
	close(stop)
	wg.Wait()
	for _, r := range records {
		r.judge()
	}
	if !s.t.Failed() {
		records[1].teeth(rng)
	}
}

// live is a client: it asks, again and again under the same key, until it is told; sometimes through
// both doors at once, and sometimes it gives up.
func (r *record) live(client int, rng *rand.Rand, stop <-chan struct{}) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.Int64N(int64(2 * linearPause)))):
		}
		key := fmt.Sprintf("%s-c%d-%d", r.name, client, n)
		cmd, ask := r.next(rng, key)
		call := time.Since(r.begin).Nanoseconds()
		told := r.ask(cmd, ask, rng)
		op := porcupine.Operation{ClientId: client, Input: cmd, Call: call, Output: told, Return: time.Since(r.begin).Nanoseconds()}
		if told.unknown {
			op.Return = time.Duration(1<<62).Nanoseconds() + call // It may happen until the end.
		}
		r.mu.Lock()
		r.ops = append(r.ops, op)
		if made := cmd.Op == engine.OpReserve || cmd.Op == engine.OpCommit; made && told.code == "" && !told.unknown {
			r.held = append(r.held, cmd.Reservation.Nonce)
		}
		r.mu.Unlock()
	}
}

// next makes up an operation: for the model, and for the doors.
func (r *record) next(rng *rand.Rand, key string) (*engine.Command, *request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sku := r.skus[rng.IntN(len(r.skus))]
	c := &engine.Command{SKU: sku, Key: key}
	ask := &request{told: told{key: key}}
	if n := len(r.held); n > 0 && rng.IntN(5) < 2 {
		c.Reservation.Nonce = r.held[rng.IntN(n)]
		c.Op = []engine.Op{engine.OpConfirm, engine.OpRelease, engine.OpFulfill, engine.OpCancel, engine.OpGetReservation}[rng.IntN(5)]
		if rng.IntN(2) == 0 {
			r.held = slices.DeleteFunc(r.held, func(n uint64) bool { return n == c.Reservation.Nonce })
		}
		c.SKU, ask.id = "", r.ids[c.Reservation.Nonce-1]
		ask.op = c.Op.String()
		return c, ask
	}
	body := map[string]any{"location": linearLocation, "reason": "correction"}
	c.Location, c.Reason = linearLocation, "correction"
	switch k := rng.IntN(20); {
	case k < 6:
		c.Op, ask.sku = engine.OpGetItem, sku
		body = nil
	case k == 6:
		c.Op, c.Location, c.Reason = engine.OpPutItem, "", ""
		body = map[string]any{}
	case k == 7:
		c.Op, c.Quantity = engine.OpReceive, int64(1+rng.IntN(4))
		body["quantity"] = c.Quantity
	case k == 8:
		c.Op, c.Quantity = engine.OpAdjust, int64(1-2*rng.IntN(2))
		body["delta"] = c.Quantity
	case k == 9:
		c.Op, c.Quantity, c.ChangeFrom, c.HasChangeFrom = engine.OpSet, int64(rng.IntN(6)), int64(rng.IntN(6)), true
		body["quantity"], body["change_from_quantity"] = c.Quantity, c.ChangeFrom
	default:
		r.order(rng, c)
		c.SKU, c.Location, c.Reason, ask.op = "", "", "", "reserve"
		if c.Op == engine.OpCommit {
			ask.op = "commit"
		}
		lines := []map[string]any{}
		for _, l := range c.Lines {
			lines = append(lines, map[string]any{"sku": l.SKU, "location": l.Location, "quantity": l.Quantity})
		}
		ask.body = map[string]any{"lines": lines}
		return c, ask
	}
	ask.op, ask.sku = c.Op.String(), sku
	if body != nil {
		ask.body = body
	}
	return c, ask
}

// order makes up a reservation, or a commitment, of some of the world's items.
func (r *record) order(rng *rand.Rand, c *engine.Command) {
	c.Op = engine.OpReserve
	if rng.IntN(4) == 0 {
		c.Op = engine.OpCommit
	}
	for _, i := range rng.Perm(len(r.skus))[:1+rng.IntN(len(r.skus))] {
		c.Lines = append(c.Lines, engine.Line{SKU: r.skus[i], Location: linearLocation, Quantity: int64(1 + rng.IntN(2))})
	}
	r.ids = append(r.ids, "")
	c.Reservation.Nonce = uint64(len(r.ids))
}

// ask insists through one door or both, or gives up at an error.
func (r *record) ask(cmd *engine.Command, ask *request, rng *rand.Rand) *said {
	overNATS, both, patient := rng.IntN(2) == 0, cmd.Op.Mutates() && rng.IntN(8) == 0, rng.IntN(4) > 0
	first := make(chan *request, 2)
	try := func(overNATS bool) {
		mine := *ask
		for {
			answer, code, err := r.s.send(overNATS, mine.op, mine.sku, mine.id, mine.key, mine.body)
			if err == nil && !unavailable(code) && code != "503" {
				mine.answer, mine.code = answer, code
				first <- &mine
				return
			}
			if !patient && !both {
				first <- nil
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	go try(overNATS)
	if both {
		go try(!overNATS)
	}
	got := <-first
	if both {
		// A refusal is not remembered, so the second may be told otherwise, and may have happened later.
		switch other := <-first; {
		case got.code != "" && other.code == "":
			got = other
		case got.code == "" && other.code == "" && !bytes.Equal(got.answer, other.answer):
			r.s.t.Errorf("%s %s: told %s through one door and %s through the other", got.op, got.key, got.answer, other.answer)
		}
	}
	if got == nil {
		return &said{unknown: true}
	}
	return r.hear(cmd, got)
}

// hear reads an answer.
func (r *record) hear(cmd *engine.Command, got *request) *said {
	v := &said{code: got.code}
	into := any(v)
	if got.code != "" {
		into = &v.problem
	}
	if err := json.Unmarshal(got.answer, into); err != nil {
		r.s.t.Errorf("%s: answer %q: %v", got.op, got.answer, err)
	}
	if cmd.Op == engine.OpReserve || cmd.Op == engine.OpCommit {
		var made reservation
		if json.Unmarshal(got.answer, &made) == nil && got.code == "" {
			r.mu.Lock()
			r.ids[cmd.Reservation.Nonce-1] = made.ID
			r.mu.Unlock()
		}
	}
	return v
}

// judge fails the test when no order explains the history.
func (r *record) judge() {
	unknown := 0
	for _, op := range r.ops {
		if op.Output.(*said).unknown {
			unknown++
		}
	}
	begin := time.Now()
	verdict, info := porcupine.CheckOperationsVerbose(linearModel, r.ops, linearPatience)
	r.s.t.Logf("%s, %d items: %d operations, %d of them given up: %s in %s", r.name, len(r.skus), len(r.ops), unknown, verdict, time.Since(begin).Round(time.Millisecond))
	if verdict == porcupine.Ok {
		return
	}
	r.stuck(info)
	path := filepath.Join(os.TempDir(), fmt.Sprintf("skua-linear-%s.html", r.name))
	if err := porcupine.VisualizePath(linearModel, info, path); err != nil {
		r.s.t.Error(err)
	}
	r.s.t.Errorf("no order explains what the clients of %s were told (%s): %s", r.name, verdict, path)
}

// stuck logs where the longest order that explains a part of the history ends: the state there, and
// the first operations that did not fit.
func (r *record) stuck(info porcupine.LinearizationInfo) {
	var longest []porcupine.Operation
	for _, partial := range info.PartialLinearizationsOperations()[0] {
		if len(partial) > len(longest) {
			longest = partial
		}
	}
	state := linearModel.Init()
	for _, op := range longest {
		_, state = linearModel.Step(state, op.Input, op.Output)
	}
	r.s.t.Logf("%d operations fit, and lead to\n%s", len(longest), linearModel.DescribeState(state))
	rest := slices.DeleteFunc(slices.Clone(r.ops), func(op porcupine.Operation) bool {
		return slices.ContainsFunc(longest, func(fits porcupine.Operation) bool { return fits.Input == op.Input })
	})
	slices.SortFunc(rest, func(a, b porcupine.Operation) int { return cmp.Compare(a.Return, b.Return) })
	for _, op := range rest[:min(len(rest), 2*linearClients)] {
		r.s.t.Logf("%d to %d: %s", op.Call, op.Return, linearModel.DescribeOperation(op.Input, op.Output))
	}
}

// teeth tells lies in a history that was found good, one at a time, and sees that each is noticed:
// an answer that says a sequence more, a change that is left out, a read that is older than it may be.
func (r *record) teeth(rng *rand.Rand) {
	lie := func(name string, change func(ops []porcupine.Operation, i int) []porcupine.Operation, may func(*engine.Command, *said) bool) {
		var candidates []int
		for i, op := range r.ops {
			if told := op.Output.(*said); told.code == "" && !told.unknown && may(op.Input.(*engine.Command), told) {
				candidates = append(candidates, i)
			}
		}
		if len(candidates) == 0 {
			r.s.t.Errorf("%s: there is no operation to try it on", name)
			return
		}
		for range 3 { // One that was given up may stand in for the one that is left out, but hardly for three.
			ops := change(slices.Clone(r.ops), candidates[rng.IntN(len(candidates))])
			if porcupine.CheckOperationsTimeout(linearModel, ops, linearPatience) != porcupine.Ok {
				return
			}
		}
		r.s.t.Errorf("%s: nobody noticed", name)
	}
	lie("an answer that says a sequence more", func(ops []porcupine.Operation, i int) []porcupine.Operation {
		told := *ops[i].Output.(*said)
		told.Sequence++
		ops[i].Output = &told
		return ops
	}, func(c *engine.Command, told *said) bool { return c.SKU != "" })
	lie("a change that was told and is lost", func(ops []porcupine.Operation, i int) []porcupine.Operation {
		return slices.Delete(ops, i, i+1)
	}, func(c *engine.Command, told *said) bool { return c.Op == engine.OpReserve })
	lie("a unit that is sold twice", func(ops []porcupine.Operation, i int) []porcupine.Operation {
		again := ops[i]
		cmd := *again.Input.(*engine.Command)
		cmd.Reservation.Nonce = 1 << 40
		again.Input = &cmd
		return append(ops, again)
	}, func(c *engine.Command, told *said) bool { return c.Op == engine.OpReserve })
}
