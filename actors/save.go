package actors

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skua-stock/skua/engine"
)

// capture gathers the image of one SKU over a few turns of it: the holds that changed come in
// bounded pieces, so that a SKU with a million of them goes on answering in between. The item
// itself is copied in the last turn; what changed since an earlier piece is in a later one again.
type capture struct {
	cell    *cell
	im      engine.Image
	last    uint64
	reloads uint32
	begun   bool
	err     error
	done    chan<- *capture
}

// errClosed says that the system was closed before all images were there.
var errClosed = errors.New("the system is closed")

// errFenced says that an image is from before a fence.
var errFenced = errors.New("the item was reloaded in between")

// captured is a SKU's turn for a piece of its image.
func (c *cell) captured(k *capture) {
	first := !k.begun
	if first {
		k.begun = true
		c.mark(markDirty, false) // What changes from here on is for the next snapshot.
	}
	if k.err = c.fault(); k.err != nil {
		k.done <- k
		return
	}
	if first || c.reloads != k.reloads { // The first piece, or the first since a fence.
		k.im.Holds, k.im.Gone, k.reloads = nil, nil, c.reloads
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
	k.done <- k
}

// Save writes every SKU that changed to its snapshot. When it returns without an error, recovery
// needs the log only from the place on at which the log was durable when it was called.
func (s *System) Save(ctx context.Context) error { return s.save(ctx, rests{}) }

// SaveGently is Save for when there is time: it spreads its work over so long, with rests that are at
// most restShare times as long as the work between them, so that commands find a processor meanwhile.
// After that time, or when told to hurry, it rests no more.
func (s *System) SaveGently(ctx context.Context, atMost time.Duration, hurry <-chan struct{}) error {
	now := time.Now()
	return s.save(ctx, rests{began: now, until: now.Add(atMost), hurry: hurry})
}

// rests are the rests of a gentle save.
type rests struct {
	began, until time.Time // of the work since the last rest; of the rests
	hurry        <-chan struct{}
}

// rest rests after a piece of the work, if there is time for the pieces that are left and nobody waits for
// the end of them.
func (s *System) rest(r *rests, left int) {
	now := time.Now()
	worked := now.Sub(r.began)
	pause := min(r.until.Sub(now)/time.Duration(left+1)-worked, restShare*worked)
	if pause <= 0 || s.savers.Load() > 1 {
		r.began = now
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.hurry:
		r.until = now
	}
	r.began = time.Now()
}

func (s *System) save(ctx context.Context, r rests) error {
	s.savers.Add(1)
	defer s.savers.Add(-1)
	select {
	case s.saving <- struct{}{}:
		defer func() { <-s.saving }()
	case <-ctx.Done():
		return fmt.Errorf("save snapshots: %w", ctx.Err())
	}
	through := s.wal.Durable() // Before the lists are taken: what is in the log by now is listed.
	var cells []*cell
	for i := range s.partitions {
		p := &s.partitions[i]
		p.mu.Lock()
		cells = append(cells, p.dirty...)
		p.dirty = nil
		p.mu.Unlock()
	}
	if err := s.saveAll(ctx, cells, r); err != nil {
		return fmt.Errorf("save snapshots: %w", err)
	}
	if err := s.snapshots.Commit(through); err != nil {
		return fmt.Errorf("save snapshots: %w", err)
	}
	return nil
}

// saveAll writes the cells that were listed, a piece of them at a time. After a failure it only waits
// for the images that are on their way; the cells that it did not come to are listed again.
func (s *System) saveAll(ctx context.Context, cells []*cell, r rests) (failed error) {
	v := saver{sys: s, done: make(chan *capture, capturesInFlight)}
	sent, written := 0, 0
	for written < sent || failed == nil && sent < len(cells) {
		if failed == nil && sent-written <= capturesInFlight-pieceCommands {
			n := min(pieceCommands, len(cells)-sent)
			v.start(cells[sent : sent+n])
			sent += n
		}
		if written == sent {
			continue
		}
		var k *capture
		select {
		case k = <-v.done:
		case <-s.stop: // The system is closed, and cells that are held stay so.
			return errClosed
		}
		written++
		if failed == nil {
			failed = ctx.Err()
		}
		if err := s.saveOne(k, failed); failed == nil {
			failed = err
		}
		v.keep(k)
		if written%savedBetweenRests == 0 {
			s.rest(&r, (len(cells)-written)/savedBetweenRests)
		}
	}
	for _, c := range cells[sent:] {
		c.list()
	}
	return failed
}

// saver asks cells for their images.
type saver struct {
	sys   *System
	done  chan *capture
	spare []*capture
	mine  [pieceCommands]bool
	// stocks are those that are read ahead, sum is of no meaning; it keeps the reads from being left out.
	stocks []*engine.Stock
	sum    uint64
}

// start asks a piece of cells. What they need is read side by side before, as for commands; see
// warming. Each counts itself in like any sender, past the limits: it must not starve under load.
func (v *saver) start(cells []*cell) {
	w := uint64(0)
	for _, c := range cells {
		w += uint64(c.entered.Load()) + uint64(c.left.Load())
	}
	for i, c := range cells {
		c.enter()
		v.mine[i] = c.claim()
	}
	v.stocks = v.stocks[:0]
	for i, c := range cells {
		if v.mine[i] && c.stock != nil {
			v.stocks = append(v.stocks, c.stock)
		}
	}
	v.sum += w + engine.Warm(v.stocks, nil)
	for i, c := range cells {
		if v.mine[i] {
			c.run(turnsInline) // A claim is held for the reading only: a capture may take long.
		}
	}
	for _, c := range cells {
		k := v.capture()
		k.cell, k.done = c, v.done
		c.post(k)
	}
}

func (v *saver) capture() *capture {
	n := len(v.spare)
	if n == 0 {
		return new(capture)
	}
	k := v.spare[n-1]
	v.spare = v.spare[:n-1]
	return k
}

// keep takes a capture to use it again. One that failed may still be known to its cell.
func (v *saver) keep(k *capture) {
	if k.err == nil && len(v.spare) < capturesInFlight {
		*k = capture{}
		v.spare = append(v.spare, k)
	}
}

// saveOne writes an image, or sees to it that what it has is not forgotten.
func (s *System) saveOne(k *capture, failed error) error {
	c := k.cell
	defer c.release(1)
	err := errors.Join(k.err, failed)
	if err == nil {
		err = c.write(k)
	}
	if err == nil {
		return nil
	}
	c.markDirty()
	if !errors.Is(err, errFenced) {
		// What of it changed is not noted any more, so it is read again from the last snapshot and
		// the log.
		c.enter()
		c.post(repair{})
	}
	return fmt.Errorf("item %q: %w", c.sku, err)
}

// write hands an image to the snapshots. A SKU whose creation was fenced is no item, and is not
// written; an image from before a fence would be news to the stock that was read since. What is not
// in the log for good must not be in a snapshot, for a crash would leave it there; the wait for that
// is before the lock, since a fence wants it meanwhile.
func (c *cell) write(k *capture) error {
	if err := c.sys().awaitDurable(k.last); err != nil {
		return err
	}
	c.saveMu.Lock()
	defer c.saveMu.Unlock()
	if c.reloads != k.reloads {
		return errFenced
	}
	if k.im.Sequence == 0 {
		return nil
	}
	saved, err := c.sys().snapshots.Save(&k.im, k.last, c.saved())
	if err == nil && (saved != nil || c.rest.Load() != nil) {
		c.amend(func(r *cellRest) { r.saved = saved })
	}
	return err
}

// awaitDurable waits until the log is durable through an index.
func (s *System) awaitDurable(index uint64) error {
	if s.wal.Durable() >= index {
		return nil
	}
	w := make(durably, 1)
	s.wal.Await(index, w)
	return <-w
}

// durably is a Waiter that a goroutine waits for.
type durably chan error

// Durable implements Waiter.
func (w durably) Durable(err error) { w <- err }

// cells lists the cells that a condition holds for.
func (s *System) cells(want func(*cell) bool) []*cell {
	var all []*cell
	for i := range s.directory.shards {
		sh := &s.directory.shards[i]
		sh.mu.Lock()
		sh.each(func(c *cell) bool {
			if want(c) {
				all = append(all, c)
			}
			return true
		})
		sh.mu.Unlock()
	}
	return all
}
