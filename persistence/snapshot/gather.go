package snapshot

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// gathering is the rows of many items that wait to be written together. A batch of Pebble's costs
// as much as several rows, and rows that come in the order of their keys are filed several times
// faster. All of it is one batch, so that a crash never leaves half an item.
//
// What waits is not seen by Pebble's readers: those of ours that look for such rows call settle.
type gathering struct {
	bytes []byte // keys and values
	rows  [gatheredKinds][]row
	// round is the number of this gathering. A note with the same number is of an item with rows
	// that wait.
	round uint32
}

// The kinds of rows that are gathered.
const (
	gatheredItem = iota
	gatheredHolds
	gatheredDeadline
	gatheredKinds
)

// row is a row that waits, or the end of one.
type row struct {
	rank       uint64 // eight bytes of the key, after those that all keys begin with
	key, value uint32 // where they begin
	end        uint32
	gone       bool
}

func (g *gathering) keyOf(r *row) []byte { return g.bytes[r.key:r.value] }

// set adds a row. The bytes of its key and value were appended, from two places on.
func (g *gathering) set(kind, key, value int) {
	g.rows[kind] = append(g.rows[kind], row{key: uint32(key), value: uint32(value), end: uint32(len(g.bytes))})
}

// remove adds the end of a row, whose key was appended from a place on.
func (g *gathering) remove(kind, key int) {
	end := uint32(len(g.bytes))
	g.rows[kind] = append(g.rows[kind], row{key: uint32(key), value: end, end: end, gone: true})
}

// gatheringMark is how far a gathering was.
type gatheringMark struct {
	round uint32
	bytes int
	rows  [gatheredKinds]int
}

func (g *gathering) mark() gatheringMark {
	m := gatheringMark{round: g.round, bytes: len(g.bytes)}
	for i := range g.rows {
		m.rows[i] = len(g.rows[i])
	}
	return m
}

// cut forgets what was gathered since a mark; what was there before may have been written.
func (g *gathering) cut(m gatheringMark) {
	if m.round != g.round {
		m = gatheringMark{}
	}
	for i := range g.rows {
		g.rows[i] = g.rows[i][:m.rows[i]]
	}
	g.bytes = g.bytes[:m.bytes]
}

// next begins the next gathering, in the same memory.
func (g *gathering) next() {
	g.round++
	g.cut(gatheringMark{})
	if cap(g.bytes) > 2*gatherBytes {
		g.bytes = nil
	}
}

// sort puts the rows of a kind in the order of their keys. Those of one key stay in their order.
func (g *gathering) sort(kind int) {
	rows := g.rows[kind]
	if len(rows) == 0 {
		return
	}
	first := g.keyOf(&rows[0])
	common := len(first)
	for i := range rows[1:] {
		key := g.keyOf(&rows[i+1])
		common = min(common, len(key))
		for n := range common {
			if key[n] != first[n] {
				common = n
				break
			}
		}
	}
	for i := range rows {
		var rank [8]byte
		copy(rank[:], g.keyOf(&rows[i])[common:])
		rows[i].rank = binary.BigEndian.Uint64(rank[:])
	}
	slices.SortFunc(rows, func(a, b row) int {
		switch {
		case a.rank < b.rank:
			return -1
		case a.rank > b.rank:
			return 1
		}
		if c := bytes.Compare(g.keyOf(&a), g.keyOf(&b)); c != 0 {
			return c
		}
		return cmp.Compare(a.key, b.key)
	})
}

// apply writes what was gathered. When it cannot, nobody knows any more which notes are true, and
// the process must end. The lock is held.
func (d *DB) apply() error {
	if d.failed != nil {
		return d.failed
	}
	if len(d.gathering.bytes) == 0 {
		return nil
	}
	g := &d.gathering
	b := d.pebble.NewBatchWithSize(len(g.bytes)+len(g.bytes)/2, pebble.WithMaxRetainedSizeBytes(2*gatherBytes))
	defer b.Close()
	var err error
	for kind := range g.rows {
		g.sort(kind)
		for i := range g.rows[kind] {
			r := &g.rows[kind][i]
			if r.gone {
				err = b.Delete(g.keyOf(r), nil)
			} else {
				err = b.Set(g.keyOf(r), g.bytes[r.value:r.end], nil)
			}
			if err != nil {
				return d.fail(err)
			}
		}
	}
	if err := d.pebble.Apply(b, pebble.NoSync); err != nil {
		return d.fail(err)
	}
	g.next()
	d.waiting.Store(false)
	return nil
}

// fail remembers why nothing can be written any more.
func (d *DB) fail(err error) error {
	d.failed = fmt.Errorf("write items: %w", err)
	if d.onFailure != nil {
		d.onFailure(d.failed)
	}
	return d.failed
}

// settle writes what was gathered, for those who are about to read it.
func (d *DB) settle() error {
	if !d.waiting.Load() {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.apply()
}
