package engine

import (
	"flag"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

var restSeed = flag.Uint64("rest-seed", uint64(time.Now().UnixNano()), "the seed of TestRests")

// TestRests gives and takes rests of all lengths, and reads each as it was given, alone and with
// others. Its seed is in its output; -rest-seed replays it.
func TestRests(t *testing.T) {
	t.Logf("go test ./engine -run TestRests -rest-seed=%d", *restSeed)
	rng := rand.New(rand.NewPCG(*restSeed, 1))
	s := NewStock("here")
	s.Track()
	s.exists, s.sequence = true, 1
	given := make(map[uint64]holdRest)
	for nonce := uint64(1); nonce <= 3000; nonce++ {
		rest := someRest(rng)
		s.restoreHold(HoldImage{
			Nonce: nonce, State: Confirmed, Owner: rest.owner, Home: rest.home, Others: rest.others, Lines: make([]HoldLineImage, 1),
		})
		given[nonce] = rest
		for old := range given {
			if len(given) > 1 && rng.IntN(2) == 0 { // Now and then nearly all are gone.
				s.holds.remove(s.holds.find(old))
				delete(given, old)
			}
			if rng.IntN(8) == 0 {
				break
			}
		}
		checkRests(t, s.holds, given)
	}
	im := Image{}
	s.holds.each(func(p place, h *hold) { s.touch(p, h) })
	s.Capture(&im, len(given))
	for _, h := range im.Holds[0] {
		if got := (holdRest{h.Owner, h.Home, h.Others}); !reflect.DeepEqual(got, given[h.Nonce]) {
			t.Fatalf("the image of hold %d has %+v, not %+v", h.Nonce, got, given[h.Nonce])
		}
	}
}

func checkRests(t *testing.T, hs *holds, given map[uint64]holdRest) {
	t.Helper()
	if err := hs.check(); err != nil {
		t.Fatal(err)
	}
	for nonce, want := range given {
		h := hs.get(nonce)
		if got := hs.restOf(h); !reflect.DeepEqual(got, want) {
			t.Fatalf("hold %d has %+v, not %+v", nonce, got, want)
		}
		if hs.away(h) != (want.home != "") || hs.linesElsewhere(h) != len(want.others) {
			t.Fatalf("hold %d: away %v, %d lines elsewhere; its rest is %+v", nonce, hs.away(h), hs.linesElsewhere(h), want)
		}
	}
}

// someRest draws a rest, or none.
func someRest(rng *rand.Rand) (rest holdRest) {
	name := func(most int) string { return strings.Repeat("n", 1+rng.IntN(most)) }
	if rng.IntN(3) == 0 {
		rest.owner = name(OwnerBytesMax)
	}
	switch rng.IntN(3) {
	case 0:
		rest.home = name(NameBytesMax)
	case 1:
		for range 1 + rng.IntN(20) {
			rest.others = append(rest.others, Line{
				SKU: name(NameBytesMax), Location: name(NameBytesMax), Quantity: rng.Int64N(QuantityMax + 1),
			})
		}
	}
	return rest
}
