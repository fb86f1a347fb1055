package codec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// skimmed is a skim of what a Decoder made of the same bytes.
func skimmed(e *Entry) *Skim {
	r := &e.Record
	s := &Skim{Epoch: e.Epoch, Time: r.Time, Positions: e.Positions, Prev: e.Prev}
	for _, sku := range r.SKUs {
		s.SKUs = append(s.SKUs, []byte(sku))
	}
	for i := range r.Acts {
		a := &r.Acts[i]
		home := a.Reservation.Home
		if a.Reservation.Nonce == 0 {
			if home = ""; len(a.Events) > 0 {
				home = r.SKUs[a.Events[0].Stock]
			}
		}
		at := false
		for j := range a.Events {
			at = at || r.SKUs[a.Events[j].Stock] == home
		}
		s.Acts = append(s.Acts, SkimmedAct{
			KeyHash: a.KeyHash, Home: []byte(home), Nonce: a.Reservation.Nonce, State: a.State, AtHome: at,
		})
	}
	return s
}

// skimAgrees holds a skim against what a Decoder says of the same bytes.
func skimAgrees(t interface{ Fatal(args ...any) }, b []byte, e *Entry, err error) {
	var s Skim
	got := s.Read(b)
	if (got == nil) != (err == nil) {
		t.Fatal("skimmed:", got, "decoded:", err)
	}
	var head Skim
	if failed := head.Head(b); failed != nil && err == nil {
		t.Fatal("head:", failed)
	}
	if err != nil {
		return
	}
	whole := Skim{Epoch: s.Epoch, Time: s.Time, Positions: s.Positions, SKUs: s.SKUs, Prev: s.Prev}
	if diff := cmp.Diff(&whole, &head, exact); diff != "" {
		t.Fatal("head: ", diff)
	}
	for i := range s.Acts {
		// An act without events, which the engine never writes, has no home unless it says so.
		if a := &s.Acts[i]; a.Nonce == 0 && len(e.Record.Acts[i].Events) == 0 {
			a.Home = nil
		}
	}
	if diff := cmp.Diff(skimmed(e), &s, exact); diff != "" {
		t.Fatal(diff)
	}
}

func TestSkimAgreesWithTheDecoder(t *testing.T) {
	var d Decoder
	rapid.Check(t, func(t *rapid.T) {
		e := someEntries().Draw(t, "entry")
		b := AppendEntry(nil, &e)
		if n := len(b); rapid.Bool().Draw(t, "spoil") && n > 0 {
			b[rapid.IntRange(0, n-1).Draw(t, "at")] ^= byte(1 + rapid.IntRange(0, 254).Draw(t, "bits"))
			b = b[:rapid.IntRange(0, n).Draw(t, "length")]
		}
		var got Entry
		err := d.Entry(b, &got)
		skimAgrees(t, b, &got, err)
	})
}

func TestSkimDoesNotAllocate(t *testing.T) {
	b := AppendEntry(nil, reserveEntry())
	var s Skim
	if n := testing.AllocsPerRun(100, func() {
		if err := s.Read(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
