package actors

import (
	"context"
	"slices"
	"time"
)

// sweep passivates SKUs that were not used for long, and the least recently used when there are
// more than should be in memory. Only what is clean goes, so its state is in the snapshots.
func (s *System) sweep() {
	every := time.NewTicker(sweepEvery)
	defer every.Stop()
	start := time.Now()
	for !s.stopped() { // The end and a tick may have come together.
		select {
		case <-s.stop:
			return
		case <-every.C:
		}
		s.pace("sweep")()
		if s.stopped() {
			return
		}
		now := uint32(time.Since(start)/time.Second) + 1
		s.coarse.Store(now)
		cutoff := uint32(0)
		if idle := uint32(s.limits.IdleAfter / time.Second); now > idle {
			cutoff = now - idle
		}
		if over := int(s.directory.size.Load()) - s.limits.Resident; over > 0 {
			cutoff = max(cutoff, s.leastUsed(over))
			if err := s.Save(context.Background()); err != nil {
				s.log("save before passivation", "error", err)
			}
		}
		s.passivate(cutoff)
	}
}

// leastUsed estimates, from a sample, the use before which so many cells were last used.
func (s *System) leastUsed(cells int) uint32 {
	var used []uint32
	for i := range s.directory.shards {
		sh := &s.directory.shards[i]
		sh.mu.Lock()
		n := 0
		sh.each(func(c *cell) bool {
			n++
			used = append(used, c.used.Load())
			return n < sweepSample/directoryShards
		})
		sh.mu.Unlock()
	}
	if len(used) == 0 {
		return 0
	}
	slices.Sort(used)
	at := len(used) * cells / int(max(1, s.directory.size.Load()))
	return used[min(at, len(used)-1)] + 1
}

// passivate forgets the clean cells that were last used before a time.
func (s *System) passivate(before uint32) {
	idle := s.cells(func(c *cell) bool {
		return c.used.Load() < before && c.is(markLoaded) && !c.is(markDirty) && c.idle()
	})
	for _, c := range idle {
		if s.forget(c) {
			s.metrics.passivated.Inc()
		}
	}
}
