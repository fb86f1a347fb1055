package engine

import "slices"

// scratch is a stock as the turn has made it so far.
type scratch struct {
	stock    *Stock
	exists   bool
	sequence uint64
	settings *Settings
	sums     sums
	// touched are the levels that the turn has looked at closely or changed; added counts those
	// that are new. More than levelsSearched of them have a map.
	touched []touched
	at      map[LevelKey]int
	added   int
	// order is the sourcing order, as indexes into touched, while ordered.
	order   []int
	ordered bool
	// asked sums what one reservation asks for.
	asked int64
}

// touched is a level as the turn has made it.
type touched struct {
	key    LevelKey
	counts Counts
	// isNew says that the stock does not have the level yet.
	isNew bool
	// want is where in Turn.wants this level is wanted, if it says so there too.
	want int
}

// reset makes the scratch be a stock that is not changed yet, and keeps its memory.
func (sc *scratch) reset(s *Stock) {
	if len(sc.at) > 0 {
		clear(sc.at)
	}
	*sc = scratch{
		stock: s, exists: s.exists, sequence: s.sequence, settings: s.settings, sums: s.sums(),
		touched: sc.touched[:0], at: sc.at, order: sc.order[:0],
	}
}

// find returns the index of a touched level, or -1.
func (sc *scratch) find(key LevelKey) int {
	if len(sc.touched) > levelsSearched {
		if j, ok := sc.at[key]; ok {
			return j
		}
		return -1
	}
	for j := range sc.touched {
		if sc.touched[j].key == key {
			return j
		}
	}
	return -1
}

// touch returns the index in touched of a level, bringing it there first; -1 means that the item
// has no such level.
func (sc *scratch) touch(key LevelKey) int {
	if j := sc.find(key); j >= 0 {
		return j
	}
	if j := sc.stock.find(key); j >= 0 {
		l := sc.stock.level(j)
		return sc.add(touched{key: l.key.Value(), counts: l.Counts}) // Its key, for the command's text may go.
	}
	return -1
}

func (sc *scratch) add(l touched) int {
	j := len(sc.touched)
	sc.touched = append(sc.touched, l)
	if len(sc.touched) > levelsSearched {
		if sc.at == nil {
			sc.at = make(map[LevelKey]int)
		}
		if len(sc.at) == 0 {
			for i := range sc.touched {
				sc.at[sc.touched[i].key] = i
			}
		}
		sc.at[l.key] = j
	}
	return j
}

// level returns a level as the turn has made it so far.
func (sc *scratch) level(key LevelKey) (c Counts, ok bool) {
	if j := sc.find(key); j >= 0 {
		return sc.touched[j].counts, true
	}
	if j := sc.stock.find(key); j >= 0 {
		return sc.stock.level(j).Counts, true
	}
	return Counts{Safety: sc.settings.SafetyStock[key.Location]}, false
}

// put sets a level and keeps the sums.
func (sc *scratch) put(key LevelKey, before, after Counts) {
	j := sc.touch(key)
	if j < 0 {
		sc.add(touched{key: key, counts: after, isNew: true})
		sc.added++
		sc.ordered = false
		sc.sums.count(&after, 1) // A level that is not there yet is in no sum.
		return
	}
	sc.touched[j].counts = after
	sc.sums.count(&before, -1)
	sc.sums.count(&after, 1)
}

// locations counts the levels.
func (sc *scratch) locations() int { return int(sc.stock.levels) + sc.added }

// levelKeys lists the levels in order of their keys.
func (sc *scratch) levelKeys() []LevelKey {
	keys := make([]LevelKey, 0, sc.locations())
	for j := range int(sc.stock.levels) {
		keys = append(keys, sc.stock.level(j).key.Value())
	}
	for j := range sc.touched {
		if sc.touched[j].isNew {
			keys = append(keys, sc.touched[j].key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// sourcing lists all levels, as indexes into touched, in the order in which a line without a
// location tries them: the item's location order, then the other locations by name. It is made
// once a turn, so that a thousand such lines do not sort a thousand times.
func (sc *scratch) sourcing() []int {
	if sc.ordered {
		return sc.order
	}
	for j := range int(sc.stock.levels) {
		sc.touch(sc.stock.level(j).key.Value())
	}
	sc.order = sc.order[:0]
	for j := range sc.touched {
		sc.order = append(sc.order, j)
	}
	rank := sc.settings.rank()
	slices.SortFunc(sc.order, func(a, b int) int {
		ka, kb := sc.touched[a].key, sc.touched[b].key
		if ra, rb := rank(ka.Location), rank(kb.Location); ra != rb {
			return ra - rb
		}
		return compareKeys(ka, kb)
	})
	sc.ordered = true
	return sc.order
}

// rank returns a function that says which place a location has in the item's order; those that
// are not in it come last, together.
func (s *Settings) rank() func(location string) int {
	order := s.LocationOrder
	if len(order) <= levelsSearched {
		return func(location string) int {
			if i := slices.Index(order, location); i >= 0 {
				return i
			}
			return len(order)
		}
	}
	places := make(map[string]int, len(order))
	for i, location := range order {
		places[location] = i - len(order)
	}
	return func(location string) int { return places[location] }
}

// sellable is how many units of a level a reservation may take: what is free above the safety
// setting, and what of the item's backorder limit other locations have left. While the limit is
// zero, that is available.
func (sc *scratch) sellable(c *Counts) int64 {
	room := max(0, sc.settings.BackorderLimit-(sc.sums.backordered-c.Backordered()))
	return max(0, c.Free()-c.Safety+room)
}
