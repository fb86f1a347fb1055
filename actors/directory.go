package actors

import (
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

// shard is a hash table of cells with open addressing, at most half full. Everything is changed
// under its lock; only glance reads without, which is why slots are atomic.
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

func placeOf(h uint32, table []slot) uint32 { return (h * 0x9e3779b1 >> 8) & uint32(len(table)-1) }

// find returns the cell of a SKU, or nil. The lock is held.
func (sh *shard) find(h uint32, sku string) *cell {
	table := sh.slots()
	if len(table) == 0 {
		return nil
	}
	for i := placeOf(h, table); ; i = (i + 1) & uint32(len(table)-1) {
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
func (sh *shard) insert(c *cell) {
	table := sh.slots()
	if 2*(sh.cells+1) > len(table) {
		larger := make([]slot, max(8, 2*len(table)))
		for i := range table {
			if c := table[i].cell.Load(); c != nil {
				file(larger, c)
			}
		}
		table = larger
		sh.table.Store(&table)
	}
	file(table, c)
	sh.cells++
}

func file(table []slot, c *cell) {
	i := placeOf(c.hash, table)
	for table[i].cell.Load() != nil {
		i = (i + 1) & uint32(len(table)-1)
	}
	table[i].hash.Store(c.hash)
	table[i].cell.Store(c)
}

// remove takes a cell out and closes the gap, so that no search ends at it. The lock is held.
func (sh *shard) remove(c *cell) {
	table := sh.slots()
	mask := uint32(len(table) - 1)
	gap := placeOf(c.hash, table)
	for table[gap].cell.Load() != c {
		gap = (gap + 1) & mask
	}
	for i := (gap + 1) & mask; ; i = (i + 1) & mask {
		next := table[i].cell.Load()
		if next == nil {
			break
		}
		if home := placeOf(next.hash, table); (i-home)&mask >= (i-gap)&mask {
			table[gap].hash.Store(next.hash)
			table[gap].cell.Store(next)
			gap = i
		}
	}
	table[gap].cell.Store(nil)
	sh.cells--
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

// glance finds a cell that probably is the one of a SKU with this hash, without a lock; nil if
// there seems to be none. It is good for nothing but warm.
func (d *directory) glance(h uint32) *cell {
	t := d.shardOf(h).table.Load()
	if t == nil {
		return nil
	}
	for i, n := placeOf(h, *t), 0; n < len(*t); i, n = (i+1)&uint32(len(*t)-1), n+1 {
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
}

// enter counts one more in and reports whether that is within the limit.
func (p *partition) enter(limit int64) bool {
	n := p.entered.Add(1)
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

// acquire finds or makes the cell of a SKU and counts the caller in: until release, the cell
// stays. Expiry is never refused, since its work is bounded by the holds and must be done.
func (s *System) acquire(sku string, expiry bool) (*cell, error) {
	h := hash(sku)
	part := &s.partitions[h%uint32(len(s.partitions))]
	if !part.enter(int64(s.limits.InFlightPerPartition)) && !expiry {
		part.left.Add(1)
		s.metrics.overloaded.WithLabelValues("partition").Inc()
		return nil, engine.ErrOverloaded
	}
	sh := s.directory.shardOf(h)
	sh.mu.Lock()
	c := sh.find(h, sku)
	fresh := c == nil
	if fresh {
		c = &cell{sys: s, part: part, sku: strings.Clone(sku), hash: h} // The text may be a part of a larger one.
		sh.insert(c)
	}
	n := c.entered.Add(1)
	if n-c.seen > uint32(s.limits.InFlightPerSKU) {
		c.seen = c.left.Load()
	}
	over := n-c.seen > uint32(s.limits.InFlightPerSKU)
	sh.mu.Unlock()
	if over && !expiry {
		c.release()
		s.metrics.overloaded.WithLabelValues("sku").Inc()
		return nil, engine.ErrOverloaded
	}
	if now := s.coarse.Load(); c.used.Load() != now {
		c.used.Store(now)
	}
	if fresh {
		s.directory.size.Add(1)
		s.spawn(c)
		s.read(func() { s.load(c) })
	}
	return c, nil
}

// enter counts one more in who is in already, or is sure that the cell stays; past the limits.
func (c *cell) enter() {
	c.part.entered.Add(1)
	c.entered.Add(1)
}

// release counts a caller out. A cell whose SKU turned out to be no item goes with the last.
func (c *cell) release() {
	c.part.left.Add(1)
	left := c.left.Add(1)
	if !c.exists.Load() && c.loaded.Load() && left == c.entered.Load() {
		c.sys.forget(c)
	}
}

// idle reports whether nobody is in. Under the shard's lock, where nobody comes in, that lasts.
func (c *cell) idle() bool { return c.left.Load() == c.entered.Load() }

// shard is where the cell is filed.
func (c *cell) shard() *shard { return c.sys.directory.shardOf(c.hash) }

// forget takes a cell from memory if nobody uses it and nothing of it is unsaved. It reports
// whether it did. Since senders count themselves in under the shard's lock, the mailbox is empty
// for good then, and whoever asks for the SKU next makes a new cell. The turn that gave the last
// answer may call it: all that is left of that turn is to return.
func (s *System) forget(c *cell) bool {
	sh := c.shard()
	sh.mu.Lock()
	if c.gone || !c.idle() || c.dirty.Load() || !c.quiet() {
		sh.mu.Unlock()
		return false
	}
	c.gone = true
	sh.remove(c)
	sh.mu.Unlock()
	s.directory.size.Add(-1)
	s.actors.Root.Stop(c.pid)
	return true
}

// spawn makes the cell's actor. The Props are shared by all, since a million of their own would
// cost more than the actors; so the cell that is being spawned is handed over under a lock.
func (s *System) spawn(c *cell) {
	s.spawning.Lock()
	defer s.spawning.Unlock()
	s.next = c
	c.pid = s.actors.Root.Spawn(s.props)
	s.next = nil
}

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
	}
	c.loaded.Store(true)
	c.open()
	if c.idle() && !c.exists.Load() {
		s.forget(c) // Whoever wanted it has left before it was there.
	}
}

// post sends a message to the cell's actor. The directory has the mailbox itself, so there is no
// PID to resolve; until the SKU is loaded the mailbox only queues.
func (c *cell) post(message any) { c.PostUserMessage(message) }
