package snapshot

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// FuzzKeys: rows of two items never get in each other's way, whatever their names; rows come in the
// order of what they are about; and what a key says can be read from it.
func FuzzKeys(f *testing.F) {
	f.Add("A", "AB", uint32(1), uint32(256), int64(5))
	f.Add("a/b", "a", uint32(0), uint32(1<<31), int64(0))
	f.Add("\xff", "\xff\xff", uint32(7), uint32(7), int64(1)<<40)
	f.Fuzz(func(t *testing.T, a, b string, m, n uint32, at int64) {
		if a == b || strings.ContainsRune(a+b, 0) || a == "" || b == "" || at < 0 {
			t.Skip() // Names have no control characters.
		}
		if bytes.Equal(itemKey(a), itemKey(b)) || (bytes.Compare(itemKey(a), itemKey(b)) < 0) != (a < b) {
			t.Errorf("items %q and %q: keys %x and %x", a, b, itemKey(a), itemKey(b))
		}
		if bytes.Equal(holdsKey(a, m), holdsKey(b, n)) || bytes.HasPrefix(holdsKey(a, m), holdsKey(b, n)[:len(b)+2]) {
			t.Errorf("holds %d of %q are among those of %q: keys %x and %x", m, a, b, holdsKey(a, m), holdsKey(b, n))
		}
		if m < n != (bytes.Compare(holdsKey(a, m), holdsKey(a, n)) < 0) {
			t.Errorf("holds %d and %d of %q are not in order", m, n, a)
		}
		if bytes.HasPrefix(historyKey(m, a, uint64(at)), historyPrefix(m, b)) || bytes.HasPrefix(historyKey(m, a, 1), historyPrefix(n, a)) != (m == n) {
			t.Errorf("the history of %q in bucket %d is among that of %q, or of bucket %d", a, m, b, n)
		}
		if at > 0 && bytes.Compare(historyKey(m, a, uint64(at)), historyKey(m, a, uint64(at)-1)) <= 0 {
			t.Errorf("records %d and %d of %q are not in order", at-1, at, a)
		}
		key := appendDeadlineKey(nil, engine.Time(at), a)
		if got := binary.BigEndian.Uint64(key[1:]); got != uint64(at) || string(key[9:]) != a {
			t.Errorf("a deadline at %d of %q is read as %d of %q", at, a, got, key[9:])
		}
	})
}
