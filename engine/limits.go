package engine

import "time"

// The limits of the domain. Everything a command can carry has one, and all of them are here.
const (
	// NameBytesMax bounds a SKU, a location, a lot and a pool, in bytes of UTF-8.
	NameBytesMax = 128
	// KeyBytesMax bounds an idempotency key, in bytes.
	KeyBytesMax = 255
	// OwnerBytesMax bounds the owner of a reservation, in bytes.
	OwnerBytesMax = 255
	// ActorBytesMax bounds the actor named in a movement, in bytes.
	ActorBytesMax = 255
	// ReferenceBytesMax bounds a reference document URI, in bytes.
	ReferenceBytesMax = 512
	// LinesMax bounds the lines of one reservation, and of one atomic batch.
	LinesMax = 1000
	// LocationsMax bounds the locations of one item.
	LocationsMax = 1000
	// QuantityMax bounds one quantity, and of an item what is on hand at all its locations and
	// what is promised (reserved or committed) there, in units. It is 2^62-1, so that two sums
	// can be added without overflow.
	QuantityMax = 1<<62 - 1
	// HoldTTLMin and HoldTTLMax bound the life of a hold; HoldTTLDefault is what it gets when
	// the command does not say. The maximum is 31 days, as in commercetools.
	HoldTTLMin     = time.Millisecond
	HoldTTLDefault = 15 * time.Minute
	HoldTTLMax     = 31 * 24 * time.Hour
	// ExpiryPieceMax bounds the lines of holds that one expiry record writes out, unless a single
	// hold has more. When more than that fall due together they are freed first, by sums, and
	// written out in pieces of this size.
	ExpiryPieceMax = 256
)
