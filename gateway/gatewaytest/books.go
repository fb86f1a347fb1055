package gatewaytest

import (
	"context"
	"slices"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// SKUs implements gateway.Books.
func (s *Shop) SKUs(_ context.Context, after string, limit int) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for sku := range s.stocks {
		if sku > after {
			names = append(names, sku)
		}
	}
	slices.Sort(names)
	return names[:min(limit, len(names))], nil
}

// History implements gateway.Books.
func (s *Shop) History(_ context.Context, sku string, before uint64, limit int) (gateway.History, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []engine.Movement
	for _, r := range s.log {
		r.Movements(func(_ int, m *engine.Movement) bool {
			if m.SKU == sku && (before == 0 || m.Sequence < before) {
				all = append(all, *m)
			}
			return true
		})
	}
	slices.Reverse(all)
	return gateway.History{Movements: all[:min(limit, len(all))], More: len(all) > limit}, nil
}

// Bounds implements gateway.Feed.
func (s *Shop) Bounds() (oldest, newest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return uint64(s.oldest) + 1, uint64(len(s.log))
}

// Follow implements gateway.Feed.
func (s *Shop) Follow(from uint64) gateway.Follower { return &follower{shop: s, next: from} }

type follower struct {
	shop *Shop
	next uint64
}

// Next implements gateway.Follower.
func (f *follower) Next(ctx context.Context) (uint64, *engine.Record, error) {
	for {
		f.shop.mu.Lock()
		log, oldest, changed := f.shop.log, f.shop.oldest, f.shop.changed
		f.shop.mu.Unlock()
		if f.next <= uint64(oldest) {
			return 0, nil, gateway.ErrGone
		}
		if f.next <= uint64(len(log)) {
			f.next++
			return f.next - 1, log[f.next-2], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}

// Close implements gateway.Follower.
func (f *follower) Close() error { return nil }
