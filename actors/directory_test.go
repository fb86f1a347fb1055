package actors

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// There may be millions of cells, and a turn waits for each cache line of them.
func TestCellFillsTwoCacheLines(t *testing.T) {
	if size := unsafe.Sizeof(cell{}); size != 2*cacheLine {
		t.Errorf("a cell has %d bytes", size)
	}
	if at := unsafe.Offsetof(cell{}.sku); at != cacheLine {
		t.Errorf("the second line of a cell begins at byte %d", at)
	}
}

// A shard finds what was put into it and not taken out again, as a map does.
func TestShard(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for _, hashes := range []uint32{1, 16, 1 << 16, 1<<32 - 1} { // Few make long runs of one hash.
		var sh shard
		all := map[string]*cell{}
		of := func(sku string) uint32 { return ^(hash(sku) % hashes) }
		for range 20_000 {
			sku := fmt.Sprint(random.IntN(300))
			c := sh.find(of(sku), sku)
			if c != all[sku] {
				t.Fatalf("%q is %p, and %p was put there", sku, c, all[sku])
			}
			if c == nil {
				all[sku] = &cell{sku: sku}
				sh.insert(of(sku), all[sku])
			} else {
				sh.remove(of(sku), c)
				delete(all, sku)
			}
		}
		n := 0
		sh.each(func(c *cell) bool { n++; return all[c.sku] == c })
		if n != len(all) || sh.cells != n {
			t.Errorf("there are %d cells, counted are %d, put were %d", n, sh.cells, len(all))
		}
	}
}
