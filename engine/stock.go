package engine

import (
	"slices"
	"strings"
	"unique"
)

// Stock is one SKU with everything of it: settings, levels and open reservations. It belongs to
// one goroutine at a time; its actor sees to that.
//
// There may be millions, and a turn waits for every cache line of it that it touches, so the fields
// are in the order of how close to the others they are needed, and what few stocks have is in
// stockRest.
type Stock struct {
	sku      string
	sequence uint64
	exists   bool
	// tracked says that somebody takes snapshots: then changed and rest.gone list the holds that
	// differ from the last one.
	tracked bool
	acting  place // the hold that the act which is being applied is about
	sums    sums

	queue   deadlines
	changed []place

	holds holds

	levels       []Level
	settings     *Settings
	freedThrough Time // holds due by then gave their units back already; see stockRest.draining
	rest         *stockRest
	first        [1]Level // what levels begins as, since most items have one
}

// stockRest is what only some stocks have.
type stockRest struct {
	// draining are the holds due by freedThrough; they wait to be written out.
	draining deadlines
	gone     []uint64
	index    map[LevelKey]int32 // of the levels, beyond levelsSearched
}

// noSettings are those of an item that nothing was decided about, in one place for all.
var noSettings Settings

// extra is rest, made if it is not there.
func (s *Stock) extra() *stockRest {
	if s.rest == nil {
		s.rest = new(stockRest)
	}
	return s.rest
}

// levelsSearched is how many levels are found by looking at each; more have a map.
const levelsSearched = 12

// NewStock returns the stock of a SKU that is not an item yet.
func NewStock(sku string) *Stock { return &Stock{sku: sku, settings: &noSettings} }

// SKU returns the name of the item.
func (s *Stock) SKU() string { return s.sku }

// Exists reports whether the item was created.
func (s *Stock) Exists() bool { return s.exists }

// Sequence returns the number of the last movement.
func (s *Stock) Sequence() uint64 { return s.sequence }

// HasHold reports whether the reservation with this number has lines here.
func (s *Stock) HasHold(nonce uint64) bool { return s.holds.get(nonce) != nil }

// Holds returns how many reservations have lines here.
func (s *Stock) Holds() int { return int(s.holds.live) }

// NextExpiry returns when Expire has something to do next, or zero when never. While expired holds
// wait to be written out that is at once: their deadline, which is past.
func (s *Stock) NextExpiry() Time {
	if s.Draining() {
		return s.rest.draining.next
	}
	return s.queue.next
}

// HasDue reports whether units that fell due by now are not free yet. Until it says no, nothing
// may be decided on the stock; what Expire does beyond that can wait.
func (s *Stock) HasDue(now Time) bool {
	return s.queue.next != 0 && s.queue.next <= now
}

// Participants returns the other SKUs of a reservation whose home this is, in visiting order;
// ok is false when the reservation is not here.
func (s *Stock) Participants(nonce uint64) (skus []string, ok bool) {
	h := s.holds.get(nonce)
	if h == nil {
		return nil, false
	}
	for _, l := range s.holds.others(h) {
		if n := len(skus); n == 0 || skus[n-1] != l.SKU {
			skus = append(skus, l.SKU)
		}
	}
	return skus, true
}

// View copies what clients see of the item.
func (s *Stock) View() ItemView {
	v := ItemView{SKU: s.sku, Sequence: s.sequence, Settings: *s.settings}
	v.Levels = make([]LevelView, len(s.levels))
	for i := range s.levels {
		v.Levels[i] = LevelView(s.levels[i])
	}
	slices.SortFunc(v.Levels, func(a, b LevelView) int { return compareKeys(a.Key, b.Key) })
	return v
}

func compareKeys(a, b LevelKey) int {
	if c := strings.Compare(a.Location, b.Location); c != 0 {
		return c
	}
	if c := strings.Compare(a.Lot, b.Lot); c != 0 {
		return c
	}
	return strings.Compare(a.Pool, b.Pool)
}

// find returns the index of a level, or -1.
func (s *Stock) find(key LevelKey) int {
	if len(s.levels) > levelsSearched {
		if i, ok := s.rest.index[key]; ok {
			return int(i)
		}
		return -1
	}
	for i := range s.levels {
		if s.levels[i].Key == key {
			return i
		}
	}
	return -1
}

// addLevel appends a level and returns its index. Levels are never removed, so indexes stay.
func (s *Stock) addLevel(key LevelKey, c Counts) int {
	i := len(s.levels)
	if i == 0 {
		s.levels = s.first[:0]
	}
	// One copy of the name for all items: those who compare it mostly hold the same one.
	key.Location = unique.Make(key.Location).Value()
	s.levels = append(s.levels, Level{Key: key, Counts: c})
	if len(s.levels) > levelsSearched {
		rest := s.extra()
		if rest.index == nil {
			rest.index = make(map[LevelKey]int32)
			for j := range s.levels {
				rest.index[s.levels[j].Key] = int32(j)
			}
		}
		rest.index[key] = int32(i)
	}
	s.sums.count(&c, 1)
	return i
}

// sums are kept over all levels of an item. onHand and promised are at most QuantityMax, and so
// are the others, which they bound: nothing that is computed from them can overflow.
type sums struct {
	onHand, available, backordered int64
	// promised is what is reserved or committed.
	promised int64
}

// count adds a level's counts to the sums, or takes them away.
func (s *sums) count(c *Counts, sign int64) {
	s.onHand += sign * c.OnHand
	s.available += sign * c.Available()
	s.backordered += sign * c.Backordered()
	s.promised += sign * (c.Reserved + c.Committed)
}
