package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// TestMain has nats-server found where `make bench-peers` puts it.
func TestMain(m *testing.M) {
	bin, err := filepath.Abs("../../bin")
	if err == nil {
		err = os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+bin)
	}
	if err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// scarce is how many units each item of the tests has.
const scarce = 50

// ways are all that there is to test.
var ways = map[string]opener{
	"postgres-statement":   openPostgres(oneStatement),
	"postgres-for-update":  openPostgres(forUpdate),
	"postgres-batch":       openPostgres(batches(100)),
	"redis":                openRedis,
	"jetstream":            openJetStream(true),
	"jetstream-notdurable": openJetStream(false),
}

// checks are what is tried with each system, one after the other, each with items of its own: to
// start a server takes longer than a check.
var checks = []struct {
	name  string
	lines int // of the system that it is for
	check func(t *testing.T, s *system)
}{
	{"SellOut", 1, checkSellOut},
	{"KeyCountsOnce", 1, checkKeyCountsOnce},
	{"Expire", 1, func(t *testing.T, s *system) { checkExpire(t, s, 1) }},
	{"Steps", 1, checkSteps},
	{"StepsThatRace", 1, checkStepsThatRace},
	{"StepsTogether", 1, checkStepsTogether},
	{"Read", 1, checkRead},
	{"WrongBooksAreSeen", 1, checkWrongBooksAreSeen}, // It leaves them wrong.
	{"OrderIsAllOrNothing", 2, checkOrderIsAllOrNothing},
	{"OrdersThatCross", 2, checkOrdersThatCross},
	{"Expire", 2, func(t *testing.T, s *system) { checkExpire(t, s, 2) }},
}

func TestSystems(t *testing.T) {
	for name, open := range ways {
		for _, lines := range []int{1, 2} {
			t.Run(fmt.Sprint(name, "/", lines), func(t *testing.T) {
				s := openFew(t, open, lines)
				for _, c := range checks {
					if c.lines == lines {
						t.Run(c.name, func(t *testing.T) { c.check(t, s) })
					}
				}
				s.pool.close()
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				for _, pid := range s.pids {
					if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
						t.Errorf("process %d is still there: %v", pid, err)
					}
				}
			})
		}
	}
}

func openFew(t *testing.T, open opener, lines int) *system {
	t.Helper()
	s, err := open(t.Context(), room(t), bench.Workload{SKUs: 12, Lines: lines}, scarce)
	if errors.Is(err, bench.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// room is a directory that the user who runs a server can be let into.
func room(t *testing.T) string {
	root, err := os.MkdirTemp("", "skua-peer-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(root, "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// line is units of one of the items.
func line(n int, quantity int64) engine.Line {
	return engine.Line{SKU: bench.SKU(n), Location: bench.Location, Quantity: quantity}
}

// reserve starts a reservation; the answer comes by the channel.
func reserve(s *system, key string, ttl time.Duration, lines ...engine.Line) <-chan error {
	answer := make(chan error, 1)
	c := &engine.Command{Op: engine.OpReserve, Key: key, TTL: ttl.Milliseconds(), Lines: lines}
	s.pool.Start(c, func(err error) { answer <- err })
	s.pool.Flush()
	return answer
}

// verified sees that the books are right, and that so many units were taken since.
func verified(t *testing.T, s *system, before, taken int64) {
	t.Helper()
	if err := s.verify(t.Context()); err != nil {
		t.Error(err)
	}
	if n := takenOf(t, s) - before; n != taken {
		t.Errorf("%d units were taken, want %d", n, taken)
	}
}

func takenOf(t *testing.T, s *system) int64 {
	t.Helper()
	b, err := s.count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.taken
}

// sold counts the answers that accept; none may be anything but a refusal otherwise.
func sold(t *testing.T, answers []<-chan error) (n int64) {
	t.Helper()
	for _, answer := range answers {
		switch err := <-answer; {
		case err == nil:
			n++
		case !errors.Is(err, errSoldOut):
			t.Fatal(err)
		}
	}
	return n
}

func checkSellOut(t *testing.T, s *system) {
	before := takenOf(t, s)
	var answers []<-chan error
	for i := range 6 * scarce {
		answers = append(answers, reserve(s, fmt.Sprint("sell", i), time.Hour, line(0, 1)))
	}
	if n := sold(t, answers); n != scarce {
		t.Errorf("%d were sold of %d", n, scarce)
	}
	verified(t, s, before, scarce)
}

func checkKeyCountsOnce(t *testing.T, s *system) {
	before := takenOf(t, s)
	var answers []<-chan error
	for i := range 20 {
		answers = append(answers, reserve(s, "same", time.Hour, line(1, 2)))
		answers = append(answers, reserve(s, fmt.Sprint("other", i), time.Hour, line(2, 1)))
	}
	answers = append(answers, reserve(s, "same", time.Hour, line(1, 2)))
	if n := sold(t, answers); n != 41 {
		t.Errorf("%d of 41 were accepted", n)
	}
	verified(t, s, before, 2+20)
}

func checkOrderIsAllOrNothing(t *testing.T, s *system) {
	before := takenOf(t, s)
	for i, c := range []struct {
		want  error
		lines []engine.Line
	}{
		{nil, []engine.Line{line(1, scarce), line(0, 1)}},
		{errSoldOut, []engine.Line{line(0, 1), line(1, 1)}},
		{errSoldOut, []engine.Line{line(0, 30), line(0, 30)}},
		{nil, []engine.Line{line(0, 20), line(0, 20)}},
		{errSoldOut, []engine.Line{line(2, scarce+1), line(0, 1)}},
	} {
		if err := <-reserve(s, fmt.Sprint("all", i), time.Hour, c.lines...); !errors.Is(err, c.want) {
			t.Errorf("order %d: %v, want %v", i, err, c.want)
		}
	}
	verified(t, s, before, scarce+1+40)
}

// checkOrdersThatCross has orders of two of three items, in all orders, until nothing is left.
func checkOrdersThatCross(t *testing.T, s *system) {
	before := takenOf(t, s)
	var answers []<-chan error
	for i := range 4 * scarce {
		a, b := 4+i%3, 4+(i+1+i/3%2)%3
		answers = append(answers, reserve(s, fmt.Sprint("cross", i), time.Hour, line(a, 1), line(b, 1)))
	}
	n := sold(t, answers)
	if n == 0 || 2*n > 3*scarce {
		t.Errorf("%d orders of two were sold of %d units", n, 3*scarce)
	}
	verified(t, s, before, 2*n)
}

// checkExpire sees that what is due can be given back, and that its key still counts then.
func checkExpire(t *testing.T, s *system, lines int) {
	before := takenOf(t, s)
	order := []engine.Line{line(8, 3), line(9, 4)}[:lines]
	want := units(order)
	sold(t, []<-chan error{reserve(s, "short", 0, order...), reserve(s, "long", time.Hour, order...)})
	time.Sleep(2 * time.Millisecond) // All clocks have passed the end then.
	store, ok := s.store.(expiring)
	if !ok {
		t.Skip("it does not look for what is due, see its settings")
	}
	given, err := store.expire(t.Context())
	if err != nil || given != want {
		t.Errorf("%d units were given back (%v), want %d", given, err, want)
	}
	s.ledger.acknowledged.Add(-want)
	verified(t, s, before, want)
	sold(t, []<-chan error{reserve(s, "short", 0, order...)})
	verified(t, s, before, want)
}

func checkWrongBooksAreSeen(t *testing.T, s *system) {
	verified(t, s, 0, takenOf(t, s))
	s.ledger.acknowledged.Add(1)
	if err := s.verify(t.Context()); err == nil {
		t.Error("an acknowledged unit that is not in the books was not missed")
	}
	s.ledger.acknowledged.Add(-1)
	tamper(t, s)
	if err := s.verify(t.Context()); err == nil {
		t.Error("a unit that nobody reserved was not missed")
	}
}

// tamper takes a unit of an item that nobody reserved.
func tamper(t *testing.T, s *system) {
	var err error
	ctx, sku := context.Background(), bench.SKU(11)
	switch s := s.store.(type) {
	case *postgres:
		_, err = s.clerk.Exec(ctx, "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1", sku)
	case *redisServer:
		err = s.client.Do(ctx, s.client.B().Decr().Key(redisStock+sku).Build()).Error()
	case *jetStream:
		err = s.conns[0].Publish("$KV."+stockBucket+"."+sku, []byte(fmt.Sprint(scarce-1)))
		err = errors.Join(err, s.conns[0].Flush())
	default:
		t.Fatalf("cannot tamper with %T", s)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAll(t *testing.T) {
	for _, p := range All() {
		for _, name := range []string{"hot", "order", "life", "read"} {
			t.Run(p.Name+"/"+name, func(t *testing.T) {
				w, err := bench.Find(name)
				if err != nil {
					t.Fatal(err)
				}
				if testing.Short() && name != "order" && name != "life" {
					t.Skip("two of them are enough")
				}
				w.SKUs = min(w.SKUs, 1000)
				target, err := p.Open(t.Context(), room(t), w)
				if errors.Is(err, bench.ErrAbsent) {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				if target.Settings == "" || len(target.PIDs) == 0 {
					t.Error("it does not say what it is")
				}
				err = errors.Join(bench.Prepare(t.Context(), target, w), bench.Do(t.Context(), target.Driver, w, "all", 500, 64))
				if err := errors.Join(err, target.Verify(), target.Close()); err != nil {
					t.Fatal(err)
				}
				if p.Lossy != strings.Contains(target.Settings, "NOT durable") {
					t.Error("it does not say whether it is durable")
				}
			})
		}
	}
}

func TestAbsent(t *testing.T) {
	_, err := find("a-server-that-nobody-has")
	if !errors.Is(err, bench.ErrAbsent) || !strings.Contains(err.Error(), "make bench-peers") {
		t.Errorf("%v does not say what to do", err)
	}
}

// TestPoolDoesEachOnce has many start, a few at a time, and few do.
func TestPoolDoesEachOnce(t *testing.T) {
	const starters, rounds, each = 4, 50, 20
	var mu sync.Mutex
	seen := map[string]int{}
	do := func(calls []call) {
		mu.Lock()
		defer mu.Unlock()
		for i := range calls {
			seen[calls[i].cmd.Key]++
			calls[i].taken = 1
		}
	}
	l := &ledger{}
	p := newPool([]worker{do, do, do}, 7, l)
	var all sync.WaitGroup
	for from := range starters {
		all.Go(func() {
			for round := range rounds {
				var answered sync.WaitGroup
				answered.Add(each)
				for i := range each {
					key := fmt.Sprint(from, "-", round, "-", i)
					c := &engine.Command{Op: engine.OpReserve, Key: key, Lines: []engine.Line{line(0, 1)}}
					p.Start(c, func(error) { answered.Done() })
				}
				p.Flush()
				answered.Wait()
			}
		})
	}
	all.Wait()
	p.close()
	for key, n := range seen {
		if n != 1 {
			t.Errorf("%s was done %d times", key, n)
		}
	}
	if want := starters * rounds * each; len(seen) != want || l.acknowledged.Load() != int64(want) {
		t.Errorf("%d were done, %d acknowledged, want %d", len(seen), l.acknowledged.Load(), want)
	}
	if err := <-startOne(p, engine.OpPutItem); err == nil {
		t.Error("it takes what it cannot do")
	}
}

func startOne(p *pool, op engine.Op) <-chan error {
	answer := make(chan error, 1)
	p.Start(&engine.Command{Op: op}, func(err error) { answer <- err })
	return answer
}
