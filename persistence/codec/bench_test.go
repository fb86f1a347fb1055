package codec

import (
	"fmt"
	"testing"
)

func BenchmarkAppendEntry(b *testing.B) {
	e := reserveEntry()
	buf := AppendEntry(nil, e)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEntry(buf[:0], e)
	}
}

// BenchmarkDecodeEntry reads entries of as many SKUs as its name says: those of few are remembered.
func BenchmarkDecodeEntry(b *testing.B) {
	for _, skus := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("skus=%d", skus), func(b *testing.B) {
			entries := make([][]byte, skus)
			for i := range entries {
				e := reserveEntry()
				e.Record.SKUs[0] = fmt.Sprintf("SKU-%06d", i)
				e.Record.Acts[0].Reservation.Home = e.Record.SKUs[0]
				entries[i] = AppendEntry(nil, e)
			}
			var d Decoder
			var e Entry
			b.SetBytes(int64(len(entries[0])))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := d.Entry(entries[i%skus], &e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSkim(b *testing.B) {
	buf := AppendEntry(nil, reserveEntry())
	var s Skim
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendHold(b *testing.B) {
	h := goldenHold()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendHold(buf[:0], h)
	}
}
