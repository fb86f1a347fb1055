package engine_test

import (
	"flag"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// Unless the command line says otherwise, every property is looked at so many times.
func init() {
	if err := flag.Set("rapid.checks", "100"); err != nil {
		panic(err)
	}
}

// scenes are the worlds that the engine and its twin are led through. Each looks for another kind
// of mistake.
var scenes = map[string]enginetest.Scene{
	"one level": {
		SKUs: []string{"a"}, Locations: []string{"x"}, QuantityMax: 4, LinesMax: 2, TTLMax: 5,
		Backorders: true, SafetyStock: true,
	},
	"several locations": {
		SKUs: []string{"a"}, Locations: []string{"x", "y", "z"}, QuantityMax: 6, LinesMax: 4, TTLMax: 9,
		Backorders: true, SafetyStock: true, Order: true,
	},
	"several items": {
		SKUs: []string{"a", "b", "c"}, Locations: []string{"x", "y"}, QuantityMax: 6, LinesMax: 5, TTLMax: 4,
		SafetyStock: true, Order: true,
	},
	"everything": {
		SKUs: []string{"a", "b", "c"}, Locations: []string{"x", "y", "z"}, QuantityMax: 9, LinesMax: 6, TTLMax: 20,
		Backorders: true, SafetyStock: true, Order: true,
	},
	"extreme quantities": {
		SKUs: []string{"a", "b"}, Locations: []string{"x", "y", "z"}, QuantityMax: 3, Extreme: true, LinesMax: 4,
		TTLMax: 6, Backorders: true, SafetyStock: true, Order: true,
	},
	// More than levelsSearched locations and stocksSearched items are found another way.
	"many locations": {
		SKUs: []string{"a"}, Locations: names("x", 20), QuantityMax: 4, LinesMax: 20, TTLMax: 9,
		Backorders: true, SafetyStock: true, Order: true,
	},
	"many items": {
		SKUs: names("a", 12), Locations: []string{"x", "y"}, QuantityMax: 6, LinesMax: 15, TTLMax: 9,
	},
}

func names(prefix string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, prefix+string(rune('a'+i)))
	}
	return all
}

// TestAgainstTwin leads real stocks and their twin through the same random commands. A failure
// prints its seed; to replay it, run
//
//	go test ./engine -run 'TestAgainstTwin/<scene>' -rapid.seed=<seed>
//
// and to look longer, -rapid.checks=10000. What is compared after every command is in world.
func TestAgainstTwin(t *testing.T) {
	for name, scene := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { wander(t, &scene) })
		})
	}
}

// wander is one random walk through a scene.
func wander(t *rapid.T, scene *enginetest.Scene) {
	w := newWorld(t)
	savers := map[string]*saver{}
	nonce := uint64(0)
	if rapid.Bool().Draw(t, "stocked") {
		w.do(scene.Opening()...)
	}
	for range rapid.IntRange(1, 150).Draw(t, "turns") {
		w.now = scene.Time(t, w.twin, w.now)
		var cs []*engine.Command
		batch := rapid.SampledFrom([]int{1, 1, 1, 1, 2, 4}).Draw(t, "commands")
		for range batch {
			nonce++
			cs = append(cs, scene.Command(t, w.twin, w.now, nonce))
		}
		w.do(cs...)
		if nonces := w.twin.Nonces(); len(nonces) > 0 {
			w.reservation(rapid.SampledFrom(nonces).Draw(t, "looked at"))
		}
		if rapid.IntRange(0, 3).Draw(t, "save") == 0 {
			sku := scene.SKUs[rapid.IntRange(0, len(scene.SKUs)-1).Draw(t, "saved")]
			if savers[sku] == nil {
				savers[sku] = &saver{holds: map[uint64]engine.HoldImage{}}
			}
			savers[sku].piece(t, w, sku)
		}
	}
	w.finish()
}

// saver takes images of a stock in small pieces and merges them, as a database of snapshots does.
type saver struct {
	image engine.Image
	holds map[uint64]engine.HoldImage
}

// piece takes one piece. When the image is whole, what can be restored from it must be the stock;
// sometimes the world goes on with that.
func (v *saver) piece(t *rapid.T, w *world, sku string) {
	t.Helper()
	s := w.stock(sku)
	if !s.Exists() {
		return
	}
	before := s.Dump()
	more := s.Capture(&v.image, rapid.IntRange(1, 3).Draw(t, "piece"))
	if after := s.Dump(); before != after {
		t.Fatalf("Capture changed the stock (-before +after):\n%s", cmp.Diff(before, after))
	}
	if more {
		return
	}
	v.merge()
	if v.image.Open != len(v.holds) || v.image.Open != s.Holds() || v.image.NextExpiry != s.NextExpiry() {
		t.Fatalf("the image has %d open holds and next expiry %d, merged are %d; the stock has %d and %d",
			v.image.Open, v.image.NextExpiry, len(v.holds), s.Holds(), s.NextExpiry())
	}
	restored := engine.Restore(v.image, maps.Values(v.holds))
	if diff := cmp.Diff(before, restored.Dump()); diff != "" {
		t.Fatalf("the restored stock is another (-live +restored):\n%s", diff)
	}
	v.image = engine.Image{}
	if rapid.Bool().Draw(t, "go on with what was restored") {
		w.stocks[sku] = restored
	}
}

func (v *saver) merge() {
	for _, h := range slices.Concat(v.image.Holds...) {
		v.holds[h.Nonce] = h
	}
	for _, nonce := range v.image.Gone {
		delete(v.holds, nonce)
	}
}

// TestManyDueAtOnce has more holds fall due together than one record writes out, and takes
// commands while that goes on.
//
//	go test ./engine -run TestManyDueAtOnce -rapid.seed=<seed>
func TestManyDueAtOnce(t *testing.T) {
	scene := enginetest.Scene{
		SKUs: []string{"a", "b"}, Locations: []string{"x", "y"}, QuantityMax: 4, LinesMax: 3, TTLMax: 3,
		SafetyStock: true, Backorders: true,
	}
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.pure = false // Comparing hundreds of holds each time takes long.
		nonce := uint64(0)
		reserve := func(n int, lines []engine.Line, ttl int64) {
			var cs []*engine.Command
			for range n {
				nonce++
				cs = append(cs, &engine.Command{
					Op: engine.OpReserve, Lines: lines, TTL: ttl, Reservation: engine.ReservationRef{Nonce: nonce},
				})
			}
			if n > 0 {
				w.do(cs...)
			}
		}
		for _, c := range scene.Opening() {
			c.Quantity *= 100
			w.do(c)
		}
		both := []engine.Line{{SKU: "a", Location: "x", Quantity: 1}, {SKU: "b", Location: "y", Quantity: 1}}
		one := []engine.Line{{SKU: "a", Location: "x", Quantity: 1}}
		reserve(rapid.IntRange(240, 300).Draw(t, "single"), one, 10)
		reserve(rapid.IntRange(0, 30).Draw(t, "double"), both, rapid.Int64Range(9, 11).Draw(t, "ttl of double"))
		w.drain = func() int { return rapid.IntRange(0, 2).Draw(t, "drain") }
		w.now += engine.Time(rapid.Int64Range(9, 11).Draw(t, "jump"))
		savers := &saver{holds: map[uint64]engine.HoldImage{}}
		for range rapid.IntRange(1, 12).Draw(t, "turns") {
			nonce++
			w.do(scene.Command(t, w.twin, w.now, nonce))
			if rapid.IntRange(0, 2).Draw(t, "more") == 0 {
				reserve(rapid.IntRange(1, 100).Draw(t, "more of one"), one, 2)
			}
			w.reservation(rapid.SampledFrom(w.twin.Nonces()).Draw(t, "looked at"))
			for rapid.IntRange(0, 3).Draw(t, "save") == 0 {
				savers.pieces(t, w, "a")
			}
			w.now = scene.Time(t, w.twin, w.now)
		}
		w.finish()
	})
}

// pieces takes a whole image, or most of it.
func (v *saver) pieces(t *rapid.T, w *world, sku string) {
	for w.stock(sku).Capture(&v.image, rapid.IntRange(50, 200).Draw(t, "piece")) {
		if rapid.Bool().Draw(t, "interrupted") {
			return
		}
	}
	v.merge()
	restored := engine.Restore(v.image, maps.Values(v.holds))
	if diff := cmp.Diff(w.stock(sku).Dump(), restored.Dump()); diff != "" {
		t.Fatalf("the restored stock is another (-live +restored):\n%s", diff)
	}
	v.image = engine.Image{}
	w.stocks[sku] = restored
}
