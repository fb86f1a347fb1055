package actors

import (
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

type shard struct {
	mu    sync.Mutex
	cells map[string]*cell
}

// partition is the unit of ownership. On one node, all belong to it.
type partition struct {
	inFlight atomic.Int64
	mu       sync.Mutex
	dirty    []*cell
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
	if n := s.inFlight.Add(1); n > int64(s.limits.InFlight) && !expiry {
		s.inFlight.Add(-1)
		s.metrics.overloaded.WithLabelValues("node").Inc()
		return nil, engine.ErrOverloaded
	}
	h := hash(sku)
	part := &s.partitions[h%uint32(len(s.partitions))]
	if n := part.inFlight.Add(1); n > int64(s.limits.InFlightPerPartition) && !expiry {
		part.inFlight.Add(-1)
		s.inFlight.Add(-1)
		s.metrics.overloaded.WithLabelValues("partition").Inc()
		return nil, engine.ErrOverloaded
	}
	sh := &s.directory.shards[(h>>8^h)%directoryShards]
	sh.mu.Lock()
	c := sh.cells[sku]
	fresh := c == nil
	if fresh {
		c = &cell{sys: s, part: part, shard: sh, sku: sku}
		c.mailbox.workers = s.workers
		sh.cells[sku] = c
	}
	n := c.inFlight.Add(1)
	sh.mu.Unlock()
	if n > int32(s.limits.InFlightPerSKU) && !expiry {
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

// release counts a caller out. A cell whose SKU turned out to be no item goes with the last.
func (c *cell) release() {
	c.part.inFlight.Add(-1)
	c.sys.inFlight.Add(-1)
	if c.inFlight.Add(-1) == 0 && c.loaded.Load() && !c.exists.Load() {
		c.sys.forget(c)
	}
}

// forget takes a cell from memory if nobody uses it and nothing of it is unsaved. It reports
// whether it did. Since senders count themselves in under the shard's lock, the mailbox is empty
// for good then, and whoever asks for the SKU next makes a new cell. The turn that gave the last
// answer may call it: all that is left of that turn is to return.
func (s *System) forget(c *cell) bool {
	c.shard.mu.Lock()
	if c.inFlight.Load() != 0 || c.dirty.Load() || !c.quiet() || c.shard.cells[c.sku] != c {
		c.shard.mu.Unlock()
		return false
	}
	delete(c.shard.cells, c.sku)
	c.shard.mu.Unlock()
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
		actor.WithMailbox(func() actor.Mailbox { return &s.next.mailbox }),
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
	if c.inFlight.Load() == 0 && !c.exists.Load() {
		s.forget(c) // Whoever wanted it has left before it was there.
	}
}

// post sends a message to the cell's actor. The directory has the mailbox itself, so there is no
// PID to resolve; until the SKU is loaded the mailbox only queues.
func (c *cell) post(message any) { c.PostUserMessage(message) }
