package events

import (
	"testing"

	"github.com/skua-stock/skua/engine"
)

// BenchmarkOutbox publishes records of one movement through an embedded server within the process.
func BenchmarkOutbox(b *testing.B) {
	h := newHarness(b)
	h.startServer()
	m := exampleMovement()
	for i := range b.N {
		h.log.append(engine.Record{
			Time: m.At, SKUs: []string{"SKU-001234"},
			Acts: []engine.Act{{Op: engine.OpReserve, Reason: m.Reason, Reservation: m.Reservation, Events: []engine.Event{{
				Type: m.Type, Sequence: uint64(i + 1), Level: m.Level, Before: m.Before, After: m.After, Quantity: 1,
			}}}},
		})
	}
	b.ResetTimer()
	h.startOutbox()
	h.published()
}
