package engine_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
)

// crowd is one item with many live holds, half of them at each of two locations.
type crowd struct {
	tb     testing.TB
	stocks []*engine.Stock
	turn   engine.Turn
	now    engine.Time
	nonce  uint64
}

// newCrowd makes holds that fall due in spread different milliseconds.
func newCrowd(tb testing.TB, holds, spread int) *crowd {
	c := &crowd{tb: tb, stocks: []*engine.Stock{engine.NewStock("a")}, now: 1}
	c.do(&engine.Command{Op: engine.OpPutItem, SKU: "a"})
	for _, loc := range []string{"x", "y"} {
		c.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: loc, Quantity: 1 << 40})
	}
	for i := range holds {
		loc := "x"
		if i%2 == 1 {
			loc = "y"
		}
		c.reserve(loc, 1_000_000+int64(i%spread))
	}
	return c
}

func (c *crowd) do(cmd *engine.Command) {
	cmd.Key = "k"
	c.turn.Begin(c.now, c.stocks)
	if r := c.turn.Decide(cmd); r.Refused() {
		c.tb.Fatalf("%v: %v %s", cmd.Op, r.Code, r.Detail)
	}
	c.turn.Record.Apply(c.stocks)
}

func (c *crowd) reserve(location string, ttl int64) engine.ReservationRef {
	c.nonce++
	ref := engine.ReservationRef{Home: "a", Nonce: c.nonce}
	lines := [...]engine.Line{{SKU: "a", Location: location, Quantity: 1}}
	c.do(&engine.Command{Op: engine.OpReserve, TTL: ttl, Lines: lines[:], Reservation: ref})
	return ref
}

func (c *crowd) step(op engine.Op, ref engine.ReservationRef) {
	c.do(&engine.Command{Op: op, Reservation: ref})
}

// allocsMax is how many allocations a pair of commands may make, and bytesMax of how many bytes,
// however many holds there are: those of the hold and its deadline.
const (
	allocsMax = 8
	bytesMax  = 2048
)

// freedAllocsMax is how many allocations the freeing of very many holds may make: the list of what
// is to be written out grows by doubling.
const freedAllocsMax = 64

// TestWorkIsBounded has ten holds on an item, and very many, and counts what a command allocates,
// and how many events it takes to free all of them at once. Time would depend on the machine;
// these do not.
func TestWorkIsBounded(t *testing.T) {
	many := 200_000
	if testing.Short() {
		many = 20_000
	}
	for _, holds := range []int{10, many} {
		for _, spread := range []int{1, holds} {
			t.Run(fmt.Sprintf("%d holds in %d ms", holds, spread), func(t *testing.T) {
				c := newCrowd(t, holds, spread)
				c.nonce = 1 << 32
				for name, work := range map[string]func(){
					"reserve and release": func() { c.step(engine.OpRelease, c.reserve("x", 1_000_000)) },
					"reserve and confirm": func() { c.step(engine.OpConfirm, c.reserve("x", 1_000_000)) },
					"reserve, extend":     func() { c.step(engine.OpExtend, c.reserve("x", 1_000_000)) },
					"reserve and refuse": func() {
						c.turn.Begin(c.now, c.stocks)
						if r := c.turn.Decide(&engine.Command{Op: engine.OpReserve, Lines: []engine.Line{{SKU: "a", Quantity: 1 << 41}}}); !r.Refused() {
							t.Fatal("not refused")
						}
					},
				} {
					if n := testing.AllocsPerRun(20, work); n > allocsMax {
						t.Errorf("%s: %v allocations, at most %d are allowed", name, n, allocsMax)
					}
					// Once in a long while a table grows, so the least of a few counts.
					if n := min(bytes(work), bytes(work), bytes(work)); n > bytesMax {
						t.Errorf("%s: allocates %d bytes, at most %d are allowed", name, n, bytesMax)
					}
				}
				c.now += 10_000_000
				if holds == many {
					free(t, c, many)
				}
			})
		}
	}
}

// free expires very many holds, and looks at the record that frees them and at each piece.
func free(t *testing.T, c *crowd, many int) {
	s := c.stocks[0]
	open := s.Holds()
	var r engine.Record
	if n := testing.AllocsPerRun(1, func() { s.Expire(c.now, &r) }); n > allocsMax {
		t.Errorf("to free all takes %v allocations, at most %d are allowed", n, allocsMax)
	}
	if len(r.Acts) != 1 || len(r.Acts[0].Events) != 2 || r.Acts[0].Holds < int64(many) {
		t.Fatalf("two levels are freed by %d acts, the first with %d events for %d holds", len(r.Acts), len(r.Acts[0].Events), r.Acts[0].Holds)
	}
	if n := mallocs(func() { r.Apply(c.stocks) }); n > freedAllocsMax {
		t.Errorf("to apply that takes %d allocations, at most %d are allowed", n, freedAllocsMax)
	}
	for _, l := range s.View().Levels {
		if l.Reserved != 0 {
			t.Errorf("%d are still reserved at %s", l.Reserved, l.Key.Location)
		}
	}
	c.step(engine.OpRelease, c.reserve("x", 5)) // The rest does not keep anybody waiting.
	pieces := 0
	for s.Expire(c.now, &r) {
		if len(r.Acts) > engine.ExpiryPieceMax {
			t.Fatalf("a piece has %d holds", len(r.Acts))
		}
		r.Apply(c.stocks)
		pieces++
	}
	freed := open - s.Holds()
	if want := (freed + engine.ExpiryPieceMax - 1) / engine.ExpiryPieceMax; freed < many || pieces != want || s.Draining() {
		t.Errorf("%d holds were written out in %d pieces, should be %d", freed, pieces, want)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
}

// mallocs counts the allocations of f, once.
func mallocs(f func()) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// bytes counts the bytes that f allocates, once.
func bytes(f func()) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestImageCostsWhatChanged takes an image of an item with many holds, and another after one
// changed: that has one.
func TestImageCostsWhatChanged(t *testing.T) {
	const holds = 10_000
	c := newCrowd(t, 0, 1)
	c.stocks[0].Track()
	var first engine.ReservationRef
	for range holds {
		if ref := c.reserve("x", 1000); first.Nonce == 0 {
			first = ref
		}
	}
	var im engine.Image
	pieces := 1
	for c.stocks[0].Capture(&im, 100) {
		pieces++
	}
	if len(slices.Concat(im.Holds...)) != holds || im.Open != holds || pieces != holds/100 {
		t.Errorf("the first image has %d holds of %d in %d pieces", len(im.Holds), im.Open, pieces)
	}
	c.step(engine.OpConfirm, first)
	im = engine.Image{}
	if c.stocks[0].Capture(&im, 100) || len(im.Holds) != 1 || len(im.Holds[0]) != 1 || im.Holds[0][0].Nonce != first.Nonce || len(im.Gone) != 0 {
		t.Errorf("after one confirmation the image has %d holds, %d gone", len(im.Holds), len(im.Gone))
	}
	c.step(engine.OpCancel, first)
	im = engine.Image{}
	if c.stocks[0].Capture(&im, 100) || len(im.Holds) != 0 || len(im.Gone) != 1 || im.Open != holds-1 {
		t.Errorf("after one cancellation the image has %d holds, %d gone, %d open", len(im.Holds), len(im.Gone), im.Open)
	}
}

// BenchmarkReserve reserves and releases one unit on an item with few and many live holds, all
// with different deadlines.
func BenchmarkReserve(b *testing.B) {
	for _, holds := range []int{10, 10_000, 1_000_000} {
		b.Run(fmt.Sprintf("holds=%d", holds), func(b *testing.B) {
			c := newCrowd(b, holds, holds)
			b.ReportAllocs()
			for b.Loop() {
				c.step(engine.OpRelease, c.reserve("x", 1_000_000))
			}
		})
	}
}

// BenchmarkFree frees a million holds at once, the turn that finds them due, and reports what that takes
// apart from making them: so little that to run it until it adds up to a second would take days.
func BenchmarkFree(b *testing.B) {
	for _, spread := range []int{1, 1_000, 1_000_000} {
		b.Run(fmt.Sprintf("deadlines=%d", spread), func(b *testing.B) {
			var r engine.Record
			var took time.Duration
			for b.Loop() {
				c := newCrowd(b, 1_000_000, spread)
				began := time.Now()
				c.stocks[0].Expire(c.now+10_000_000, &r)
				r.Apply(c.stocks)
				took += time.Since(began)
			}
			b.ReportMetric(float64(took.Nanoseconds())/float64(b.N), "ns/free")
		})
	}
}

// BenchmarkThousandLines reserves 1,000 lines without a location on an item with 1,000 locations:
// the most that one command can ask for.
func BenchmarkThousandLines(b *testing.B) {
	c, cmd := thousandLines(b)
	for b.Loop() {
		c.nonce++
		cmd.Reservation.Nonce = c.nonce
		c.do(cmd)
		c.step(engine.OpRelease, engine.ReservationRef{Home: "a", Nonce: c.nonce})
	}
}

// thousandLines returns an item with one unit at each of 1,000 locations, and the command that
// takes all of them.
func thousandLines(tb testing.TB) (*crowd, *engine.Command) {
	c := &crowd{tb: tb, stocks: []*engine.Stock{engine.NewStock("a")}, now: 1}
	c.do(&engine.Command{Op: engine.OpPutItem, SKU: "a"})
	cmd := &engine.Command{Op: engine.OpReserve}
	for i := range engine.LocationsMax {
		c.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: fmt.Sprintf("location %d", i), Quantity: 1})
		cmd.Lines = append(cmd.Lines, engine.Line{SKU: "a", Quantity: 1})
	}
	return c, cmd
}

// BenchmarkBytesPerHold reports what a live hold costs in memory.
func BenchmarkBytesPerHold(b *testing.B) {
	const holds = 1_000_000
	for _, spread := range []int{1_000, holds} {
		b.Run(fmt.Sprintf("deadlines=%d", spread), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				c := newCrowd(b, holds, spread)
				b.ReportMetric(float64(heap()-before)/holds, "B/hold")
				runtime.KeepAlive(c)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkTurn reserves one unit on one item, with everything in the cache: what the rules alone take.
func BenchmarkTurn(b *testing.B) {
	const holds = 1 << 16 // Then the item begins anew.
	lines := [...]engine.Line{{SKU: "a", Location: "x", Quantity: 1}}
	cmd := engine.Command{Op: engine.OpReserve, TTL: 900_000, Key: "k", Lines: lines[:]}
	var c *crowd
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%holds == 0 {
			c = newCrowd(b, 0, 1)
			c.stocks[0].Track()
		}
		cmd.Reservation = engine.ReservationRef{Nonce: uint64(i + 1)}
		c.turn.Begin(engine.Time(i), c.stocks)
		if r := c.turn.Decide(&cmd); r.Refused() {
			b.Fatal(r)
		}
		if a := c.turn.Record.Answer(0); a.Reservation.State != engine.Active {
			b.Fatal(a)
		}
		c.turn.Record.Apply(c.stocks)
	}
}
