package persistence

import "hash/maphash"

// itemTable finds items by their names: a hash table with open addressing, which tells where it will
// look before it looks. It is for one goroutine.
type itemTable struct {
	seed  maphash.Seed
	slots []itemSlot
	all   []*recovered // in the order in which they came
}

type itemSlot struct {
	hash uint64
	item *recovered
}

const (
	// itemSlotsMin is how many slots a table begins with; a power of two.
	itemSlotsMin = 1 << 12
)

func newItemTable() itemTable {
	return itemTable{seed: maphash.MakeSeed(), slots: make([]itemSlot, itemSlotsMin)}
}

func (t *itemTable) hash(sku []byte) uint64 { return maphash.Bytes(t.seed, sku) }

// glance reads where a search begins. The result means nothing.
func (t *itemTable) glance(hash uint64) uint64 { return t.slots[hash&uint64(len(t.slots)-1)].hash }

// glanceAtItem reads what a search probably finds, and its name. The result means nothing.
func (t *itemTable) glanceAtItem(hash uint64) uint64 {
	if s := &t.slots[hash&uint64(len(t.slots)-1)]; s.item != nil && s.item.sku != "" {
		return uint64(s.item.sku[0])
	}
	return 0
}

// get returns an item, or nil.
func (t *itemTable) get(hash uint64, sku []byte) *recovered {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		switch s := &t.slots[i]; {
		case s.item == nil:
			return nil
		case s.hash == hash && s.item.sku == string(sku):
			return s.item
		}
	}
}

// put adds an item that is not there.
func (t *itemTable) put(hash uint64, it *recovered) {
	if 4*(len(t.all)+1) > 3*len(t.slots) {
		old := t.slots
		t.slots = make([]itemSlot, 2*len(old))
		for _, s := range old {
			if s.item != nil {
				t.place(s)
			}
		}
	}
	t.place(itemSlot{hash, it})
	t.all = append(t.all, it)
}

func (t *itemTable) place(s itemSlot) {
	mask := uint64(len(t.slots) - 1)
	i := s.hash & mask
	for ; t.slots[i].item != nil; i = (i + 1) & mask {
	}
	t.slots[i] = s
}
