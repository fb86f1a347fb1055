package codec

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The fuzz targets: whatever can be read can be written and read again, and is the same.

func seed(f *testing.F, pattern string) {
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		f.Fatal("no goldens to begin with", err)
	}
	for _, path := range paths {
		f.Add(readGolden(f, path))
	}
}

func FuzzEntry(f *testing.F) {
	seed(f, "record-*.hex")
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Decoder
		var e, again Entry
		err := d.Entry(b, &e)
		skimAgrees(t, b, &e, err)
		if err != nil {
			return
		}
		if err := d.Entry(AppendEntry(nil, &e), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e, again, exact); diff != "" {
			t.Fatal(diff)
		}
		for sku := range e.Record.SKUs {
			if err := d.Entry(AppendPart(nil, &e, sku), &again); err != nil || !again.Part {
				t.Fatal(err, again.Part)
			}
		}
	})
}

func FuzzItem(f *testing.F) {
	seed(f, "item-*.hex")
	f.Fuzz(func(t *testing.T, b []byte) {
		im, last, err := DecodeItem(b)
		if err != nil {
			return
		}
		again, lastAgain, err := DecodeItem(AppendItem(nil, &im, last))
		if err != nil || last != lastAgain {
			t.Fatal(err, last, lastAgain)
		}
		if diff := cmp.Diff(im, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzHold(f *testing.F) {
	seed(f, "hold-*.hex")
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHold(b)
		if err != nil {
			return
		}
		again, err := DecodeHold(AppendHold(nil, &h))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
