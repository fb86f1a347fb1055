package retail

import (
	"compress/gzip"
	"os"
	"testing"
)

func TestTheWholeLedger(t *testing.T) {
	f, err := os.Open("../data/online_retail_movements.csv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var docs []Document
	of := map[Kind]int{}
	lines, skipped, err := Read(z, func(d Document) error {
		docs = append(docs, d)
		of[d.Kind] += len(d.Lines)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The counts that the data set is published with.
	if lines != 541_909 || of[Return] != 9_288 || of[WriteOff] != 1_336 || skipped != 3 {
		t.Fatalf("%d lines, %v of each kind, %d skipped", lines, of, skipped)
	}
	if of[Order]+of[Return]+of[WriteOff]+skipped != lines {
		t.Fatal("lines are lost")
	}
	book := Opening(docs, 0.9)
	refused := 0
	for _, d := range docs {
		if book.Can(d) {
			book.Add(d)
		} else {
			refused++
		}
	}
	for sku, n := range book {
		if n < 0 {
			t.Errorf("%s is oversold: %d", sku, n)
		}
	}
	if refused == 0 {
		t.Error("no order was refused: the opening stock is too high to show anything")
	}
}
