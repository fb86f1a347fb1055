package persistence

import (
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

// reload takes every item from the store again, as of its last record.
func (d *driver) reload(through bool) {
	d.t.Helper()
	for sku, it := range d.items {
		at := uint64(0)
		if through {
			at = it.last
		}
		stock, last, note, err := d.store.Load(sku, at)
		if err != nil {
			d.t.Fatal(err)
		}
		if last != it.last {
			d.t.Fatalf("%q is as of record %d, its last is %d", sku, last, it.last)
		}
		if diff := gocmp.Diff(it.stock.View(), stock.View(), sameSettings); diff != "" {
			d.t.Fatalf("%q came back as another:\n%s", sku, diff)
		}
		if err := stock.Check(); err != nil {
			d.t.Fatal(err)
		}
		if stock.Holds() != it.stock.Holds() || stock.NextExpiry() != it.stock.NextExpiry() {
			d.t.Fatalf("%q came back with %d holds due from %d on, had %d from %d", sku, stock.Holds(), stock.NextExpiry(), it.stock.Holds(), it.stock.NextExpiry())
		}
		it.stock, it.note = stock, note
	}
}

// checkLedgers pages through every item's history, and returns how many movements are kept.
func (d *driver) checkLedgers(limit int) (kept int) {
	d.t.Helper()
	for sku, it := range d.items {
		all := it.movements
		for before := uint64(0); ; {
			page, more, begins, err := d.store.Ledger(sku, it.last, before, limit)
			if err != nil {
				d.t.Fatal(err)
			}
			kept += len(page)
			for i := range page {
				if diff := gocmp.Diff(all[len(all)-1-i], page[i], sameSettings); diff != "" {
					d.t.Fatalf("%q, page of %d below %d, movement %d (-done +listed):\n%s", sku, limit, before, i, diff)
				}
			}
			all = all[:len(all)-len(page)]
			if more {
				if len(page) != limit {
					d.t.Fatalf("%q: a page of %d, not %d, although there is more", sku, len(page), limit)
				}
				before = page[len(page)-1].Sequence
				continue
			}
			if n := len(page); n > 0 && len(all) > 0 && begins != page[n-1].Sequence || len(all) == 0 && begins != 0 {
				d.t.Fatalf("%q: history begins at %d, but %d older movements are left", sku, begins, len(all))
			}
			break
		}
	}
	return kept
}

// checkKeys looks for the keys used since a time, and for the answers they led to.
func (d *driver) checkKeys(since engine.Time) {
	d.t.Helper()
	for _, k := range d.keys {
		if k.at < since {
			continue
		}
		index, ok := d.store.Recall(d.store.Trace(k.home, k.hash))
		if !ok || index != k.index {
			d.t.Fatalf("the key of record %d of %q is recalled as of %d, %v", k.index, k.home, index, ok)
		}
		r, err := d.store.Record(k.home, index)
		if err != nil {
			d.t.Fatal(err)
		}
		if diff := gocmp.Diff(k.answer, r.Answer(k.act), sameSettings); diff != "" {
			d.t.Fatalf("record %d gives another answer:\n%s", index, diff)
		}
		if ref := k.answer.Reservation; ref.State.Final() {
			if at, ok := d.store.Ended(ref.Ref); !ok || at != index {
				d.t.Fatalf("reservation %v ended with record %d, known is %d, %v", ref.Ref, index, at, ok)
			}
		}
	}
}

// sameSettings compares settings by what they say.
var sameSettings = gocmp.Options{
	gocmp.Comparer(func(a, b *engine.Settings) bool { return a == b || a != nil && b != nil && a.Equal(b) }),
	gocmp.Comparer(func(a, b engine.Settings) bool { return a.Equal(&b) }),
}

// checkSKUs pages through the names of items.
func (d *driver) checkSKUs(limit int) {
	d.t.Helper()
	var want, got []string
	for sku, it := range d.items {
		if it.stock.Exists() {
			want = append(want, sku)
		}
	}
	slices.Sort(want)
	for after := ""; ; after = got[len(got)-1] {
		page, err := d.store.SKUs(after, limit)
		if err != nil {
			d.t.Fatal(err)
		}
		if got = append(got, page...); len(page) < limit {
			break
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		d.t.Fatalf("pages of %d names:\n%s", limit, diff)
	}
}

// clean checks a directory that nobody uses.
func clean(t testing.TB, fs vfs.FS) *Report {
	t.Helper()
	report, err := Check(dataDir, fs)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Damage) > 0 {
		t.Fatalf("%d findings in a directory without damage: %q", len(report.Damage), report.Damage)
	}
	return report
}
