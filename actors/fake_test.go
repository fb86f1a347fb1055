package actors_test

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// ground is what a system under test stands on: a log whose durability the test moves by hand, a
// memory of keys, and snapshots in maps. It notices what a real one would lose by: an item whose
// records do not follow each other, a note of another snapshot, a commit of what was not saved.
type ground struct {
	t *testing.T

	mu      sync.Mutex
	cond    *sync.Cond
	auto    bool // everything is durable at once
	durable uint64
	dead    error
	records []logged
	last    map[string]uint64 // by SKU
	waiting []waiting
	keys    map[string]uint64
	traces  []string // what keys are filed under, by Trace less one
	traced  map[string]uint64
	ends    map[engine.ReservationRef]uint64
	rows    map[string]row
	through uint64
	loads   map[string]int
	commits int

	// What goes wrong, if set. They are called without the lock.
	onAppend  func(r *engine.Record) error
	onLoad    func(sku string) error
	onSave    func(sku string) error
	onRecord  func(index uint64) error
	accepting error
}

type logged struct {
	record *engine.Record
	prev   []uint64
}

type waiting struct {
	index uint64
	w     actors.Waiter
}

// row is an item's snapshot. version is the note that the next Save must bring back.
type row struct {
	im      engine.Image
	holds   map[uint64]engine.HoldImage
	last    uint64
	version int
}

func newGround(t *testing.T, auto bool) *ground {
	g := &ground{
		t: t, auto: auto, last: make(map[string]uint64), keys: make(map[string]uint64),
		ends: make(map[engine.ReservationRef]uint64), rows: make(map[string]row), loads: make(map[string]int),
	}
	g.cond = sync.NewCond(&g.mu)
	return g
}

func (g *ground) Append(r *engine.Record, prev []uint64, w actors.Waiter) (uint64, error) {
	g.mu.Lock()
	f := g.onAppend
	g.mu.Unlock()
	if f != nil {
		if err := f(r); err != nil {
			return 0, err
		}
	}
	g.mu.Lock()
	l := logged{copyOf(r), slices.Clone(prev)}
	g.records = append(g.records, l)
	index := uint64(len(g.records))
	for i, sku := range r.SKUs {
		if g.last[sku] != prev[i] {
			g.t.Errorf("record %d follows record %d of %q, but that has %d", index, prev[i], sku, g.last[sku])
		}
		g.last[sku] = index
	}
	for i := range l.record.Acts {
		g.remember(l.record, &l.record.Acts[i], index)
	}
	if w != nil {
		g.waiting = append(g.waiting, waiting{index, w})
	}
	auto := g.auto
	g.mu.Unlock()
	if auto {
		go g.move(index) // A log never tells its waiters from within Append.
	}
	return index, nil
}

func (g *ground) remember(r *engine.Record, act *engine.Act, index uint64) {
	home := r.SKUs[act.Events[0].Stock]
	if act.Reservation.Nonce != 0 {
		home = act.Reservation.Home
	}
	if act.KeyHash != ([16]byte{}) {
		g.keys[home+string(act.KeyHash[:])] = index
	}
	if act.State.Final() && slices.ContainsFunc(act.Events, func(e engine.Event) bool { return r.SKUs[e.Stock] == home }) {
		g.ends[act.Reservation] = index
	}
}

func copyOf(r *engine.Record) *engine.Record {
	c := &engine.Record{Time: r.Time, SKUs: slices.Clone(r.SKUs), Acts: slices.Clone(r.Acts)}
	for i := range c.Acts {
		c.Acts[i].Events = slices.Clone(c.Acts[i].Events)
	}
	return c
}

// move makes the log durable through an index, and tells whoever waits for that.
func (g *ground) move(through uint64) {
	g.mu.Lock()
	g.durable = max(g.durable, through)
	var now []waiting
	g.waiting = slices.DeleteFunc(g.waiting, func(w waiting) bool {
		if w.index <= g.durable {
			now = append(now, w)
			return true
		}
		return false
	})
	g.cond.Broadcast()
	g.mu.Unlock()
	for _, w := range now {
		w.w.Durable(nil)
	}
}

// die fails the log: whoever waits hears of it.
func (g *ground) die(err error) {
	g.mu.Lock()
	g.dead = err
	now := g.waiting
	g.waiting = nil
	g.cond.Broadcast()
	g.mu.Unlock()
	for _, w := range now {
		w.w.Durable(err)
	}
}

func (g *ground) Await(index uint64, w actors.Waiter) {
	g.mu.Lock()
	if g.dead == nil && index > g.durable {
		if index > uint64(len(g.records)) {
			g.t.Errorf("await record %d of %d", index, len(g.records))
		}
		g.waiting = append(g.waiting, waiting{index, w})
		g.mu.Unlock()
		return
	}
	err := g.dead
	if index <= g.durable {
		err = nil
	}
	g.mu.Unlock()
	w.Durable(err)
}

func (g *ground) Durable() uint64 { g.mu.Lock(); defer g.mu.Unlock(); return g.durable }
func (g *ground) Last() uint64    { g.mu.Lock(); defer g.mu.Unlock(); return uint64(len(g.records)) }

func (g *ground) Accepting() error { g.mu.Lock(); defer g.mu.Unlock(); return g.accepting }

func (g *ground) Trace(home string, key [16]byte) uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	name := home + string(key[:])
	if g.traced[name] == 0 {
		if g.traced == nil {
			g.traced = make(map[string]uint64)
		}
		g.traces = append(g.traces, name)
		g.traced[name] = uint64(len(g.traces))
	}
	return g.traced[name]
}

func (g *ground) Recall(trace uint64) (uint64, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	index, ok := g.keys[g.traces[trace-1]]
	return index, ok
}

func (g *ground) Warm([]uint64) uint64 { return 0 }

func (g *ground) Ended(ref engine.ReservationRef) (uint64, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	index, ok := g.ends[ref]
	return index, ok
}

// wait waits with the lock held until an index is durable.
func (g *ground) wait(index uint64) error {
	for g.durable < index {
		if g.dead != nil {
			return g.dead
		}
		g.cond.Wait()
	}
	return nil
}

func (g *ground) Record(_ string, index uint64) (*engine.Record, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.wait(index); err != nil {
		return nil, err
	}
	if g.onRecord != nil {
		if err := g.onRecord(index); err != nil {
			return nil, err
		}
	}
	return copyOf(g.records[index-1].record), nil
}

func (g *ground) Load(sku string, through uint64) (*engine.Stock, uint64, any, error) {
	g.mu.Lock()
	f := g.onLoad
	g.loads[sku]++
	g.mu.Unlock()
	if f != nil {
		if err := f(sku); err != nil {
			return nil, 0, nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if through > g.durable {
		g.t.Errorf("%q is read through record %d, which is not durable", sku, through)
	}
	r, ok := g.rows[sku]
	stock := engine.NewStock(sku)
	stock.Track()
	if ok {
		if r.im.Open != len(r.holds) {
			g.t.Errorf("the snapshot of %q has %d holds, it should have %d", sku, len(r.holds), r.im.Open)
		}
		stock = engine.Restore(r.im, maps.Values(r.holds))
	}
	last := r.last
	for ; last < through; last++ {
		g.replay(stock, last+1)
	}
	return stock, last, r.version, nil
}

// replay applies a record to a stock, if it is about its item.
func (g *ground) replay(stock *engine.Stock, index uint64) {
	r := g.records[index-1].record
	i := slices.Index(r.SKUs, stock.SKU())
	if i < 0 {
		return
	}
	stocks := make([]*engine.Stock, len(r.SKUs))
	stocks[i] = stock
	r.Apply(stocks)
}

func (g *ground) Save(im *engine.Image, last uint64, saved any) (any, error) {
	g.mu.Lock()
	f := g.onSave
	g.mu.Unlock()
	if f != nil {
		if err := f(im.SKU); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if last > g.durable {
		g.t.Errorf("the snapshot of %q is as of record %d, which is not durable", im.SKU, last)
	}
	r := g.rows[im.SKU]
	if saved != r.version {
		g.t.Errorf("the snapshot of %q is at note %d, but is saved with %v", im.SKU, r.version, saved)
	}
	if im.Sequence == 0 {
		g.t.Errorf("%q is no item, but is saved as one", im.SKU)
	}
	next := row{im: *im, holds: maps.Clone(r.holds), last: last, version: r.version + 1}
	if next.holds == nil {
		next.holds = make(map[uint64]engine.HoldImage)
	}
	for _, h := range slices.Concat(im.Holds...) {
		next.holds[h.Nonce] = h
	}
	for _, nonce := range im.Gone {
		delete(next.holds, nonce)
	}
	if len(next.holds) != im.Open {
		g.t.Errorf("the image of %q leads to %d holds, it should be %d", im.SKU, len(next.holds), im.Open)
	}
	next.im.Holds, next.im.Gone = nil, nil
	g.rows[im.SKU] = next
	return next.version, nil
}

func (g *ground) Commit(through uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for index := g.through + 1; index <= through; index++ {
		for _, sku := range g.records[index-1].record.SKUs {
			if g.rows[sku].last < index {
				g.t.Errorf("commit through %d, but the snapshot of %q is as of %d and lacks record %d", through, sku, g.rows[sku].last, index)
				return nil
			}
		}
	}
	g.through = through
	g.commits++
	return nil
}

func (g *ground) Expiring(by engine.Time, yield func(string, engine.Time) bool) error {
	type due struct {
		at  engine.Time
		sku string
	}
	var all []due
	g.mu.Lock()
	for sku, r := range g.rows {
		if at := r.im.NextExpiry; at != 0 && at <= by {
			all = append(all, due{at, sku})
		}
	}
	g.mu.Unlock()
	slices.SortFunc(all, func(a, b due) int { return int(a.at - b.at) })
	for _, d := range all {
		if !yield(d.sku, d.at) {
			break
		}
	}
	return nil
}

// set changes what goes wrong while the system runs.
func (g *ground) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// settled is an item as the log has it.
func (g *ground) settled(sku string) *engine.Stock {
	g.mu.Lock()
	defer g.mu.Unlock()
	stock := engine.NewStock(sku)
	for i := range g.records {
		g.replay(stock, uint64(i+1))
	}
	if err := stock.Check(); err != nil {
		g.t.Errorf("by the log: %v", err)
	}
	return stock
}

var errBroken = errors.New("broken for the test")
