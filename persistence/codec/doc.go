// Package codec turns the engine's records and images into bytes and back.
//
// Three things are written: the [Entry], which is one record of the write-ahead log with its place
// in the books; the item row, which is an image of a stock without its holds; and the hold row.
// Each begins with a byte that says what it is and a byte with the version of its format, so that
// a reader never guesses. The bytes are described in docs/reference/record-format.md; they are a
// promise to every data directory in the world, and the goldens in testdata hold us to it.
//
// # Usage
//
//	buf = codec.AppendEntry(buf[:0], &codec.Entry{Epoch: 1, Positions: ps, Prev: prev, Record: r})
//
//	var d codec.Decoder   // one for each goroutine: it remembers names
//	var e codec.Entry     // reused, so that a replay of millions allocates next to nothing
//	err := d.Entry(buf, &e)
//
// Encoding cannot fail: what does not fit is a bug of the caller, and panics. Decoding trusts
// nothing: every length is checked against the bytes that are there before memory is taken for it,
// and what is taken is bounded by a small multiple of the input. It answers garbage with an error
// that wraps [ErrMalformed].
//
// # What is normalised
//
// Everything of a record comes back as it was, with these exceptions, which nothing can observe:
// maps and slices without elements come back nil in Settings, Others and images, and with length
// zero in Entry; an Entry.Prev that is shorter than Record.SKUs comes back filled up with zeros.
package codec
