package persistence

import (
	"slices"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// catalog knows the items that were created since the last Commit, those the snapshots may not list
// yet: as a list, since there may be a million of them.
type catalog struct {
	mu    sync.Mutex
	pages []*catalogPage // in the order of the log, but for what is appended at the same time
}

type catalogPage struct {
	skus []string
	last uint64 // highest index of the records that created them
}

// note takes the items that a record creates.
func (c *catalog) note(r *engine.Record, index uint64) {
	for i := range r.Acts {
		if r.Acts[i].Op != engine.OpPutItem {
			continue
		}
		if e := &r.Acts[i].Events[0]; e.Type == engine.ItemCreated {
			c.mu.Lock()
			n := len(c.pages)
			if n == 0 || len(c.pages[n-1].skus) == catalogPageSKUs {
				c.pages = append(c.pages, new(catalogPage))
				n++
			}
			p := c.pages[n-1]
			p.skus = append(p.skus, r.SKUs[e.Stock])
			p.last = max(p.last, index)
			c.mu.Unlock()
		}
	}
}

// committed takes the items off the list that were created by records through an index: the snapshots
// have them. A page whose last item is younger waits, and lists what the snapshots list, too.
func (c *catalog) committed(through uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pages = slices.DeleteFunc(c.pages, func(p *catalogPage) bool { return p.last <= through })
}

// SKUs lists up to limit items with names after a name, in order. One that was only just created
// may not be durable yet: whoever shows it has to read it, which waits for that.
func (s *Store) SKUs(after string, limit int) ([]string, error) {
	s.catalog.mu.Lock()
	var all []string
	for _, p := range s.catalog.pages {
		for _, sku := range p.skus {
			if sku > after {
				all = append(all, sku)
			}
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
