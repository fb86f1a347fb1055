package actors

import (
	"context"
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// capture gathers the image of one SKU over a few turns of it: the holds that changed come in
// bounded pieces, so that a SKU with a million of them goes on answering in between. The item
// itself is copied in the last turn; what changed since an earlier piece is in a later one again.
type capture struct {
	cell *cell
	im   engine.Image
	last uint64
	err  error
	done chan<- *capture
}

// captured is a SKU's turn for a piece of its image.
func (c *cell) captured(k *capture) {
	if c.err != nil {
		k.err = c.err
		k.done <- k
		return
	}
	if c.capture != k {
		c.capture = k // The first piece, or the first since a fence.
		k.im.Holds, k.im.Gone = nil, nil
		c.saving.Store(true)
		c.dirty.Store(false)
	}
	more := false
	if !c.guard(func() { more = c.stock.Capture(&k.im, holdsPerCapture) }) {
		k.err = engine.ErrInternal
	}
	if more && k.err == nil {
		c.post(k)
		return
	}
	k.last = c.last
	c.capture = nil
	k.done <- k
}

// Save writes every SKU that changed to its snapshot. When it returns without an error, recovery
// needs the log only from the place on at which the log was durable when it was called.
func (s *System) Save(ctx context.Context) error {
	s.saveMu.Lock()
	defer s.saveMu.Unlock()
	through := s.wal.Durable() // Before the lists are taken: what is in the log by now is listed.
	var cells []*cell
	for i := range s.partitions {
		p := &s.partitions[i]
		p.mu.Lock()
		cells = append(cells, p.dirty...)
		p.dirty = nil
		p.mu.Unlock()
	}
	done := make(chan *capture, capturesInFlight)
	var failed error
	sent, written := 0, 0
	for written < len(cells) {
		for sent < len(cells) && sent-written < capturesInFlight {
			s.startCapture(cells[sent], done)
			sent++
		}
		k := <-done
		written++
		if failed == nil {
			failed = ctx.Err()
		}
		if err := s.saveOne(k, failed != nil); err != nil && failed == nil {
			failed = err
		}
	}
	if failed != nil {
		return fmt.Errorf("save snapshots: %w", failed)
	}
	if err := s.snapshots.Commit(through); err != nil {
		return fmt.Errorf("save snapshots: %w", err)
	}
	return nil
}

// startCapture counts itself in like any sender, past the limits: it must not starve under load.
func (s *System) startCapture(c *cell, done chan<- *capture) {
	s.inFlight.Add(1)
	c.part.inFlight.Add(1)
	c.inFlight.Add(1)
	c.post(&capture{cell: c, done: done})
}

func (s *System) saveOne(k *capture, skip bool) error {
	c := k.cell
	defer c.release()
	err := k.err
	if err == nil && skip {
		err = context.Canceled
	}
	if err == nil {
		var saved any
		if saved, err = s.snapshots.Save(&k.im, k.last, c.saved); err == nil {
			c.saved = saved
		}
	}
	if err != nil {
		s.unsaved(k)
	}
	c.saving.Store(false)
	return err
}

// unsaved repairs a SKU whose image could not be written: what of it changed is not noted any
// more, so it is read again from the last snapshot and the log.
func (s *System) unsaved(k *capture) {
	c := k.cell
	c.markDirty()
	s.inFlight.Add(1)
	c.part.inFlight.Add(1)
	c.inFlight.Add(1)
	c.post(repair{})
}

// cells lists the cells that a condition holds for.
func (s *System) cells(want func(*cell) bool) []*cell {
	var all []*cell
	for i := range s.directory.shards {
		sh := &s.directory.shards[i]
		sh.mu.Lock()
		for _, c := range sh.cells {
			if want(c) {
				all = append(all, c)
			}
		}
		sh.mu.Unlock()
	}
	return all
}
