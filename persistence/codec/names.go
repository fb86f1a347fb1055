package codec

import "hash/maphash"

// names remembers names that were read, so that reading one again allocates nothing. It has one
// place for each hash and keeps the newest name there: bounded, and the names that come often stay
// most of the time.
type names struct {
	seed  maphash.Seed
	slots []string
}

func (n *names) of(b []byte) string {
	if n == nil || len(b) > NameBytesMax {
		return string(b)
	}
	if n.slots == nil {
		n.seed, n.slots = maphash.MakeSeed(), make([]string, NamesMax)
	}
	slot := &n.slots[maphash.Bytes(n.seed, b)%NamesMax]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
