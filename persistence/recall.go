package persistence

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/engine"
)

// recall finds the record that a key led to: 64 bits of the key's hash -> the record's index, in
// two generations. When the younger is full or old enough, the older is dropped and they change
// places. A generation is not dropped before everything in it is older than the minimum; when that
// leaves no room, full says so and changes are refused. Nothing is forgotten silently.
type recall struct {
	mu         sync.Mutex // for turning generations
	young, old atomic.Pointer[generation]
	capacity   int64 // keys of one generation
	minimum    time.Duration
}

type generation struct {
	began  engine.Time // when its first key came; zero before
	closed engine.Time // when it stopped being the young one
	count  atomic.Int64
	shards [recallShards]table
}

// table is a hash table with open addressing; key 0 marks a free slot. It is changed under the
// lock and read without: a slot gets its index before its key, and a table that has grown replaces
// the one that is read. It grows by a quarter: with tables that double, most of the time as many slots
// are empty as not. Keys are in the order of their hashes, all but those that had to make way, so that
// growing goes through both tables from the one end to the other.
type table struct {
	mu    sync.Mutex
	used  int
	slots atomic.Pointer[[]slot]
}

type slot struct{ key, index atomic.Uint64 }

// slotsLine is how many slots there are to a cache line; a table has a multiple of them.
const slotsLine = 64 / 16

// slotsPage is how many slots there are to a page of memory.
const slotsPage = 4096 / 16

func newRecall(bytes int64, minimum time.Duration) *recall {
	// A table is between 3/5 and 3/4 full, so a key takes up to 16/(3/5) bytes; two generations.
	r := &recall{capacity: max(bytes/2/27, 1024), minimum: minimum}
	r.young.Store(&generation{})
	return r
}

// keyHash is what a key of a home SKU is filed under.
func keyHash(home string, key [16]byte) uint64 {
	return spice(home, binary.LittleEndian.Uint64(key[:8]))
}

// endHash is what the end of a reservation is filed under.
func endHash(ref engine.ReservationRef) uint64 {
	return spice(ref.Home, ref.Nonce^0x9e3779b97f4a7c15)
}

// spice mixes a SKU into a number that is random already. The result is never zero.
func spice(sku string, n uint64) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(sku); i++ {
		h = (h ^ uint64(sku[i])) * 1099511628211
	}
	h ^= n
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	if h == 0 {
		return 1
	}
	return h
}

// put files an index under a hash, at a time that never goes back.
func (r *recall) put(hash, index uint64, now engine.Time) {
	g := r.young.Load()
	if r.due(0, now) {
		g = r.turn(now)
	}
	if g.shards[hash>>56].put(hash, index) {
		g.count.Add(1)
	}
}

// due reports whether another generation should begin with the next key, when so many keys wait to be
// put into the young one.
func (r *recall) due(waiting int64, now engine.Time) bool {
	g := r.young.Load()
	n := g.count.Load() + waiting
	return n == 0 || n >= r.capacity || now-g.began > engine.Time((KeyWindowMax/2).Milliseconds())
}

// turn makes room, if the older generation may go, and returns the young one.
func (r *recall) turn(now engine.Time) *generation {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.young.Load()
	if g.count.Load() == 0 {
		if g.began == 0 { // Others may read it as soon as there is one key.
			g.began = now
		}
		return g
	}
	if g.count.Load() < r.capacity && now-g.began <= engine.Time((KeyWindowMax/2).Milliseconds()) {
		return g
	}
	if old := r.old.Load(); old != nil && now-old.closed < engine.Time(r.minimum.Milliseconds()) {
		return g // It goes on filling; full stops new commands soon.
	}
	g.closed = now
	r.old.Store(g)
	next := &generation{began: now}
	r.young.Store(next)
	return next
}

// full reports whether another key could only be remembered by forgetting one too early.
func (r *recall) full(now engine.Time) bool {
	if r.young.Load().count.Load() < r.capacity {
		return false
	}
	old := r.old.Load()
	return old != nil && now-old.closed < engine.Time(r.minimum.Milliseconds())
}

func (r *recall) get(hash uint64) (index uint64, ok bool) {
	if index, ok = r.young.Load().shards[hash>>56].get(hash); ok {
		return index, true
	}
	if old := r.old.Load(); old != nil {
		return old.shards[hash>>56].get(hash)
	}
	return 0, false
}

// floor is since when every key is remembered.
func (r *recall) floor() engine.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.old.Load(); old != nil {
		return old.began
	}
	return r.young.Load().began
}

func (r *recall) size() int64 {
	n := r.young.Load().count.Load()
	if old := r.old.Load(); old != nil {
		n += old.count.Load()
	}
	return n
}

// put reports whether the key is new.
func (t *table) put(key, index uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !place(t.room(1), key, index) {
		return false
	}
	t.used++
	return true
}

// putAll puts what was gathered for the shard, and returns how many keys are new. It reads where they go
// before it puts the first, so that the processor waits for all of them at once.
func (t *table) putAll(keys []gatheredKey) (fresh int, warmth uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slots := t.room(len(keys))
	for i := range keys {
		warmth += slots[slotOf(slots, keys[i].hash)].key.Load()
	}
	for i := range keys {
		if place(slots, keys[i].hash, keys[i].index) {
			fresh++
		}
	}
	t.used += fresh
	return fresh, warmth
}

// room returns the slots, with room for n more keys.
func (t *table) room(n int) []slot {
	slots := t.load()
	if 4*(t.used+n) <= 3*len(slots) {
		return slots
	}
	lines := max(slotsAtFirst, len(slots)+len(slots)/4, 4*(t.used+n)/3+slotsLine) / slotsLine
	larger := make([]slot, lines*slotsLine)
	for i := 0; i < len(larger); i += slotsPage {
		larger[i].key.Store(0) // A page of memory that is read before it is written is faulted in twice.
	}
	for i := range slots {
		if key := slots[i].key.Load(); key != 0 {
			place(larger, key, slots[i].index.Load())
		}
	}
	t.slots.Store(&larger)
	return larger
}

func (t *table) load() []slot {
	if s := t.slots.Load(); s != nil {
		return *s
	}
	return nil
}

// slotOf is where a search for a key begins: with the first slot of a cache line, for most searches are
// over with that line then. The first byte of the key chose the table.
func slotOf(slots []slot, key uint64) int {
	line, _ := bits.Mul64(key<<8, uint64(len(slots)/slotsLine))
	return int(line) * slotsLine
}

// slotAfter is the slot after one, around the table's end.
func slotAfter(slots []slot, i int) int {
	if i++; i == len(slots) {
		return 0
	}
	return i
}

func place(slots []slot, key, index uint64) (fresh bool) {
	for i := slotOf(slots, key); ; i = slotAfter(slots, i) {
		switch slots[i].key.Load() {
		case 0:
			slots[i].index.Store(index)
			slots[i].key.Store(key)
			return true
		case key:
			slots[i].index.Store(index)
			return false
		}
	}
}

// warm reads where searches for many begin in the young generation, and the line after, for every fourth
// goes on there. First it finds out where that is, and then it reads, for a processor looks only so many
// instructions ahead.
func (r *recall) warm(hashes []uint64) (sum uint64) {
	g := r.young.Load()
	var lines [2 * warmTogether]*slot
	for from := 0; from < len(hashes); from += warmTogether {
		n := 0
		for _, hash := range hashes[from:min(from+warmTogether, len(hashes))] {
			if slots := g.shards[hash>>56].load(); len(slots) > 0 {
				i := slotOf(slots, hash)
				lines[n], lines[n+1] = &slots[i], &slots[min(i+slotsLine, len(slots)-1)]
				n += 2
			}
		}
		for _, line := range lines[:n] {
			sum += line.key.Load()
		}
	}
	return sum
}

func (t *table) get(key uint64) (uint64, bool) {
	slots := t.load()
	if len(slots) == 0 {
		return 0, false
	}
	for i := slotOf(slots, key); ; i = slotAfter(slots, i) {
		switch slots[i].key.Load() {
		case 0:
			return 0, false
		case key:
			return slots[i].index.Load(), true
		}
	}
}

// remember files every key of a record, and the ends of reservations.
func (r *recall) remember(rec *engine.Record, index uint64) {
	eachKey(rec, func(hash uint64) { r.put(hash, index, rec.Time) })
}

// eachKey calls f with what the record is to be found under.
func eachKey(rec *engine.Record, f func(hash uint64)) {
	for i := range rec.Acts {
		act := &rec.Acts[i]
		if act.KeyHash != ([16]byte{}) {
			f(keyHash(homeOf(rec, act), act.KeyHash))
		}
		if act.State.Final() && act.Reservation.Nonce != 0 && contains(rec, act, act.Reservation.Home) {
			f(endHash(act.Reservation))
		}
	}
}

// homeOf is the SKU that scopes an act's key, and that has the whole record in its history.
func homeOf(rec *engine.Record, act *engine.Act) string {
	if act.Reservation.Nonce != 0 {
		return act.Reservation.Home
	}
	if len(act.Events) == 0 {
		return "" // The engine writes no such act, but a log may have it.
	}
	return rec.SKUs[act.Events[0].Stock]
}

// contains reports whether the act has events of a SKU. One that expires on several SKUs has an
// act on each; the home's is its end.
func contains(rec *engine.Record, act *engine.Act, sku string) bool {
	for i := range act.Events {
		if rec.SKUs[act.Events[i].Stock] == sku {
			return true
		}
	}
	return false
}
