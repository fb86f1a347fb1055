package persistence

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// sizes are the files of a directory, and how long they are.
func sizes(t *testing.T, fs vfs.FS, dir string) map[string]int64 {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]int64)
	for _, name := range names {
		info, err := fs.Stat(fs.PathJoin(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = info.Size()
	}
	return all
}

// A record that does not follow from the state before it is refused wherever it is in the log, also
// in the last piece of it, and the log is left as it was found.
func TestARecordThatDoesNotFitIsRefused(t *testing.T) {
	for _, after := range []int{0, 1, replayRecords, replayPieces * replayRecords, 2*replayPieces*replayRecords + 7} {
		fs := vfs.NewMem()
		o := small(fs)
		o.SegmentBytes = 8 << 20 // One segment, which is not converted.
		d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
		d.do(&engine.Command{Op: engine.OpPutItem, Key: "put", SKU: "A"})
		receive := func(i int) *engine.Command {
			return &engine.Command{Op: engine.OpReceive, Key: fmt.Sprint("in-", i), SKU: "A", Location: "main", Quantity: 1}
		}
		d.do(receive(0))
		bad, err := d.store.Append(d.log[1], []uint64{d.items["A"].last}, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.log = append(d.log, nil)
		for i := range after {
			d.do(receive(1 + i))
		}
		d.durable()
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		log := fs.PathJoin(dataDir, logDir)
		before := sizes(t, fs, log)
		_, err = Open(dataDir, o)
		if want := fmt.Sprintf("record %d does not fit", bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("with %d records after it: %v, want %q", after, err, want)
		}
		if diff := gocmp.Diff(before, sizes(t, fs, log)); diff != "" {
			t.Errorf("with %d records after it, the log was changed:\n%s", after, diff)
		}
	}
}

// A record that ends too early is refused although its head can be read: also one that would not be
// applied, since its owner had lost the partition.
func TestARecordThatEndsTooEarlyIsRefused(t *testing.T) {
	for _, old := range []bool{false, true} {
		for _, after := range []int{0, 1, replayRecords + 7} {
			fs := vfs.NewMem()
			o := small(fs)
			o.SegmentBytes = 8 << 20 // One segment, which is not converted.
			d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
			d.do(&engine.Command{Op: engine.OpPutItem, Key: "put", SKU: "A"})
			epoch := byte(d.store.epoch)
			if old {
				epoch--
			}
			cut := []byte{byte(codec.KindRecord), 1, 0, epoch, 0, 0, 0, 1} // No position, no SKU, and an act that is not there.
			bad, err := d.store.wal.Append(cut, nil)
			if err != nil {
				t.Fatal(err)
			}
			d.log = append(d.log, nil)
			for i := range after {
				d.do(&engine.Command{Op: engine.OpPutItem, Key: fmt.Sprint("again-", i), SKU: "A"})
			}
			d.durable()
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			_, err = Open(dataDir, o)
			if want := fmt.Sprintf("decode record %d", bad); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("of an old owner: %v, with %d records after it: %v, want %q", old, after, err, want)
			}
		}
	}
}

func TestItemTableAgainstAMap(t *testing.T) {
	table, want := newItemTable(), make(map[string]*recovered)
	for i := range 3 * itemSlotsMin {
		sku := fmt.Sprint("item-", i)
		hash := table.hash([]byte(sku))
		if i%5 == 0 {
			hash &= 0xff // As if many had the same.
		}
		if table.get(hash, []byte(sku)) != nil {
			t.Fatalf("%q was found before it was put", sku)
		}
		want[sku] = &recovered{sku: sku}
		table.put(hash, want[sku])
		if table.get(hash, []byte(sku)) != want[sku] {
			t.Fatalf("%q was not found", sku)
		}
	}
	got := make(map[string]*recovered)
	for i, it := range table.all {
		hash := table.hash([]byte(it.sku))
		if i%5 == 0 {
			hash &= 0xff
		}
		if table.get(hash, []byte(it.sku)) == it {
			got[it.sku] = it
		}
	}
	if !maps.Equal(want, got) {
		t.Errorf("of %d items %d were found", len(want), len(got))
	}
}
