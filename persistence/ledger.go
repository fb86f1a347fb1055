package persistence

import (
	"errors"
	"slices"
	"sync"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// Ledger lists up to limit movements of an item with sequences below before (0: from the newest
// on), newest first. head is the index of the item's last record, which must be durable. more says
// that older ones are kept; begins is the sequence at which the kept history begins, when the page
// reaches it and older movements are gone.
func (s *Store) Ledger(sku string, head, before uint64, limit int) (page []engine.Movement, more bool, begins uint64, err error) {
	w := &ledgerWalk{store: s, sku: sku, before: before, limit: limit, decoder: decoders.Get().(*codec.Decoder)}
	defer decoders.Put(w.decoder)
	at := head
	if place, ok := s.pages.get(sku, before); ok && before != 0 {
		at = place
	}
	for at != 0 && len(w.page) <= limit {
		at, err = w.step(at)
		if errors.Is(err, ErrGone) {
			break
		}
		if err != nil {
			return nil, false, 0, err
		}
	}
	page = w.page
	if len(page) > limit {
		page = page[:limit]
		s.pages.put(sku, page[limit-1].Sequence, w.at[limit-1])
		return page, true, 0, nil
	}
	if n := len(page); n > 0 && page[n-1].Sequence > 1 {
		begins = page[n-1].Sequence
	}
	return page, false, begins, nil
}

// ledgerWalk follows an item's records from the newest to the oldest: each knows the one before.
type ledgerWalk struct {
	store   *Store
	sku     string
	before  uint64
	limit   int
	page    []engine.Movement
	at      []uint64 // the record of each movement of the page
	decoder *codec.Decoder
	entry   codec.Entry
}

// step reads the record at an index, or the run of them that a bucket has, and returns the index
// of the one before.
func (w *ledgerWalk) step(at uint64) (prev uint64, err error) {
	b, ok := w.store.bucketOf(at)
	if !ok {
		e, err := w.store.entry(w.sku, at)
		if err != nil {
			return 0, err
		}
		w.take(at, &e.Record)
		return prevOf(e, w.sku), nil
	}
	found := false
	err = w.store.snapshots.Entries(b.Number, w.sku, at, func(index uint64, entry []byte) (bool, error) {
		if err := w.decoder.Entry(entry, &w.entry); err != nil {
			return false, err
		}
		found = true
		w.take(index, &w.entry.Record)
		prev = prevOf(&w.entry, w.sku)
		return len(w.page) <= w.limit, nil
	})
	if err == nil && !found {
		return 0, ErrGone
	}
	return prev, err
}

// take adds the record's movements of the item, the newest first.
func (w *ledgerWalk) take(index uint64, r *engine.Record) {
	from := len(w.page)
	r.Movements(func(_ int, m *engine.Movement) bool {
		if m.SKU == w.sku && (w.before == 0 || m.Sequence < w.before) {
			w.page = append(w.page, *m)
			w.at = append(w.at, index)
		}
		return true
	})
	slices.Reverse(w.page[from:])
}

// pages remembers where pages of ledgers ended, so that the next page of a long one need not be
// walked to. Forgetting costs time only.
type pages struct {
	mu     sync.Mutex
	places map[pageKey]uint64
}

type pageKey struct {
	sku    string
	before uint64
}

func (p *pages) get(sku string, before uint64) (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.places[pageKey{sku, before}]
	return at, ok
}

func (p *pages) put(sku string, before, at uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.places == nil || len(p.places) >= pagesRemembered {
		p.places = make(map[pageKey]uint64)
	}
	p.places[pageKey{sku, before}] = at
}
