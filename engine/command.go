package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"math"
	"slices"
)

// Op is what a command asks for.
type Op uint8

// The operations. The last three are the engine's own: nobody can ask for them.
const (
	OpNone Op = iota
	OpPutItem
	OpReceive
	OpAdjust
	OpSet
	OpMove
	OpRestock
	OpReserve
	OpCommit
	OpConfirm
	OpRelease
	OpExtend
	OpFulfill
	OpCancel
	OpGetItem
	OpGetReservation
	// OpExpire writes out one hold that fell due.
	OpExpire
	// OpFree frees the units of very many holds that fell due, before they are written out.
	OpFree
)

var opNames = [...]string{
	OpNone: "", OpPutItem: "put_item", OpReceive: "receive", OpAdjust: "adjust", OpSet: "set",
	OpMove: "move", OpRestock: "restock", OpReserve: "reserve", OpCommit: "commit",
	OpConfirm: "confirm", OpRelease: "release", OpExtend: "extend", OpFulfill: "fulfill",
	OpCancel: "cancel", OpGetItem: "get_item", OpGetReservation: "get_reservation",
	OpExpire: "expire", OpFree: "free",
}

func (o Op) String() string { return opNames[o] }

// Mutates reports whether the operation changes stock, and so needs a key.
func (o Op) Mutates() bool { return o >= OpPutItem && o <= OpCancel }

// Step reports whether the operation goes to a reservation that is there already.
func (o Op) Step() bool { return o >= OpConfirm && o <= OpCancel }

// ReservationRef finds a reservation: the SKU whose stock keeps it, and its number there. It is
// what a reservation id holds; only actors read and write ids.
type ReservationRef struct {
	Home  string
	Nonce uint64
}

// Line asks for units of one item. An empty location lets the engine choose.
type Line struct {
	SKU, Location string
	Quantity      int64
}

// MatchesNothing is a sequence that no item comes to.
const MatchesNothing = math.MaxUint64

// Command is one thing to do. Which fields count depends on Op; Validate says what is wrong.
//
// What a reservation needs comes first, on three cache lines: of the thousands of commands that are under
// way none is in a processor's cache.
type Command struct {
	Op Op
	// State is what adjust and set act on (OnHand when unset); From and To are those of move.
	State, From, To           State
	HasChangeFrom, HasIfMatch bool
	// hash and print are computed once: every place that files a key asks for them.
	hashed, printed bool
	print           uint64
	// Key is the idempotency key; KeyHash and the fingerprint of the command stand for it.
	Key string

	// Of reservations:
	Lines []Line
	// TTL is the life of a hold in milliseconds; zero means HoldTTLDefault.
	TTL  int64
	hash [16]byte
	// Reservation is the one that a step goes to. For OpReserve and OpCommit the nonce is drawn
	// outside and given here, since the engine has no dice.
	Reservation ReservationRef
	// Principal is who is authenticated, empty without authentication; it scopes the key.
	Principal string
	// Quantity is the units, or the delta of adjust.
	Quantity int64
	Owner    string
	// Actor and Reference are carried into the movement.
	Actor, Reference, Reason string

	// Of the operations on one item:
	SKU, Location string
	// ChangeFrom is what the quantity must be for set and adjust, when HasChangeFrom.
	ChangeFrom int64
	// IfMatch is what the item's sequence must be, when HasIfMatch: 0 for an item that is not there yet,
	// MatchesNothing for none.
	IfMatch  uint64
	Settings Settings
}

// KeyHash is 128 bits of SHA-256 over principal and key. The home SKU that also scopes a key is
// implied by where the hash is looked up.
func (c *Command) KeyHash() [16]byte {
	if c.hashed {
		return c.hash
	}
	var buf [2 + ActorBytesMax + KeyBytesMax]byte
	b := binary.LittleEndian.AppendUint16(buf[:0], uint16(len(c.Principal)))
	b = append(b, c.Principal...)
	b = append(b, c.Key...)
	sum := sha256.Sum256(b)
	copy(c.hash[:], sum[:])
	c.hashed = true
	return c.hash
}

// Fingerprint is a 64-bit hash over everything that makes this command this command, the key
// apart. Two commands with one key are a retry when their fingerprints agree. It is in the log, so
// it never changes.
func (c *Command) Fingerprint() uint64 {
	if c.printed {
		return c.print
	}
	f := print(0x9e3779b97f4a7c15)
	f.number(uint64(c.Op))
	f.text(c.Actor)
	f.text(c.Reference)
	f.text(c.Reason)
	f.text(c.SKU)
	f.text(c.Location)
	f.number(uint64(c.Quantity))
	f.number(uint64(c.State)<<16 | uint64(c.From)<<8 | uint64(c.To))
	if c.HasChangeFrom {
		f.text("change_from")
		f.number(uint64(c.ChangeFrom))
	}
	if c.HasIfMatch {
		f.text("if_match")
		f.number(c.IfMatch)
	}
	if c.Op == OpPutItem {
		f.settings(&c.Settings)
	}
	f.number(uint64(len(c.Lines)))
	for i := range c.Lines {
		f.text(c.Lines[i].SKU)
		f.text(c.Lines[i].Location)
		f.number(uint64(c.Lines[i].Quantity))
	}
	f.number(uint64(c.TTL))
	f.text(c.Owner)
	if c.Op.Step() {
		f.text(c.Reservation.Home)
		f.number(c.Reservation.Nonce)
	}
	c.print, c.printed = uint64(f), true
	return c.print
}

// print mixes words into a hash: xor, multiply by an odd constant, fold the high half down. The
// finish of each word makes every bit count for the next.
type print uint64

func (f *print) number(n uint64) {
	h := (uint64(*f) ^ n) * 0xd6e8feb86659fd93
	*f = print(h ^ h>>32)
}

func (f *print) text(s string) {
	f.number(uint64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		f.number(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
	}
	var last uint64
	for i := range len(s) {
		last |= uint64(s[i]) << (8 * i)
	}
	f.number(last)
}

func (f *print) settings(s *Settings) {
	f.number(uint64(s.BackorderLimit))
	f.number(uint64(s.ReorderPoint))
	f.number(uint64(len(s.SafetyStock)))
	for _, loc := range slices.Sorted(maps.Keys(s.SafetyStock)) {
		f.text(loc)
		f.number(uint64(s.SafetyStock[loc]))
	}
	for _, loc := range s.LocationOrder {
		f.text(loc)
	}
}
