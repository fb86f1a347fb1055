package engine

import (
	"math"
	"slices"
	"strings"
	"unique"
)

// Stock is one SKU with everything of it: settings, levels and open reservations. It belongs to
// one goroutine at a time; its actor sees to that.
//
// There may be millions, and a turn waits for every cache line of it that it touches, so it fills two:
// one for the item and one for its first level, since most have no other. What only those with
// reservations have is in holds, and what few have in stockRest.
type Stock struct {
	sku      string
	sequence uint64
	exists   bool
	// tracked says that somebody takes snapshots: then holds.changed and rest.gone list the holds that
	// differ from the last one.
	tracked      bool
	levels       uint16 // how many there are; see level
	acting       place  // the hold that the act which is being applied is about
	settings     *Settings
	holds        *holds // nil for none
	freedThrough Time   // holds due by then gave their units back already; see stockRest.draining
	rest         *stockRest

	first level
}

// stockRest is what only some stocks have.
type stockRest struct {
	// draining are the holds due by freedThrough; they wait to be written out.
	draining deadlines
	gone     []uint64
	levels   []level            // after the first
	sums     sums               // of the levels, if there is more than one
	index    map[LevelKey]int32 // of the levels, beyond levelsSearched
}

// level is one stock level of an item, and fills a cache line. There is one copy of each key for all
// items.
type level struct {
	key unique.Handle[LevelKey]
	Counts
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
func (s *Stock) Holds() int {
	if s.holds == nil {
		return 0
	}
	return int(s.holds.live)
}

// NextExpiry returns when Expire has something to do next, or zero when never. While expired holds
// wait to be written out that is at once: their deadline, which is past.
func (s *Stock) NextExpiry() Time {
	if s.Draining() {
		return s.rest.draining.next
	}
	return s.nextDue()
}

// nextDue returns when the next hold falls due whose units are not free yet, or zero.
func (s *Stock) nextDue() Time {
	if s.holds == nil {
		return 0
	}
	return s.holds.queue.next
}

// HasDue reports whether units that fell due by now are not free yet. Until it says no, nothing
// may be decided on the stock; what Expire does beyond that can wait.
func (s *Stock) HasDue(now Time) bool {
	next := s.nextDue()
	return next != 0 && next <= now
}

// Participants returns the other SKUs of a reservation whose home this is, in visiting order;
// ok is false when the reservation is not here.
func (s *Stock) Participants(nonce uint64) (skus []string, ok bool) {
	h := s.holds.get(nonce)
	if h == nil {
		return nil, false
	}
	for _, l := range s.holds.restOf(h).others {
		if n := len(skus); n == 0 || skus[n-1] != l.SKU {
			skus = append(skus, l.SKU)
		}
	}
	return skus, true
}

// View copies what clients see of the item.
func (s *Stock) View() ItemView {
	v := ItemView{SKU: s.sku, Sequence: s.sequence, Settings: *s.settings}
	v.Levels = make([]LevelView, s.levels)
	for i := range v.Levels {
		l := s.level(i)
		v.Levels[i] = LevelView{Key: l.key.Value(), Counts: l.Counts}
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
	if s.levels > levelsSearched {
		if i, ok := s.rest.index[key]; ok {
			return int(i)
		}
		return -1
	}
	for i := range int(s.levels) {
		if s.level(i).key.Value() == key {
			return i
		}
	}
	return -1
}

// level returns the level with an index.
func (s *Stock) level(i int) *level {
	if i == 0 {
		return &s.first
	}
	return &s.rest.levels[i-1]
}

// addLevel appends a level and returns its index. Levels are never removed, so indexes stay.
func (s *Stock) addLevel(key LevelKey, c Counts) int {
	if s.levels == math.MaxUint16 {
		panic("engine: an item has more levels than can be counted")
	}
	i, l := int(s.levels), level{unique.Make(key), c}
	s.levels++
	if i == 0 {
		s.first = l
		return 0
	}
	rest := s.extra()
	if i == 1 {
		rest.sums.count(&s.first.Counts, 1)
	}
	rest.levels = append(rest.levels, l)
	rest.sums.count(&c, 1)
	if s.levels > levelsSearched {
		if rest.index == nil {
			rest.index = make(map[LevelKey]int32)
			for j := range i {
				rest.index[s.level(j).key.Value()] = int32(j)
			}
		}
		rest.index[l.key.Value()] = int32(i)
	}
	return i
}

// allLevels copies the levels.
func (s *Stock) allLevels() []Level {
	all := make([]Level, s.levels)
	for i := range all {
		l := s.level(i)
		all[i] = Level{Key: l.key.Value(), Counts: l.Counts}
	}
	return all
}

// sums are over all levels of an item. onHand and promised are at most QuantityMax, and so
// are the others, which they bound: nothing that is computed from them can overflow.
type sums struct {
	onHand, available, backordered int64
	// promised is what is reserved or committed.
	promised int64
}

// sums adds up the levels, if there are not many; else it is kept.
func (s *Stock) sums() (all sums) {
	if s.levels > 1 {
		return s.rest.sums
	}
	if s.levels == 1 {
		all.count(&s.first.Counts, 1)
	}
	return all
}

// set changes the counts of a level.
func (s *Stock) set(l *level, c *Counts) {
	if s.levels > 1 {
		s.rest.sums.count(&l.Counts, -1)
		s.rest.sums.count(c, 1)
	}
	l.Counts = *c
}

// count adds a level's counts to the sums, or takes them away.
func (s *sums) count(c *Counts, sign int64) {
	s.onHand += sign * c.OnHand
	s.available += sign * c.Available()
	s.backordered += sign * c.Backordered()
	s.promised += sign * (c.Reserved + c.Committed)
}
