package actors

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/skua-stock/skua/engine"
)

// directory finds the cell of a SKU. A cell is made once, by the first who asks for it.
type directory struct {
	shards [directoryShards]shard
	size   atomic.Int64
}

// shard is a hash table of cells with open addressing, at most three quarters full. It grows by a
// quarter, since with tables that double as many slots are empty as not. Everything is changed under
// its lock; only glance reads without, which is why slots are atomic.
type shard struct {
	mu    sync.Mutex
	cells int
	table atomic.Pointer[[]slot]
}

type slot struct {
	hash atomic.Uint32
	cell atomic.Pointer[cell]
}

// shardOf is the shard of a hash, placeOf where a search begins in its table.
func (d *directory) shardOf(h uint32) *shard { return &d.shards[(h>>8^h)%directoryShards] }

func placeOf(h uint32, table []slot) int { return int(uint64(h*0x9e3779b1) * uint64(len(table)) >> 32) }

// after is the slot after one, around the table's end.
func after(i int, table []slot) int {
	if i++; i == len(table) {
		return 0
	}
	return i
}

// find returns the cell of a SKU, or nil. The lock is held.
func (sh *shard) find(h uint32, sku string) *cell {
	table := sh.slots()
	if len(table) == 0 {
		return nil
	}
	for i := placeOf(h, table); ; i = after(i, table) {
		c := table[i].cell.Load()
		if c == nil || table[i].hash.Load() == h && c.sku == sku {
			return c
		}
	}
}

func (sh *shard) slots() []slot {
	if t := sh.table.Load(); t != nil {
		return *t
	}
	return nil
}

// insert files a cell that is not there. The lock is held.
func (sh *shard) insert(h uint32, c *cell) {
	table := sh.slots()
	if 4*(sh.cells+1) > 3*len(table) {
		larger := make([]slot, max(slotsAtFirst, len(table)+len(table)/4))
		for i := range table {
			if c := table[i].cell.Load(); c != nil {
				file(larger, table[i].hash.Load(), c)
			}
		}
		table = larger
		sh.table.Store(&table)
	}
	file(table, h, c)
	sh.cells++
}

func file(table []slot, h uint32, c *cell) {
	i := placeOf(h, table)
	for table[i].cell.Load() != nil {
		i = after(i, table)
	}
	table[i].hash.Store(h)
	table[i].cell.Store(c)
}

// remove takes a cell out and closes the gap, so that no search ends at it. The lock is held.
func (sh *shard) remove(h uint32, c *cell) {
	table := sh.slots()
	gap := placeOf(h, table)
	for table[gap].cell.Load() != c {
		gap = after(gap, table)
	}
	for i := after(gap, table); ; i = after(i, table) {
		next, h := table[i].cell.Load(), table[i].hash.Load()
		if next == nil {
			break
		}
		if span(placeOf(h, table), i, table) >= span(gap, i, table) {
			table[gap].hash.Store(h)
			table[gap].cell.Store(next)
			gap = i
		}
	}
	table[gap].cell.Store(nil)
	sh.cells--
}

// span is how many slots a search from one comes over before it is at another.
func span(from, to int, table []slot) int {
	if to < from {
		to += len(table)
	}
	return to - from
}

// each calls f with every cell until it returns false. The lock is held.
func (sh *shard) each(f func(*cell) bool) {
	table := sh.slots()
	for i := range table {
		if c := table[i].cell.Load(); c != nil && !f(c) {
			return
		}
	}
}

// begins is the slot where a search for a hash begins, or nil.
func (d *directory) begins(h uint32) *slot {
	if table := d.shardOf(h).slots(); len(table) > 0 {
		return &table[placeOf(h, table)]
	}
	return nil
}

// glance finds a cell that probably is the one of a SKU with this hash, without a lock; nil if
// there seems to be none. It is good for nothing but warm.
func (d *directory) glance(h uint32) *cell {
	t := d.shardOf(h).table.Load()
	if t == nil {
		return nil
	}
	for i, n := placeOf(h, *t), 0; n < len(*t); i, n = after(i, *t), n+1 {
		sl := &(*t)[i]
		c := sl.cell.Load()
		if c == nil || sl.hash.Load() == h {
			return c
		}
	}
	return nil
}

// partition is the unit of ownership. On one node, all belong to it.
type partition struct {
	// entered counts those who came in, left those who went; the difference is in flight. seen is
	// left as it was when it last mattered: looking at it each time would have two processors pull
	// at one cache line.
	entered, seen atomic.Int64
	mu            sync.Mutex
	dirty         []*cell

	_    [cacheLine]byte
	left atomic.Int64
	_    [cacheLine]byte
	sys  *System // Nobody writes to its cache line.
	_    [cacheLine]byte
}

// enter counts some more in and reports whether that is within the limit.
func (p *partition) enter(callers, limit int64) bool {
	n := p.entered.Add(callers)
	if n-p.seen.Load() <= limit {
		return true
	}
	left := p.left.Load()
	p.seen.Store(left)
	return n-left <= limit
}

// hash is FNV-1a 32, the hash by which NATS partitions subjects.
func hash(sku string) uint32 {
	h := uint32(2166136261)
	for i := 0; i < len(sku); i++ {
		h = (h ^ uint32(sku[i])) * 16777619
	}
	return h
}

// acquire finds or makes the cell of a SKU with its hash and counts the caller in: until release, the cell
// stays. Expiry is never refused, since its work is bounded by the holds and must be done.
func (s *System) acquire(sku string, h uint32, expiry bool) (*cell, error) {
	return s.acquireFor(sku, h, 1, expiry)
}

// acquireFor is acquire for so many callers at once. When several are too many, nobody is refused yet:
// each is to come again by itself.
func (s *System) acquireFor(sku string, h, callers uint32, expiry bool) (*cell, error) {
	part := &s.partitions[h%uint32(len(s.partitions))]
	if !part.enter(int64(callers), int64(s.limits.InFlightPerPartition)) && !expiry {
		part.left.Add(int64(callers))
		s.refused("partition", callers)
		return nil, engine.ErrOverloaded
	}
	sh := s.directory.shardOf(h)
	sh.mu.Lock()
	c := sh.find(h, sku)
	fresh := c == nil
	if fresh {
		c = &cell{part: part, sku: strings.Clone(sku)} // The text may be a part of a larger one.
		sh.insert(h, c)
	}
	n := c.entered.Add(callers)
	if n-c.seen > uint32(s.limits.InFlightPerSKU) {
		c.seen = c.left.Load()
	}
	over := n-c.seen > uint32(s.limits.InFlightPerSKU)
	sh.mu.Unlock()
	if fresh { // Even if that is too many: the next will find it.
		s.directory.size.Add(1)
		s.spawn(c)
		s.read(func() { s.load(c) })
	}
	if over && !expiry {
		c.release(callers)
		s.refused("sku", callers)
		return nil, engine.ErrOverloaded
	}
	if now := s.coarse.Load(); c.used.Load() != now {
		c.used.Store(now)
	}
	return c, nil
}

// refused counts a caller who is refused because of a limit.
func (s *System) refused(limit string, callers uint32) {
	if callers == 1 {
		s.metrics.overloaded.WithLabelValues(limit).Inc()
	}
}

// enter counts one more in who is in already, or is sure that the cell stays; past the limits.
func (c *cell) enter() {
	c.part.entered.Add(1)
	c.entered.Add(1)
}

// release counts callers out. A cell whose SKU turned out to be no item goes with the last.
func (c *cell) release(callers uint32) {
	c.part.left.Add(int64(callers))
	left := c.left.Add(callers)
	if !c.is(markExists) && c.is(markLoaded) && left == c.entered.Load() {
		c.sys().forget(c)
	}
}

// idle reports whether nobody is in. Under the shard's lock, where nobody comes in, that lasts.
func (c *cell) idle() bool { return c.left.Load() == c.entered.Load() }

// forget takes a cell from memory if nobody uses it and nothing of it is unsaved. It reports
// whether it did. Since senders count themselves in under the shard's lock, the mailbox is empty
// for good then, and whoever asks for the SKU next makes a new cell. The turn that gave the last
// answer may call it: all that is left of that turn is to return.
func (s *System) forget(c *cell) bool {
	h := hash(c.sku)
	sh := s.directory.shardOf(h)
	sh.mu.Lock()
	if c.gone || !c.idle() || c.is(markDirty) || !c.quiet() {
		sh.mu.Unlock()
		return false
	}
	c.gone = true
	sh.remove(h, c)
	sh.mu.Unlock()
	s.directory.size.Add(-1)
	c.PostSystemMessage(stopActor)
	return true
}

// spawn makes the cell's actor. The Props are shared by all, since a million of their own would
// cost more than the actors; so the cell that is being spawned is handed over under a lock. What finds
// the actor of a SKU is the directory, so it does not stay in Proto.Actor's registry of processes,
// where it would be once more, under a name that nobody knows.
func (s *System) spawn(c *cell) {
	s.spawning.Lock()
	defer s.spawning.Unlock()
	s.next = c
	pid, err := s.actors.Root.SpawnNamed(s.props, spawningName)
	if err != nil {
		panic(fmt.Errorf("spawn the actor of %q: %w", c.sku, err)) // The name is free: the last one gave it back.
	}
	s.actors.ProcessRegistry.Remove(pid)
	pid.Id = c.sku
	s.next = nil
	s.alive.Add(1)
}

// spawningName is that of an actor while it is made.
const spawningName = "spawning"

// stopActor is what Proto.Actor sends to an actor's mailbox to stop it.
var stopActor = &actor.Stop{}

func (s *System) newProps() *actor.Props {
	return actor.PropsFromProducer(
		func() actor.Actor { return s.next },
		actor.WithMailbox(func() actor.Mailbox { return s.next }),
	)
}

// load reads a cell's stock and opens its mailbox.
func (s *System) load(c *cell) {
	stock, last, saved, err := s.snapshots.Load(c.sku, 0)
	if err != nil {
		c.fail(err)
	} else {
		c.take(stock, last, saved)
		if next := stock.NextExpiry(); next != 0 {
			c.scheduled = next
			s.wheel.addAgain(next, c.sku)
		}
	}
	c.mark(markLoaded, true)
	c.open()
	if c.idle() && !c.is(markExists) {
		s.forget(c) // Whoever wanted it has left before it was there.
	}
}

// post sends a message to the cell's actor. The directory has the mailbox itself, so there is no
// PID to resolve; until the SKU is loaded the mailbox only queues.
func (c *cell) post(message any) { c.PostUserMessage(message) }
