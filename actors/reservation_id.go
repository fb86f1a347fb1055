package actors

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// ids writes and reads reservation ids. An id is a version byte, the reservation's 64-bit number,
// a 32-bit tag and the home SKU, in base64url: it finds the home without any table, however many
// reservations there are. The tag is a MAC under a key of the data directory, so that a made-up id
// is turned away at the door and wakes no actor. It grants no rights.
type ids struct{ block cipher.Block }

const (
	idVersion = 1
	idPrefix  = 1 + 8 + 4
	// idTextMax is the length of the longest id in characters.
	idTextMax = ((idPrefix+engine.NameBytesMax)*8 + 5) / 6
)

func newIDs(key [16]byte) (*ids, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("key of reservation ids: %w", err)
	}
	return &ids{block}, nil
}

// idScratch is memory to make and read an id in; AES would move it to the heap each time.
type idScratch struct {
	id  [idPrefix + engine.NameBytesMax]byte
	tag [aes.BlockSize]byte
}

var idScratches = sync.Pool{New: func() any { return new(idScratch) }}

// tag is AES over the number and FNV-1a 64 of the SKU, cut to 32 bits.
func (x *ids) tag(t *idScratch, ref engine.ReservationRef) uint32 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(ref.Home); i++ {
		h = (h ^ uint64(ref.Home[i])) * 1099511628211
	}
	b := t.tag[:]
	binary.LittleEndian.PutUint64(b[:8], ref.Nonce)
	binary.LittleEndian.PutUint64(b[8:], h)
	x.block.Encrypt(b, b)
	return binary.LittleEndian.Uint32(b)
}

// Append writes an id.
func (x *ids) Append(b []byte, ref engine.ReservationRef) []byte {
	t := idScratches.Get().(*idScratch)
	defer idScratches.Put(t)
	id := append(t.id[:0], idVersion)
	id = binary.LittleEndian.AppendUint64(id, ref.Nonce)
	id = binary.LittleEndian.AppendUint32(id, x.tag(t, ref))
	id = append(id, ref.Home...)
	return base64.RawURLEncoding.AppendEncode(b, id)
}

// strictly reads the one spelling of an id.
var strictly = base64.RawURLEncoding.Strict()

// Ref reads an id; ok is false for one that this data directory never gave out.
func (x *ids) Ref(id string) (ref engine.ReservationRef, ok bool) {
	t := idScratches.Get().(*idScratch)
	defer idScratches.Put(t)
	if base64.RawURLEncoding.DecodedLen(len(id)) > len(t.id) {
		return ref, false
	}
	var text [idTextMax]byte
	n, err := strictly.Decode(t.id[:], append(text[:0], id...))
	if err != nil || n <= idPrefix || t.id[0] != idVersion {
		return ref, false
	}
	if base64.RawURLEncoding.EncodedLen(n) != len(id) {
		return ref, false // The decoder skips line breaks; an id has one spelling.
	}
	ref.Nonce = binary.LittleEndian.Uint64(t.id[1:])
	ref.Home = string(t.id[idPrefix:n])
	return ref, ref.Nonce != 0 && binary.LittleEndian.Uint32(t.id[9:]) == x.tag(t, ref)
}
