package persistence

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/skua-stock/skua/engine"
)

// catalog knows the items that were created since they were last saved: those the snapshots do
// not list yet.
type catalog struct {
	mu    sync.Mutex
	fresh map[string]struct{}
	count atomic.Int64 // of fresh
}

// note takes the items that a record creates.
func (c *catalog) note(r *engine.Record) {
	for i := range r.Acts {
		if r.Acts[i].Op != engine.OpPutItem {
			continue
		}
		if e := &r.Acts[i].Events[0]; e.Type == engine.ItemCreated {
			c.mu.Lock()
			if c.fresh == nil {
				c.fresh = make(map[string]struct{})
			}
			c.fresh[r.SKUs[e.Stock]] = struct{}{}
			c.count.Store(int64(len(c.fresh)))
			c.mu.Unlock()
		}
	}
}

// saved takes an item off the list: the snapshots have it.
func (c *catalog) saved(sku string) {
	if c.count.Load() == 0 {
		return // An item is noted before it can be saved.
	}
	c.mu.Lock()
	delete(c.fresh, sku)
	c.count.Store(int64(len(c.fresh)))
	c.mu.Unlock()
}

// SKUs lists up to limit items with names after a name, in order. One that was only just created
// may not be durable yet: whoever shows it has to read it, which waits for that.
func (s *Store) SKUs(after string, limit int) ([]string, error) {
	s.catalog.mu.Lock()
	var all []string
	for sku := range s.catalog.fresh {
		if sku > after {
			all = append(all, sku)
		}
	}
	s.catalog.mu.Unlock()
	n := 0
	err := s.snapshots.Items(after, func(sku string) bool {
		all = append(all, sku)
		n++
		return n < limit
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all[:min(limit, len(all))], nil
}
