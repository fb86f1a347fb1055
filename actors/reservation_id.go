package actors

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"

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
)

func newIDs(key [16]byte) (*ids, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("key of reservation ids: %w", err)
	}
	return &ids{block}, nil
}

// tag is AES over the number and FNV-1a 64 of the SKU, cut to 32 bits.
func (x *ids) tag(ref engine.ReservationRef) uint32 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(ref.Home); i++ {
		h = (h ^ uint64(ref.Home[i])) * 1099511628211
	}
	var b [aes.BlockSize]byte
	binary.LittleEndian.PutUint64(b[:8], ref.Nonce)
	binary.LittleEndian.PutUint64(b[8:], h)
	x.block.Encrypt(b[:], b[:])
	return binary.LittleEndian.Uint32(b[:])
}

// ID writes an id.
func (x *ids) ID(ref engine.ReservationRef) string {
	var buf [idPrefix + engine.NameBytesMax]byte
	b := append(buf[:0], idVersion)
	b = binary.LittleEndian.AppendUint64(b, ref.Nonce)
	b = binary.LittleEndian.AppendUint32(b, x.tag(ref))
	b = append(b, ref.Home...)
	return base64.RawURLEncoding.EncodeToString(b)
}

// Ref reads an id; ok is false for one that this data directory never gave out.
func (x *ids) Ref(id string) (ref engine.ReservationRef, ok bool) {
	var buf [idPrefix + engine.NameBytesMax]byte
	if base64.RawURLEncoding.DecodedLen(len(id)) > len(buf) {
		return ref, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(buf[:], []byte(id))
	if err != nil || n <= idPrefix || buf[0] != idVersion {
		return ref, false
	}
	if base64.RawURLEncoding.EncodedLen(n) != len(id) {
		return ref, false // The decoder skips line breaks; an id has one spelling.
	}
	ref.Nonce = binary.LittleEndian.Uint64(buf[1:])
	ref.Home = string(buf[idPrefix:n])
	return ref, ref.Nonce != 0 && binary.LittleEndian.Uint32(buf[9:]) == x.tag(ref)
}
