package codec

import (
	"fmt"
	"math"

	"github.com/skua-stock/skua/engine"
)

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

// entryPart is the bit of an entry's flags for Part.
const (
	entryPart  = 1 << 0
	entryFlags = 1<<1 - 1
)

// allSKUs stands for no SKU in particular.
const allSKUs = -1

// AppendEntry appends the bytes of an entry.
func AppendEntry(dst []byte, e *Entry) []byte {
	var flags byte
	if e.Part {
		flags = entryPart
	}
	r := &e.Record
	dst = append(dst, byte(KindRecord), recordVersion, flags)
	dst = appendUvarint(dst, uint64(e.Epoch))
	dst = appendTime(dst, r.Time)
	dst = appendUvarint(dst, uint64(len(e.Positions)))
	for i := range e.Positions {
		dst = appendUvarint(dst, uint64(e.Positions[i].Partition))
		dst = appendUvarint(dst, e.Positions[i].Number)
	}
	if len(e.Prev) > len(r.SKUs) {
		panic(fmt.Sprintf("codec: %d previous records of %d SKUs", len(e.Prev), len(r.SKUs)))
	}
	dst = appendUvarint(dst, uint64(len(r.SKUs)))
	for i := range r.SKUs {
		dst = appendText(dst, r.SKUs[i])
		dst = appendUvarint(dst, e.prev(i))
	}
	dst = appendUvarint(dst, uint64(len(r.Acts)))
	for i := range r.Acts {
		dst = appendAct(dst, r, &r.Acts[i], allSKUs)
	}
	return dst
}

// AppendPart appends an entry with the events of one SKU of the record only: Record.SKUs and Prev
// have that one, and acts without events of it are left out. So are the positions, because a part
// stands in the history of its SKU and is never replayed. The acts keep their keys: one of an
// atomic batch may have its home there.
func AppendPart(dst []byte, e *Entry, sku int) []byte {
	r := &e.Record
	dst = append(dst, byte(KindRecord), recordVersion, entryPart)
	dst = appendUvarint(dst, uint64(e.Epoch))
	dst = appendTime(dst, r.Time)
	dst = append(dst, 0, 1) // No position, one SKU.
	dst = appendText(dst, r.SKUs[sku])
	dst = appendUvarint(dst, e.prev(sku))
	n := 0
	for i := range r.Acts {
		if eventsOf(&r.Acts[i], sku) > 0 {
			n++
		}
	}
	dst = appendUvarint(dst, uint64(n))
	for i := range r.Acts {
		if eventsOf(&r.Acts[i], sku) > 0 {
			dst = appendAct(dst, r, &r.Acts[i], sku)
		}
	}
	return dst
}

func (e *Entry) prev(sku int) uint64 {
	if sku < len(e.Prev) {
		return e.Prev[sku]
	}
	return 0
}

// eventsOf counts the events of an act that one SKU, or any, has.
func eventsOf(a *engine.Act, sku int) int {
	if sku == allSKUs {
		return len(a.Events)
	}
	n := 0
	for i := range a.Events {
		if a.Events[i].Stock == sku {
			n++
		}
	}
	return n
}

// Decoder reads entries. It remembers names, so that reading one again allocates nothing. It is
// for one goroutine; the zero Decoder is ready.
type Decoder struct{ names names }

// Entry reads b into e, whose memory is reused; strings and settings stay valid after that. After
// an error e holds nothing of use.
func (d *Decoder) Entry(b []byte, e *Entry) error { return d.EntryOf(nil, b, e) }

// EntryOf is Entry for one who knows the SKUs of the entry already: their names are used, where they
// are the right ones, and need not be made.
func (d *Decoder) EntryOf(skus []string, b []byte, e *Entry) error {
	var r reader
	r.begin(b, EntryBytesMax, &d.names)
	r.head(KindRecord, recordVersion)
	flags := r.byte()
	if flags > entryFlags {
		r.fail("unknown flag")
	}
	e.Part = flags&entryPart != 0
	e.Epoch = uint32(r.number(math.MaxUint32, "epoch"))
	e.Record.Reset(r.time())
	e.Positions, e.Prev = e.Positions[:0], e.Prev[:0]
	for range r.count(positionBytesMin) {
		p := Position{Partition: uint16(r.number(math.MaxUint16, "partition")), Number: r.uvarint()}
		e.Positions = append(e.Positions, p)
	}
	for range r.count(skuBytesMin) {
		e.Record.SKUs = append(e.Record.SKUs, r.nameOf(skus, len(e.Record.SKUs)))
		if e.Prev = append(e.Prev, r.uvarint()); r.err != nil {
			break
		}
	}
	for range r.count(actBytesMin) {
		if r.act(&e.Record, e.Record.Add()); r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return fmt.Errorf("decode entry: %w", err)
	}
	return nil
}
