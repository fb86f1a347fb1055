package engine

import (
	"maps"
	"slices"
)

// Settings are what an operator decides about an item. They are replaced as a whole.
type Settings struct {
	// BackorderLimit is how many units, over all locations, may be promised beyond what is there.
	BackorderLimit int64
	// ReorderPoint raises the alert reorder_point_reached when the item's available units fall to
	// it or below. Zero raises none.
	ReorderPoint int64
	// SafetyStock is withheld from sale, by location.
	SafetyStock map[string]int64
	// LocationOrder is the order in which a line without a location is tried. Locations that it
	// does not name follow in ascending order of name.
	LocationOrder []string
}

// Equal reports whether two settings say the same.
func (s *Settings) Equal(o *Settings) bool {
	return s.BackorderLimit == o.BackorderLimit && s.ReorderPoint == o.ReorderPoint &&
		maps.Equal(s.SafetyStock, o.SafetyStock) && slices.Equal(s.LocationOrder, o.LocationOrder)
}

// LevelView is one level of an item as clients see it.
type LevelView struct {
	Key LevelKey
	Counts
}

// ItemView is one item as clients see it, at one sequence.
type ItemView struct {
	SKU      string
	Sequence uint64
	Settings Settings
	Levels   []LevelView
}

// Total sums a state over all levels.
func (v *ItemView) Total(s State) int64 {
	var n int64
	for i := range v.Levels {
		n += v.Levels[i].Of(s)
	}
	return n
}
