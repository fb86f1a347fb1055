package persistence

import (
	"github.com/skua-stock/skua/engine"
)

// checked is an item under check, as its records led to it so far.
type checked struct {
	// stock is made from the first record, if that is kept, or from the snapshot once the records
	// have come to it.
	stock    *engine.Stock
	sequence uint64
	counts   map[engine.LevelKey]engine.Counts
	last     uint64 // the last record that was seen
	snapshot uint64 // the record that its snapshot is as of
	compared bool
	lacking  bool
}

// see takes the record at hand, for its i-th item. It returns how many movements of it there were.
func (c *checker) see(index uint64, i int) (movements uint64) {
	sku := c.entry.Record.SKUs[i]
	it := c.item(sku)
	if index <= it.last {
		return 0 // The history had it.
	}
	if it.last != 0 && c.entry.Prev[i] != it.last {
		c.report.damage("%s: the record of %q before is said to be %d, but is %d", c.place(index), sku, c.entry.Prev[i], it.last)
	}
	if index > it.snapshot {
		if index <= c.report.Through && !it.lacking {
			it.lacking = true
			c.report.damage("item %q: the snapshots cover the log through record %d, but the item is as of %d and lacks record %d",
				sku, c.report.Through, it.snapshot, index)
		}
		c.compare(sku, it)
	}
	it.last = index
	return c.follow(index, i, sku, it)
}

// item starts the check of an item at its first record.
func (c *checker) item(sku string) *checked {
	it := c.items[sku]
	if it != nil {
		return it
	}
	it = &checked{counts: make(map[engine.LevelKey]engine.Counts)}
	if c.snapshots != nil {
		var err error
		if _, it.snapshot, _, err = c.snapshots.Load(sku); err != nil {
			c.report.damage("%v", err)
			it.compared = true
		}
	}
	if c.creates(sku) {
		it.stock = engine.NewStock(sku)
	}
	c.items[sku] = it
	return it
}

// creates reports whether the record at hand is the first of an item.
func (c *checker) creates(sku string) bool {
	r := &c.entry.Record
	for a := range r.Acts {
		for i := range r.Acts[a].Events {
			if e := &r.Acts[a].Events[i]; r.SKUs[e.Stock] == sku && e.Type == engine.ItemCreated {
				return true
			}
		}
	}
	return false
}

// follow applies a record to an item: its movements must go on where the ones before ended.
func (c *checker) follow(index uint64, i int, sku string, it *checked) (movements uint64) {
	r := &c.entry.Record
	r.Movements(func(_ int, m *engine.Movement) bool {
		if m.SKU != sku {
			return true
		}
		movements++
		if it.sequence != 0 && m.Sequence != it.sequence+1 {
			c.report.damage("%s: movement %d of %q follows %d", c.place(index), m.Sequence, sku, it.sequence)
		}
		it.sequence = m.Sequence
		if m.Settings == nil {
			if was, ok := it.counts[m.Level]; ok && was != m.Before {
				c.report.damage("%s: movement %d of %q at %q begins at %+v, but the one before ended at %+v",
					c.place(index), m.Sequence, sku, m.Level.Location, m.Before, was)
			}
			it.counts[m.Level] = m.After
		}
		return true
	})
	if it.stock == nil {
		return movements
	}
	defer func() {
		if p := recover(); p != nil {
			c.report.damage("%s does not fit: %v", c.place(index), p)
			it.stock = nil
		}
	}()
	stocks := make([]*engine.Stock, len(r.SKUs))
	stocks[i] = it.stock
	r.Apply(stocks)
	return movements
}

// compare holds an item, once its records have come to where its snapshot is, against that. From
// there on the records go on from the snapshot if it is all there is.
func (c *checker) compare(sku string, it *checked) {
	if it.compared || it.snapshot == 0 {
		return
	}
	it.compared = true
	s, _, _, err := c.snapshots.Load(sku)
	if err != nil {
		c.report.damage("%v", err)
		return
	}
	if it.last != 0 && it.last != it.snapshot {
		c.report.damage("item %q: the snapshot is as of record %d, but its last record until there is %d", sku, it.snapshot, it.last)
	}
	if it.sequence != 0 && s.Sequence() != it.sequence {
		c.report.damage("item %q: the snapshot is at sequence %d, its records lead to %d", sku, s.Sequence(), it.sequence)
	}
	view := s.View()
	for _, l := range view.Levels {
		if was, ok := it.counts[l.Key]; ok && was != l.Counts {
			c.report.damage("item %q at %q: the snapshot has %+v, its records lead to %+v", sku, l.Key.Location, l.Counts, was)
		}
	}
	if it.stock == nil {
		it.stock, it.sequence = s, s.Sequence()
		for _, l := range view.Levels {
			it.counts[l.Key] = l.Counts
		}
		return
	}
	c.report.Replayed++
	again := it.stock.View()
	if len(view.Levels) != len(again.Levels) {
		c.report.damage("item %q: the snapshot has %d levels, its records lead to %d", sku, len(view.Levels), len(again.Levels))
	}
	if !view.Settings.Equal(&again.Settings) {
		c.report.damage("item %q: the snapshot has the settings %+v, its records lead to %+v", sku, view.Settings, again.Settings)
	}
	if s.Holds() != it.stock.Holds() {
		c.report.damage("item %q: the snapshot has %d open reservations, its records lead to %d", sku, s.Holds(), it.stock.Holds())
	}
	if s.NextExpiry() != it.stock.NextExpiry() {
		c.report.damage("item %q: by the snapshot the next hold is due at %d, by its records at %d", sku, s.NextExpiry(), it.stock.NextExpiry())
	}
}

// finishRecords checks an item when all its records were seen.
func (c *checker) finishRecords(sku string, it *checked) {
	if it.snapshot <= c.report.Last { // Else that was found already.
		c.compare(sku, it)
	}
	if it.stock == nil {
		return
	}
	if err := it.stock.Check(); err != nil {
		c.report.damage("by its records: %v", err)
	}
}
