package main

import (
	"encoding/json"
	"fmt"

	"github.com/skua-stock/skua/bench/retail"
)

// tally is what came of a replay.
type tally struct {
	Documents       int   `json:"documents"`
	LinesSkipped    int   `json:"lines_skipped"`
	Items           int   `json:"items"`
	Orders          int   `json:"orders_sold"`
	OrdersRefused   int   `json:"orders_refused"`
	UnitsSold       int64 `json:"units_sold"`
	UnitsRefused    int64 `json:"units_refused"`
	Returns         int   `json:"returns"`
	UnitsReturned   int64 `json:"units_returned"`
	WriteOffs       int   `json:"write_offs"`
	WriteOffRefused int   `json:"write_offs_refused"`
	// Mispredicted counts documents that the naive book would have decided otherwise; it is only
	// meaningful, and then zero, with one worker.
	Mispredicted int     `json:"mispredicted"`
	Mismatches   int     `json:"mismatches"`
	Seconds      float64 `json:"seconds"`
}

func (t *tally) add(d retail.Document, done bool) {
	t.Documents++
	var units int64
	for _, l := range d.Lines {
		units += l.Quantity
	}
	switch {
	case d.Kind == retail.Order && done:
		t.Orders++
		t.UnitsSold += units
	case d.Kind == retail.Order:
		t.OrdersRefused++
		t.UnitsRefused += units
	case d.Kind == retail.Return:
		t.Returns++
		t.UnitsReturned += units
	case done:
		t.WriteOffs++
	default:
		t.WriteOffRefused++
	}
}

// verify compares every item with the book: what was sold is gone, and nothing else has changed.
func (r *replay) verify(o output) error {
	for sku, want := range r.book {
		b, code, err := r.shop.do("get_item", sku, "", "", nil)
		if err := answered(code, err); err != nil {
			return fmt.Errorf("read item %s: %w", sku, err)
		}
		var it struct {
			Levels []struct {
				Location string `json:"location"`
				level
			} `json:"levels"`
		}
		if err := json.Unmarshal(b, &it); err != nil {
			return fmt.Errorf("read item %s: %w", sku, err)
		}
		expected := r.opening[sku]
		expected.OnHand += want - expected.Available
		expected.Available = want
		var got level
		for _, l := range it.Levels {
			if l.Location == replayLocation {
				got = l.level
			}
		}
		if got == expected {
			continue
		}
		if r.sum.Mismatches++; r.sum.Mismatches <= mismatchesShown {
			fmt.Fprintf(o.err, "mismatch: %s should be %+v, is %+v\n", sku, expected, got)
		}
	}
	if more := r.sum.Mismatches - mismatchesShown; more > 0 {
		fmt.Fprintf(o.err, "mismatch: %d more\n", more)
	}
	return nil
}

func (r *replay) print(o output) error {
	if r.cfg.JSON {
		enc := json.NewEncoder(o.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r.sum)
	}
	t := &r.sum
	fmt.Fprintf(o.out, "sold      %d orders, %d units\n", t.Orders, t.UnitsSold)
	fmt.Fprintf(o.out, "refused   %d orders, %d units, for want of stock\n", t.OrdersRefused, t.UnitsRefused)
	fmt.Fprintf(o.out, "returned  %d documents, %d units\n", t.Returns, t.UnitsReturned)
	fmt.Fprintf(o.out, "lost      %d write-offs, %d more refused\n", t.WriteOffs, t.WriteOffRefused)
	fmt.Fprintf(o.out, "books     %d items compared, %d mismatches\n", t.Items, t.Mismatches)
	fmt.Fprintf(o.out, "took      %.1f s for %d documents\n", t.Seconds, t.Documents)
	return nil
}
