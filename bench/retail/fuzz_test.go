package retail

import (
	"strings"
	"testing"
)

// FuzzRead: whatever a file has, documents are whole, in order and of positive quantities, or there
// is an error that names the line.
func FuzzRead(f *testing.F) {
	f.Add("invoice,sku,qty,time,price\n1,A,2,2010-01-01,1.5\n1,B,1,2010-01-01,1\nC2,A,-1,2010-01-02,1\n3,A,-5,2010-01-02,0\n")
	f.Add("1,A,9223372036854775807,t,1\n1,A,-9223372036854775808,t,1\n")
	f.Add("1,\"A\n\",1,,\nA1,B,1,,\n")
	f.Fuzz(func(t *testing.T, text string) {
		number, lines := 0, 0
		read, skipped, err := Read(strings.NewReader(text), func(d Document) error {
			if d.Number != number || len(d.Lines) == 0 {
				t.Fatalf("document %d where %d should be: %+v", d.Number, number, d)
			}
			number++
			for _, l := range d.Lines {
				if lines++; l.Quantity <= 0 || l.SKU == "" || l.SKU != strings.TrimSpace(l.SKU) {
					t.Fatalf("a line %+v in %+v", l, d)
				}
			}
			return nil
		})
		if err == nil && read != lines+skipped {
			t.Fatalf("%d lines were read, %d in documents and %d skipped", read, lines, skipped)
		}
	})
}
