package codec

import "github.com/skua-stock/skua/engine"

// Entry is what one log record carries: the engine's record and its place in the books.
type Entry struct {
	Epoch uint32
	// Positions has one for each partition that the record has SKUs of.
	Positions []Position
	// Prev is, for each SKU of the record, the log index of that SKU's record before; 0 for none.
	Prev []uint64
	// Part says that the entry has the events of one SKU only, and no positions: see AppendPart.
	Part   bool
	Record engine.Record
}

// Position is a partition and the dense number of the record in it.
type Position struct {
	Partition uint16
	Number    uint64
}

// AppendEntry appends the bytes of an entry.
func AppendEntry(dst []byte, e *Entry) []byte { panic("codec: not yet") }

// AppendPart appends an entry with the events of one SKU of the record only: Record.SKUs and Prev
// have that one, acts without events of it are left out, and so are the positions.
func AppendPart(dst []byte, e *Entry, sku int) []byte { panic("codec: not yet") }

// Decoder reads entries. It remembers names, so that reading one again allocates nothing. It is
// for one goroutine; the zero Decoder is ready.
type Decoder struct{}

// Entry reads b into e, whose memory is reused; strings and settings stay valid after that. After
// an error e holds nothing of use.
func (d *Decoder) Entry(b []byte, e *Entry) error { panic("codec: not yet") }
