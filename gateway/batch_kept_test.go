package gateway

import (
	"reflect"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// TestBatchesKept: what is kept of batches that are over stays within its limit, and has nothing of what
// they were about.
func TestBatchesKept(t *testing.T) {
	var large []*batch
	for range batchesKeptBytes/(1000*memberBytes) + 5 {
		b := new(batch)
		for range 1000 {
			m := b.another()
			m.message.Key = Text{S: "key", Set: true}
			m.message.lines = append(m.message.lines, make([]engine.Line, 1+len(b.members)%(2*memberLinesMax))...)
			m.message.lines[0].SKU = "mug"
			m.message.Command.Lines = m.message.lines
			m.skus = append(m.skus, "mug")
			m.problem = Invalid("field", "wrong")
		}
		large = append(large, b)
	}
	for _, b := range large {
		b.free()
		if kept := batchesKept.Load(); kept > batchesKeptBytes {
			t.Fatalf("%d bytes are kept, at most %d may be", kept, batchesKeptBytes)
		}
	}
	kept := 0
	for len(batches) > 0 {
		b := takeBatch()
		for _, m := range b.all {
			lines, skus := m.message.lines, m.skus
			if cap(lines) > memberLinesMax || cap(skus) > memberLinesMax {
				t.Fatalf("room for %d lines and %d items is kept", cap(lines), cap(skus))
			}
			for _, l := range lines[:cap(lines)] {
				if l.SKU != "" {
					t.Fatalf("a line of %s is kept", l.SKU)
				}
			}
			m.message.lines, m.skus = nil, nil
			if !reflect.ValueOf(*m).IsZero() {
				t.Fatalf("kept: %+v", *m)
			}
		}
		kept++
	}
	if kept == 0 || kept >= len(large) || batchesKept.Load() != 0 {
		t.Errorf("%d of %d were kept; %d bytes are counted with none left", kept, len(large), batchesKept.Load())
	}
}
