package main

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/persistence/wal"
)

// plainSite is the least that anything has to do which takes durable reservations with keys and
// expiries, in the plainest tables there are: an item's counts are found by its name, the key is looked
// for and remembered, the hold is kept in the order of its deadline, and a record goes into the log.
// There is nothing to look into, to go on with, or to start again from.
type plainSite struct {
	*logSite
	port  *plainPort
	batch int
}

func (f *benchFlags) openFloorPlain(_ context.Context, dir string, w bench.Workload) (site, error) {
	l, err := openLogSite(dir)
	if err != nil {
		return nil, err
	}
	return &plainSite{l, newPlainPort(l.log, w.SKUs), f.Batch}, nil
}

func (s *plainSite) target(string, int) (*bench.Target, func(), error) {
	return &bench.Target{Driver: together{inProcess{port: s.port}, s.batch}, Dir: s.dir}, func() {}, nil
}

// plainPort is the tables, behind one lock.
type plainPort struct {
	gateway.Port // It is nil, for nothing else is asked of it.
	log          *wal.Log

	mu     sync.Mutex
	names  map[string]uint32
	items  []plainItem
	keys   plainKeys
	holds  [][]plainHold // in the order of their deadlines, in pages, so that nothing is moved
	nonce  uint64
	record []byte
	ahead  []uint32
	warmth uint64 // of no meaning; it keeps the reads ahead from being left out
}

// plainItem fills a cache line.
type plainItem struct {
	onHand, reserved, sequence int64
	last                       uint64
	_                          [32]byte
}

type plainHold struct {
	nonce          uint64
	deadline       int64
	item, quantity uint32
}

func newPlainPort(log *wal.Log, items int) *plainPort {
	p := &plainPort{log: log, names: make(map[string]uint32, items), items: make([]plainItem, items), keys: newPlainKeys(floorKeysAtFirst)}
	for i := range items {
		p.names[bench.SKU(i)], p.items[i].onHand = uint32(i), engine.QuantityMax
	}
	return p
}

// SubmitEach implements gateway.Port.
func (p *plainPort) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	at := 0
	for piece := range slices.Chunk(cs, floorPieceCommands) {
		p.takeEach(piece, at, answer)
		at += len(piece)
	}
}

func (p *plainPort) takeEach(piece []*engine.Command, at int, answer func(int, *engine.Answer)) {
	var hashes [floorPieceCommands]uint64
	for i, c := range piece {
		hashes[i] = maphash.String(p.keys.seed, c.Key)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.warm(piece, hashes[:len(piece)])
	ids := p.ahead
	for i, c := range piece {
		t := decideds.Get().(*decided)
		t.answer, t.at = answer, at+i
		err := p.take(c, hashes[i], ids[:len(c.Lines)], t)
		if ids = ids[len(c.Lines):]; err != nil {
			t.Durable(err)
		}
	}
}

// warm finds the items of a piece, and reads all that it needs side by side.
func (p *plainPort) warm(piece []*engine.Command, hashes []uint64) {
	p.ahead = p.ahead[:0]
	for _, c := range piece {
		for i := range c.Lines {
			p.ahead = append(p.ahead, p.names[c.Lines[i].SKU])
		}
	}
	for _, id := range p.ahead {
		p.warmth += p.items[id].last
	}
	for _, h := range hashes {
		p.warmth += p.keys.slots[p.keys.at(h)].hash
	}
}

var errPlain = errors.New("a key twice, or too little stock")

// take reserves, if it may, and logs that. t is told when it is durable, unless there is an error.
func (p *plainPort) take(c *engine.Command, hash uint64, ids []uint32, t *decided) error {
	for i, id := range ids {
		if it := &p.items[id]; it.onHand-it.reserved < c.Lines[i].Quantity {
			return errPlain
		}
	}
	p.nonce++
	if !p.keys.put(hash, p.nonce) {
		return errPlain
	}
	now := time.Now().UnixMilli()
	deadline := now + c.TTL
	b := binary.LittleEndian.AppendUint64(p.record[:0], hash)
	for _, n := range [...]int64{now, deadline, int64(p.nonce)} {
		b = binary.AppendVarint(b, n)
	}
	for i, id := range ids {
		it, q := &p.items[id], c.Lines[i].Quantity
		before := it.reserved
		it.reserved += q
		it.sequence++
		p.keep(plainHold{p.nonce, deadline, id, uint32(q)})
		b = append(append(b, c.Lines[i].SKU...), c.Lines[i].Location...)
		for _, n := range [...]int64{it.sequence, int64(it.last), it.onHand, before, it.reserved} {
			b = binary.AppendVarint(b, n)
		}
	}
	p.record = b
	t.ans.Op = c.Op
	t.ans.Reservation = engine.ReservationView{
		Ref: engine.ReservationRef{Home: c.Lines[0].SKU, Nonce: p.nonce}, State: engine.Active, ExpiresAt: engine.Time(deadline),
	}
	index, err := p.log.Append(b, t)
	for _, id := range ids {
		p.items[id].last = index
	}
	return err
}

// keep keeps a hold.
func (p *plainPort) keep(h plainHold) {
	n := len(p.holds) - 1
	if n < 0 || len(p.holds[n]) == floorHoldsPage {
		p.holds = append(p.holds, make([]plainHold, 0, floorHoldsPage))
		n++
	}
	p.holds[n] = append(p.holds[n], h)
}

// plainKeys is a table of keys by their hashes, with open addressing, that doubles.
type plainKeys struct {
	seed  maphash.Seed
	slots []plainKey
	used  int
}

type plainKey struct{ hash, value uint64 }

// newPlainKeys makes a table with so many slots, a power of two.
func newPlainKeys(slots int) plainKeys {
	return plainKeys{seed: maphash.MakeSeed(), slots: make([]plainKey, slots)}
}

func (k *plainKeys) at(hash uint64) int { return int(hash & uint64(len(k.slots)-1)) }

// put reports whether the key is new.
func (k *plainKeys) put(hash, value uint64) bool {
	hash = max(hash, 1) // Zero marks a free slot.
	if 4*k.used > 3*len(k.slots) {
		old := k.slots
		k.slots, k.used = make([]plainKey, 2*len(old)), 0
		for _, s := range old {
			if s.hash != 0 {
				k.put(s.hash, s.value)
			}
		}
	}
	for i := k.at(hash); ; i = (i + 1) & (len(k.slots) - 1) {
		switch k.slots[i].hash {
		case 0:
			k.slots[i] = plainKey{hash, value}
			k.used++
			return true
		case hash:
			return false
		}
	}
}
