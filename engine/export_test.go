package engine

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Dump writes down everything of a stock that decides what it will do, so that two stocks that
// dump alike are alike. Of what only remembers how it came to be (the order of holds with one
// deadline, what the next image will have) it says nothing.
func (s *Stock) Dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "item %q exists %v sequence %d settings %d %d %v %v\n", s.sku, s.exists, s.sequence,
		s.settings.BackorderLimit, s.settings.ReorderPoint, s.settings.SafetyStock, s.settings.LocationOrder)
	fmt.Fprintf(&b, "sums %+v freed through %d\n", s.sums(), s.freedThrough)
	for i, l := range s.allLevels() {
		fmt.Fprintf(&b, "level %d %+v\n", i, l)
	}
	for _, im := range s.HoldImages() {
		fmt.Fprintf(&b, "hold %+v\n", im)
	}
	if s.holds != nil {
		s.dumpDues(&b, "due", &s.holds.queue)
	}
	s.dumpDues(&b, "draining", &s.extra().draining)
	return b.String()
}

func (s *Stock) dumpDues(b *strings.Builder, word string, q *deadlines) {
	q.each(func(d *due) bool {
		sums := map[int32]int64{}
		q.sums(d, func(level int32, units int64) { sums[level] += units })
		var nonces []uint64
		for p := d.head; p != 0; p = s.holds.at(p).next {
			nonces = append(nonces, s.holds.at(p).nonce)
		}
		slices.Sort(nonces)
		fmt.Fprintf(b, "%s %d: %d holds of weight %d, %v, %v\n", word, d.at, d.n, d.weight, sums, nonces)
		return true
	})
}

// DumpTracking is Dump with what the next image will have.
func (s *Stock) DumpTracking() string {
	var changed []place
	if s.holds != nil {
		changed = s.holds.changed
	}
	return fmt.Sprintf("%schanged %v gone %v\n", s.Dump(), changed, s.extra().gone)
}

// HoldImages writes down all holds, changed or not.
func (s *Stock) HoldImages() []HoldImage {
	var all []HoldImage
	s.holds.each(func(_ place, h *hold) {
		im, rest := imageOf(h, s.holds.appendLines(nil, h)), s.holds.restOf(h)
		im.Owner, im.Home, im.Others = rest.owner, rest.home, rest.others
		all = append(all, im)
	})
	slices.SortFunc(all, func(a, b HoldImage) int { return cmp.Compare(a.Nonce, b.Nonce) })
	return all
}

// Clone copies a stock, by way of an image of it.
func (s *Stock) Clone() *Stock {
	if !s.exists {
		return NewStock(s.sku)
	}
	return Restore(Image{
		SKU: s.sku, Sequence: s.sequence, Settings: *s.settings, Levels: s.allLevels(),
		FreedThrough: s.freedThrough,
	}, slices.Values(s.HoldImages()))
}
