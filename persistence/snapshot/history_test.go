package snapshot

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
)

// TestBuilderFilesByTheRecordBefore files records of one and of several SKUs that name their SKUs'
// records before, and wants of each SKU what a map has of it: also where the record before is in no
// bucket or has the hash twice, and from a builder that is used again.
func TestBuilderFilesByTheRecordBefore(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	var b Builder
	index, prev := uint64(rng.IntN(1000)), map[string]uint64{}
	for bucket := range uint32(20) {
		b.Begin(bucket, 100)
		want := map[string][]string{}
		skus := 1 + rng.IntN(40)
		for range 300 {
			index++
			b.Record(index, 0, 1)
			first := len(b.parts)
			for _, i := range rng.Perm(skus)[:min(rng.IntN(5), skus)] {
				sku, entry := "sku-"+strconv.Itoa(i), fmt.Sprintf("%d of %d", index, i)
				b.Add([]byte(sku), []byte(entry), prev[sku])
				prev[sku] = index
				want[sku] = append(want[sku], entry)
				if rng.IntN(50) == 0 { // As if two names had one hash.
					b.parts[len(b.parts)-1].hash = b.parts[first].hash
				}
			}
		}
		b.group()
		if len(b.names) != len(want) {
			t.Fatalf("bucket %d has %d SKUs, want %d", bucket, len(b.names), len(want))
		}
		for sku, entries := range want {
			var got []string
			for _, p := range b.partsOf(b.skus[sku]) {
				got = append(got, string(b.arena[p.from:p.to]))
			}
			if !slices.Equal(got, entries) {
				t.Fatalf("bucket %d has of %s %q, want %q", bucket, sku, got, entries)
			}
		}
	}
}
