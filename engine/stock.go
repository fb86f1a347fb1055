package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Stock is one SKU with everything of it: settings, levels and open reservations. It belongs to
// one goroutine at a time; its actor sees to that.
type Stock struct {
	sku      string
	exists   bool
	sequence uint64
	settings Settings
	levels   []Level
	index    map[LevelKey]int32 // only beyond levelsSearched levels
	// backordered, available and onHand are the sums over the levels.
	backordered, available, onHand int64

	holds map[uint64]*hold
	queue deadlines
	// Holds due at or before freedThrough gave their units back already; they wait in draining
	// to be written out.
	freedThrough Time
	draining     []*due

	// tracked says that somebody takes snapshots: then changed and gone list the holds that
	// differ from the last one.
	tracked       bool
	changed, gone []uint64
}

// levelsSearched is how many levels are found by looking at each; more have a map.
const levelsSearched = 12

// NewStock returns the stock of a SKU that is not an item yet.
func NewStock(sku string) *Stock { return &Stock{sku: sku} }

// SKU returns the name of the item.
func (s *Stock) SKU() string { return s.sku }

// Exists reports whether the item was created.
func (s *Stock) Exists() bool { return s.exists }

// Sequence returns the number of the last movement.
func (s *Stock) Sequence() uint64 { return s.sequence }

// HasHold reports whether the reservation with this number has lines here.
func (s *Stock) HasHold(nonce uint64) bool { return s.holds[nonce] != nil }

// Holds returns how many reservations have lines here.
func (s *Stock) Holds() int { return len(s.holds) }

// NextExpiry returns when the next hold falls due, or zero when none will. While expired holds
// wait to be written out it is the time they were freed at: now.
func (s *Stock) NextExpiry() Time {
	if len(s.draining) > 0 {
		return s.draining[0].at
	}
	if d := s.queue.first(); d != nil {
		return d.at
	}
	return 0
}

// Participants returns the other SKUs of a reservation whose home this is, in visiting order;
// ok is false when the reservation is not here.
func (s *Stock) Participants(nonce uint64) (skus []string, ok bool) {
	h := s.holds[nonce]
	if h == nil {
		return nil, false
	}
	for _, l := range h.others() {
		if n := len(skus); n == 0 || skus[n-1] != l.SKU {
			skus = append(skus, l.SKU)
		}
	}
	return skus, true
}

// View copies what clients see of the item.
func (s *Stock) View() ItemView {
	v := ItemView{SKU: s.sku, Sequence: s.sequence, Settings: s.settings}
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
		if i, ok := s.index[key]; ok {
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
	s.levels = append(s.levels, Level{Key: key, Counts: c})
	if len(s.levels) > levelsSearched {
		if s.index == nil {
			s.index = make(map[LevelKey]int32)
			for j := range s.levels {
				s.index[s.levels[j].Key] = int32(j)
			}
		}
		s.index[key] = int32(i)
	}
	s.count(&c, 1)
	return i
}

// count adds a level's counts to the sums, or takes them away.
func (s *Stock) count(c *Counts, sign int64) {
	s.backordered += sign * c.Backordered()
	s.available += sign * c.Available()
	s.onHand += sign * c.OnHand
}

// Check reports the first broken invariant. It looks at everything, so it is for tests, recovery
// and `skua check`, not for every turn.
func (s *Stock) Check() error {
	if !s.exists && (s.sequence != 0 || len(s.levels) != 0 || len(s.holds) != 0) {
		return fmt.Errorf("item %q does not exist but has stock", s.sku)
	}
	sums := make([]struct{ reserved, committed int64 }, len(s.levels))
	linked := 0
	for nonce, h := range s.holds {
		if h.nonce != nonce {
			return fmt.Errorf("item %q: hold %x is filed under %x", s.sku, h.nonce, nonce)
		}
		if err := s.checkHold(h, func(level int32, reserved, committed int64) {
			sums[level].reserved += reserved
			sums[level].committed += committed
		}); err != nil {
			return err
		}
		if h.due != nil {
			linked++
		}
	}
	var queued int64
	for _, d := range s.queue.heap {
		queued += d.n
	}
	for _, d := range s.draining {
		queued += d.n
	}
	if int(queued) != linked {
		return fmt.Errorf("item %q: %d holds await expiry, %d are queued", s.sku, linked, queued)
	}
	return s.checkLevels(func(i int) (reserved, committed int64) { return sums[i].reserved, sums[i].committed })
}

func (s *Stock) checkHold(h *hold, add func(level int32, reserved, committed int64)) error {
	if h.state.Final() || h.state == StateNone {
		return fmt.Errorf("item %q: hold %x is %q but still here", s.sku, h.nonce, h.state)
	}
	if (h.due != nil) != (h.state == Active) {
		return fmt.Errorf("item %q: hold %x is %s, queued for expiry: %v", s.sku, h.nonce, h.state, h.due != nil)
	}
	freed := h.state == Active && h.deadline <= s.freedThrough
	for i := range h.lines() {
		l := h.at(i)
		if int(l.level) >= len(s.levels) {
			return fmt.Errorf("item %q: hold %x is at level %d of %d", s.sku, h.nonce, l.level, len(s.levels))
		}
		if l.Open < 0 || l.Fulfilled < 0 || l.Quantity < l.Open+l.Fulfilled {
			return fmt.Errorf("item %q: hold %x has a line of %+v", s.sku, h.nonce, l.LineStatus)
		}
		switch {
		case freed:
		case h.state == Active:
			add(l.level, l.Open, 0)
		default:
			add(l.level, 0, l.Open)
		}
	}
	return nil
}

func (s *Stock) checkLevels(held func(i int) (reserved, committed int64)) error {
	var backordered, available, onHand int64
	for i := range s.levels {
		l := &s.levels[i]
		c := &l.Counts
		reserved, committed := held(i)
		if c.Reserved != reserved || c.Committed != committed {
			return fmt.Errorf("item %q at %q: reserved %d and committed %d, but the open lines sum to %d and %d",
				s.sku, l.Key.Location, c.Reserved, c.Committed, reserved, committed)
		}
		if err := c.check(); err != nil {
			return fmt.Errorf("item %q at %q: %w", s.sku, l.Key.Location, err)
		}
		if want := s.settings.SafetyStock[l.Key.Location]; c.Safety != want {
			return fmt.Errorf("item %q at %q: safety setting %d, the item says %d", s.sku, l.Key.Location, c.Safety, want)
		}
		backordered += c.Backordered()
		available += c.Available()
		onHand += c.OnHand
	}
	if backordered != s.backordered || available != s.available || onHand != s.onHand {
		return fmt.Errorf("item %q: sums of backordered, available, on_hand are %d, %d, %d, kept as %d, %d, %d",
			s.sku, backordered, available, onHand, s.backordered, s.available, s.onHand)
	}
	return nil
}

// check is the invariant of one level.
func (c *Counts) check() error {
	for _, n := range [...]int64{c.OnHand, c.Reserved, c.Committed, c.Damaged, c.QualityControl, c.Other, c.Safety} {
		if n < 0 {
			return fmt.Errorf("a negative quantity in %+v", *c)
		}
	}
	left := c.OnHand + c.Backordered()
	right := c.Available() + c.Reserved + c.Committed + c.SafetyStock() + c.Damaged + c.QualityControl + c.Other
	if left != right {
		return fmt.Errorf("on_hand + backordered is %d, the states sum to %d in %+v", left, right, *c)
	}
	if c.Available() > 0 && c.Backordered() > 0 {
		return fmt.Errorf("available and backordered at once in %+v", *c)
	}
	if c.OnHand < c.Damaged+c.QualityControl+c.Other {
		return fmt.Errorf("more units set aside than on hand in %+v", *c)
	}
	return nil
}
