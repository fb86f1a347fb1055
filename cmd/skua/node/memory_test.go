package node

import (
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// BenchmarkWarmItem tells how many bytes of live heap an item takes that is in memory and that nobody
// uses, and for what; see docs/internals/performance.md. Each was created and received stock.
func BenchmarkWarmItem(b *testing.B) {
	for _, items := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(items), func(b *testing.B) {
			for b.Loop() {
				heapOf(b, items, func(n *Node) {
					each(b, n, items, func(i int) engine.Command {
						return engine.Command{Op: engine.OpPutItem, SKU: skuOf(i), Key: fmt.Sprint("put-", i)}
					})
					each(b, n, items, func(i int) engine.Command { return receive(i) })
				})
			}
		})
	}
}

// BenchmarkLiveReservation tells the same of a reservation, all of them on one item.
func BenchmarkLiveReservation(b *testing.B) {
	for _, holds := range []int{100_000, 1_000_000} {
		b.Run(fmt.Sprint(holds), func(b *testing.B) {
			for b.Loop() {
				heapOf(b, holds, func(n *Node) {
					each(b, n, 1, func(int) engine.Command {
						return engine.Command{Op: engine.OpPutItem, SKU: skuOf(0), Key: "put"}
					})
					each(b, n, 1, func(int) engine.Command { return receive(0) })
					each(b, n, holds, func(i int) engine.Command {
						return engine.Command{
							Op: engine.OpReserve, Key: fmt.Sprint("reserve-", i), TTL: time.Hour.Milliseconds(),
							Lines: []engine.Line{{SKU: skuOf(0), Location: "main", Quantity: 1}},
						}
					})
				})
			}
		})
	}
}

func skuOf(i int) string { return fmt.Sprintf("SKU-%08d", i) }

func receive(i int) engine.Command {
	return engine.Command{Op: engine.OpReceive, SKU: skuOf(i), Location: "main", Quantity: 1 << 40, Key: fmt.Sprint("receive-", i)}
}

// each does commands, many together.
func each(b *testing.B, n *Node, count int, command func(i int) engine.Command) {
	const together = 1000
	for at := 0; at < count; at += together {
		cmds := make([]*engine.Command, min(together, count-at))
		for i := range cmds {
			c := command(at + i)
			if r := c.Validate(); r.Refused() {
				b.Fatalf("%+v", r)
			}
			cmds[i] = &c
		}
		answers := make(chan engine.Answer, len(cmds))
		n.SubmitEach(cmds, func(_ int, a *engine.Answer) { answers <- *a })
		for range cmds {
			if a := <-answers; a.Err != nil || a.Refusal.Refused() {
				b.Fatalf("%v %+v", a.Err, a.Refusal)
			}
		}
	}
}

// heapOf fills an empty node and reports by what its live heap grew, in bytes for one of count.
func heapOf(b *testing.B, count int, fill func(*Node)) {
	was := runtime.MemProfileRate
	runtime.MemProfileRate = profileRate
	defer func() { runtime.MemProfileRate = was }()
	n, err := Open(Config{Dir: b.TempDir(), SnapshotEvery: 24 * time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	before, partsBefore := bench.LiveHeap(), heapParts()
	fill(n)
	all := float64(bench.LiveHeap() - before)
	b.ReportMetric(all/float64(count), "B")
	parts := heapParts()
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		bytes := (parts[part] - partsBefore[part]) / float64(count)
		if all -= bytes * float64(count); bytes >= 0.5 {
			b.ReportMetric(bytes, part+"-B")
		}
	}
	b.ReportMetric(all/float64(count), "other-B")
	if err := n.Shut(context.Background(), nil); err != nil {
		b.Fatal(err)
	}
}

// profileRate is of how many bytes one is looked at; looking at all takes minutes.
const profileRate = 1024

// inUse is about how many bytes a record stands for: it has each of its allocations with a probability
// that grows with their size.
func inUse(r *runtime.MemProfileRecord) float64 {
	if r.InUseObjects() == 0 {
		return 0
	}
	size := float64(r.InUseBytes()) / float64(r.InUseObjects())
	return float64(r.InUseBytes()) / (1 - math.Exp(-size/profileRate))
}

// partOf is what memory is for, by the first of these that asked for it.
var partOf = []struct{ function, part string }{
	{"actors.(*System).spawn", "proto.actor"},
	{"actors.(*System).acquire", "cell"}, // With the name of the SKU.
	{"actors.(*shard).insert", "directory"},
	{"actors.(*cell).list", "dirty-list"},
	{"engine.NewStock", "stock"},
	{"engine.(*Stock).addLevel", "stock"},
	{"engine.(*holdIndex)", "hold-index"},
	{"engine.(*indexPage)", "hold-index"},
	{"engine.(*Stock).touch", "changed-list"},
	{"engine.(*holds).grow", "holds"},
	{"persistence.(*table).put", "keys"},
	{"persistence.(*catalog).note", "catalog"},
	{"persistence.(*Store).convertRange", "history-builder"},
	{"persistence/wal.", "log"},
}

// heapParts are the bytes in use by what they are for.
func heapParts() map[string]float64 {
	var records []runtime.MemProfileRecord
	for n, ok := 1000, false; !ok; {
		records = make([]runtime.MemProfileRecord, n+1000)
		n, ok = runtime.MemProfile(records, false)
		records = records[:min(n, len(records))]
	}
	parts := make(map[string]float64)
	for i := range records {
		frames := runtime.CallersFrames(records[i].Stack())
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			for _, p := range partOf {
				if strings.HasPrefix(f.Function, "github.com/skua-stock/skua/"+p.function) {
					parts[p.part] += inUse(&records[i])
					more = false
					break
				}
			}
		}
	}
	return parts
}
