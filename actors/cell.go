package actors

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/skua-stock/skua/engine"
)

// cell is one SKU in memory: the actor, its mailbox and its entry in the directory, in one piece,
// since there may be millions. It fills two cache lines, in the order of what is needed together: the
// first is for whoever comes in and for the turn, and release writes to the second.
type cell struct {
	mailbox

	// stock and last belong to the actor's turn.
	stock *engine.Stock
	last  uint64 // index of the last record
	// entered counts those who came in, left those who went; the difference is in flight. seen is
	// left as it was when it last mattered. The shard's lock guards seen and gone, which says that
	// the cell is not in the directory any more.
	entered atomic.Uint32
	seen    uint32

	sku       string
	part      *partition
	scheduled engine.Time              // of the turn
	rest      atomic.Pointer[cellRest] // nil for most
	used      atomic.Uint32            // seconds of the coarse clock
	left      atomic.Uint32
	marks     atomic.Uint32
	// saveMu keeps a snapshot from being written while a fenced cell is read from it; reloads counts
	// the fences, since an image from before one is of no use after.
	reloads uint32
	saveMu  sync.Mutex
}

// cellRest is what only some cells have. It is replaced and never changed, since the turn and the
// snapshots each have a part in it.
type cellRest struct {
	fault error // why the stock is not there
	saved any   // the snapshot's note
}

// The marks of a cell, which are looked at outside of its turns.
const (
	markLoaded = 1 << iota // in memory
	markExists             // an item
	// markDirty says that the cell is listed for the next snapshot because it changed. A cell is never
	// listed twice.
	markDirty
)

const cacheLine = 64

// sys is the system that the cell belongs to.
func (c *cell) sys() *System { return c.part.sys }

func (c *cell) is(mark uint32) bool { return c.marks.Load()&mark != 0 }

// mark sets a mark, or takes it away, and reports whether that was news.
func (c *cell) mark(mark uint32, set bool) bool {
	if set {
		return c.marks.Or(mark)&mark == 0
	}
	return c.marks.And(^mark)&mark != 0
}

// fault is why the stock is not there, or nil. Every turn asks, so it looks no further than it must.
func (c *cell) fault() error {
	if !c.faulty {
		return nil
	}
	return c.rest.Load().fault
}

// setFault says why the stock is not there. The cell is held, or not open yet.
func (c *cell) setFault(err error) {
	c.faulty = true
	c.amend(func(r *cellRest) { r.fault = err })
}

// saved is the snapshot's note on the SKU.
func (c *cell) saved() any {
	if r := c.rest.Load(); r != nil {
		return r.saved
	}
	return nil
}

// amend replaces what only some cells have.
func (c *cell) amend(change func(*cellRest)) {
	for {
		was, next := c.rest.Load(), new(cellRest)
		if was != nil {
			*next = *was
		}
		if change(next); next.fault == nil && next.saved == nil {
			next = nil
		}
		if was == next || c.rest.CompareAndSwap(was, next) {
			return
		}
	}
}

// tick asks a cell to expire what is due. It is a message without content.
type tick struct{}

// repair asks a cell to be fenced. It is a message without content.
type repair struct{}

// Receive implements actor.Actor: one message is one turn.
func (c *cell) Receive(ctx actor.Context) {
	switch m := ctx.Message().(type) {
	case *call:
		c.one(m)
	case *bunch:
		c.together(m)
	case *visit:
		c.visited(m)
	case tick:
		c.ticked()
	case *capture:
		c.captured(m)
	case repair:
		c.sys().fence([]*cell{c})
		c.release(1)
	case *actor.Stopped:
		c.sys().alive.Add(-1)
	}
}

// ticked is a SKU's turn when the wheel says that something may be due.
func (c *cell) ticked() {
	<-c.sys().wheel.ticks
	now := c.sys().clock.time()
	if c.scheduled <= now {
		c.scheduled = 0 // Else this tick is a left-over of an earlier schedule, and the right one comes.
	}
	if c.fault() != nil {
		c.sys().wheel.add(now+engine.Time(expiryRetry.Milliseconds()), c.sku)
	} else {
		c.guard(func() { c.expire(now, true) })
	}
	c.release(1)
}

// take gives the cell its stock.
func (c *cell) take(stock *engine.Stock, last uint64, saved any) {
	stock.Track()
	c.stock, c.last = stock, last
	c.faulty = false
	c.amend(func(r *cellRest) { r.saved, r.fault = saved, nil })
	c.item = stock.Exists()
	c.mark(markExists, c.item)
}

// fail leaves the cell without a stock. It refuses everything, and is forgotten when its last
// caller leaves, so that the next one tries again.
func (c *cell) fail(err error) {
	c.setFault(errors.Join(engine.ErrUnavailable, err))
	c.item = false
	c.mark(markExists, false)
	c.sys().log("load item", "sku", c.sku, "error", err)
}

// expire logs what is due at now, before anything else is decided. What very many holds left to
// be written out goes on in a later turn, unless this is the turn for it.
func (c *cell) expire(now engine.Time, drain bool) {
	for c.stock.HasDue(now) && c.expireOnce(now) {
	}
	if drain && c.stock.Draining() {
		c.expireOnce(now)
	}
	c.schedule(0)
}

func (c *cell) expireOnce(now engine.Time) bool {
	t := c.scratch()
	defer turns.Put(t)
	if !c.stock.Expire(now, &t.Record) {
		return false
	}
	c.sys().metrics.expired.Add(float64(len(t.Record.Acts)))
	c.sys().append(t, nil)
	return true
}

// append applies a turn's record to its cells, all of which it holds, and logs it. A panic of Apply
// leaves states that no record explains: the cells are fenced.
func (s *System) append(t *turnScratch, w Waiter) {
	t.prev = t.prev[:0]
	for _, c := range t.cells {
		t.prev = append(t.prev, c.last)
		if !c.item {
			c.item = true
			c.mark(markExists, true)
		}
		c.markDirty()
	}
	applied := false
	defer func() {
		if !applied {
			s.fence(t.cells)
		}
	}()
	t.Record.Apply(t.stocks)
	index, err := s.wal.Append(&t.Record, t.prev, w)
	if err != nil {
		panic(fmt.Errorf("append to the log: %w", err))
	}
	applied = true
	for _, c := range t.cells {
		c.last = index
	}
}

// markDirty lists the cell for the next snapshot.
func (c *cell) markDirty() {
	if !c.is(markDirty) && c.mark(markDirty, true) {
		c.list()
	}
}

// list puts a dirty cell on its partition's list.
func (c *cell) list() {
	c.part.mu.Lock()
	c.part.dirty = append(c.part.dirty, c)
	c.part.mu.Unlock()
}

// schedule sees to a tick when the next hold falls due, but not before a time.
func (c *cell) schedule(notBefore engine.Time) {
	next := c.stock.NextExpiry()
	if next == 0 {
		return
	}
	if next = max(next, notBefore); c.scheduled == 0 || next < c.scheduled {
		c.scheduled = next
		c.sys().wheel.add(next, c.sku)
	}
}

// guard runs a turn and keeps a panic in it. What Decide was at is lost and nothing else, since
// it changes nothing; append has fenced what Apply was at. It reports whether all went well.
func (c *cell) guard(turn func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			c.sys().metrics.panics.Inc()
			c.sys().log("turn", "sku", c.sku, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			ok = false
		}
	}()
	turn()
	return true
}
