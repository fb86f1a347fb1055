package persistence

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/wal"
)

// What the benchmarks work on. The judge is the time of the processor, since a machine is shared.
var (
	benchItems   = flag.Int("bench.items", 50_000, "items of the benchmarks")
	benchRecords = flag.Int("bench.records", 200_000, "log records of the benchmarks")
)

// cpu is the processor time that the process took so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// shop is a store with many items, and what is in memory of them.
type shop struct {
	b      testing.TB
	rng    *rand.Rand
	store  *Store
	now    engine.Time
	turn   engine.Turn
	stocks []*engine.Stock
	last   []uint64
	notes  []any
	open   []opened
	nonce  uint64
}

// opened is a reservation that the shop may release.
type opened struct {
	item  int
	nonce uint64
}

func newShop(b testing.TB, dir string, items int) *shop {
	b.Helper()
	store, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	s := &shop{
		b: b, rng: rand.New(rand.NewPCG(1, 2)), store: store, now: 1_800_000_000_000,
		stocks: make([]*engine.Stock, items), last: make([]uint64, items), notes: make([]any, items),
	}
	for i := range items {
		s.stocks[i] = engine.NewStock(fmt.Sprintf("sku-%09d", i))
		s.stocks[i].Track()
		sku := s.stocks[i].SKU()
		s.do(i, &engine.Command{Op: engine.OpPutItem, SKU: sku},
			&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: 1_000_000})
	}
	return s
}

// do decides commands on one item and logs what comes of it.
func (s *shop) do(item int, cmds ...*engine.Command) {
	stocks := [1]*engine.Stock{s.stocks[item]}
	s.turn.Begin(s.now, stocks[:])
	for _, c := range cmds {
		s.nonce++
		c.Key = fmt.Sprint(s.nonce)
		if r := s.turn.Decide(c); r.Refused() {
			s.b.Fatal(r)
		}
	}
	s.turn.Record.Apply(stocks[:])
	index, err := s.store.Append(&s.turn.Record, s.last[item:item+1], nil)
	if err != nil {
		s.b.Fatal(err)
	}
	s.last[item] = index
}

// sell logs records: reservations of any item, of which two in three are released.
func (s *shop) sell(records int) {
	for n := range records {
		if n%5 > 2 {
			i := s.rng.IntN(len(s.open))
			o := s.open[i]
			s.open[i] = s.open[len(s.open)-1]
			s.open = s.open[:len(s.open)-1]
			ref := engine.ReservationRef{Home: s.stocks[o.item].SKU(), Nonce: o.nonce}
			s.do(o.item, &engine.Command{Op: engine.OpRelease, Reservation: ref})
			continue
		}
		item := s.rng.IntN(len(s.stocks))
		c := &engine.Command{Op: engine.OpReserve, TTL: 600_000, Lines: []engine.Line{{SKU: s.stocks[item].SKU(), Quantity: 1}}}
		c.Reservation.Nonce = s.rng.Uint64() | 1
		s.do(item, c)
		s.open = append(s.open, opened{item, c.Reservation.Nonce})
		if n%1000 == 0 {
			s.now++
		}
	}
	if err := s.store.waitDurable(s.store.wal.Last()); err != nil {
		s.b.Fatal(err)
	}
}

// save writes every item that changed since its last snapshot, and returns how many did.
func (s *shop) save(items []int) {
	for _, i := range items {
		var im engine.Image
		for s.stocks[i].Capture(&im, recoveredHolds) {
		}
		var err error
		if s.notes[i], err = s.store.Save(&im, s.last[i], s.notes[i]); err != nil {
			s.b.Fatal(err)
		}
	}
	if err := s.store.Commit(s.store.Durable()); err != nil {
		s.b.Fatal(err)
	}
}

func (s *shop) all() []int { return s.rng.Perm(len(s.stocks)) }

func (s *shop) close() {
	if err := s.store.Close(); err != nil {
		s.b.Fatal(err)
	}
}

// clone copies a data directory, so that one can be recovered again and again.
func clone(b *testing.B, dir string) string {
	to := filepath.Join(b.TempDir(), "data")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		b.Fatal(err)
	}
	syscall.Sync() // Or the recovery waits for the copy.
	return to
}

// BenchmarkRecover opens a directory that has the items and records in its log alone (log), in the
// snapshots as well (clean), or the items in the snapshots and the records in the log (kill).
func BenchmarkRecover(b *testing.B) {
	for _, kind := range []string{"log", "clean", "kill"} {
		b.Run(kind, func(b *testing.B) {
			dir := filepath.Join(b.TempDir(), "data")
			s := newShop(b, dir, *benchItems)
			replayed := *benchRecords
			switch kind {
			case "log":
				s.sell(*benchRecords)
				replayed += *benchItems
			case "clean":
				s.sell(*benchRecords)
				s.save(s.all())
				replayed += *benchItems
			case "kill":
				s.save(s.all())
				s.sell(*benchRecords)
			}
			s.close()
			*s = shop{}
			var busy time.Duration
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				copied := clone(b, dir)
				b.StartTimer()
				from := cpu()
				store, err := Open(copied, Options{upkeepEvery: time.Hour})
				if err != nil {
					b.Fatal(err)
				}
				busy += cpu() - from
				b.StopTimer()
				if err := store.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			n := float64(b.N * replayed)
			b.ReportMetric(busy.Seconds()*1e9/n, "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/record")
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/open")
		})
	}
}

// BenchmarkRecoverFloor is what recovery does at the least: it opens the log of Recover/kill, which
// validates every byte (log), and skims each record as well (skim), and does nothing with them.
func BenchmarkRecoverFloor(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	s := newShop(b, dir, *benchItems)
	s.save(s.all())
	s.sell(*benchRecords)
	s.close()
	var skim codec.Skim
	for _, kind := range []struct {
		name string
		read func(index uint64, record []byte) error
	}{
		{"log", func(uint64, []byte) error { return nil }},
		{"skim", func(_ uint64, record []byte) error { return skim.Read(record) }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var busy time.Duration
			records := uint64(0)
			for b.Loop() {
				from := cpu()
				log, err := wal.Open(filepath.Join(dir, logDir), wal.Options{ReadOnly: true, Recover: kind.read})
				if err != nil {
					b.Fatal(err)
				}
				busy += cpu() - from
				records += log.Last()
				if err := log.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(busy.Seconds()*1e9/float64(records), "cpu-ns/record")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(records), "ns/record")
		})
	}
}

// BenchmarkSave writes the items that changed, which is most, by so many records each.
func BenchmarkSave(b *testing.B) {
	for _, each := range []int{1, 20} {
		b.Run(fmt.Sprintf("records=%d", each), func(b *testing.B) {
			s := newShop(b, filepath.Join(b.TempDir(), "data"), *benchItems)
			s.save(s.all())
			var busy time.Duration
			items := 0
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				b.StopTimer()
				saved := s.store.wal.Last()
				s.sell(each * *benchItems)
				dirty := slices.DeleteFunc(s.all(), func(i int) bool { return s.last[i] <= saved })
				items += len(dirty)
				b.StartTimer()
				from := cpu()
				s.save(dirty)
				busy += cpu() - from
			}
			b.ReportMetric(busy.Seconds()*1e9/float64(items), "cpu-ns/item")
			s.close()
		})
	}
}

// BenchmarkConvert makes buckets of history of the whole log.
func BenchmarkConvert(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "data")
	s := newShop(b, dir, *benchItems)
	s.sell(*benchRecords)
	s.close()
	var busy time.Duration
	var records, bytes uint64
	var kept converter // As in a store that has run for a while.
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		b.StopTimer()
		store, err := Open(clone(b, dir), Options{upkeepEvery: time.Hour})
		if err != nil {
			b.Fatal(err)
		}
		store.converter = kept
		b.StartTimer()
		from := cpu()
		for {
			first, last, _ := store.unconverted()
			if last == 0 {
				break
			}
			if err := store.convertRange(context.Background(), first, last, 3); err != nil {
				b.Fatal(err)
			}
			records += last - first + 1
		}
		busy += cpu() - from
		b.StopTimer()
		kept = store.converter
		m := store.snapshots.Metrics()
		bytes += m.DiskSpaceUsage()
		if err := store.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(busy.Seconds()*1e9/float64(records), "cpu-ns/record")
	b.ReportMetric(float64(bytes)/float64(records), "disk-B/record")
}
