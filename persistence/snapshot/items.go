package snapshot

import (
	"encoding/binary"
	"fmt"
	"maps"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// Note is what the snapshots remember about an item between two of its images.
type Note struct {
	chunks  []chunk
	expires engine.Time
}

// chunk is a row of holds, and how many bytes it has.
type chunk struct {
	number uint32
	bytes  uint32
}

const itemRowVersion = 1

// Load reads an item. A SKU that is none has an empty stock and last is zero. The stock tracks its
// changes from here on.
func (d *DB) Load(sku string) (s *engine.Stock, last uint64, n *Note, err error) {
	row, err := d.get(itemKey(sku))
	if err != nil {
		return nil, 0, nil, fmt.Errorf("load item %q: %w", sku, err)
	}
	if row == nil {
		s = engine.NewStock(sku)
		s.Track()
		return s, 0, &Note{}, nil
	}
	im, last, n, err := decodeItemRow(row)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("load item %q: %w", sku, err)
	}
	im.SKU = sku
	holds := make(map[uint64]engine.HoldImage)
	for _, c := range n.chunks {
		b, err := d.get(holdsKey(sku, c.number))
		if err != nil {
			return nil, 0, nil, fmt.Errorf("load holds of item %q: %w", sku, err)
		}
		if err := readChunk(b, holds); err != nil {
			return nil, 0, nil, fmt.Errorf("load holds of item %q, chunk %d: %w", sku, c.number, err)
		}
	}
	if len(holds) != im.Open {
		return nil, 0, nil, fmt.Errorf("load holds of item %q: the chunks have %d, the item says %d", sku, len(holds), im.Open)
	}
	return engine.Restore(im, maps.Values(holds)), last, n, nil
}

// Save writes an image whole. The caller has seen to it that the log is durable through last.
func (d *DB) Save(im *engine.Image, last uint64, n *Note) (*Note, error) {
	b := d.pebble.NewBatch()
	defer b.Close()
	next := &Note{expires: im.NextExpiry}
	if n == nil {
		n = &Note{}
	}
	var err error
	if next.chunks, err = d.saveHolds(b, im, n.chunks); err != nil {
		return nil, fmt.Errorf("save holds of item %q: %w", im.SKU, err)
	}
	if n.expires != next.expires {
		if n.expires != 0 {
			err = b.Delete(deadlineKey(n.expires, im.SKU), nil)
		}
		if err == nil && next.expires != 0 {
			err = b.Set(deadlineKey(next.expires, im.SKU), nil, nil)
		}
	}
	if err == nil {
		err = b.Set(itemKey(im.SKU), appendItemRow(nil, im, last, next), nil)
	}
	if err == nil {
		err = d.pebble.Apply(b, pebble.NoSync)
	}
	if err != nil {
		return nil, fmt.Errorf("save item %q: %w", im.SKU, err)
	}
	return next, nil
}

// saveHolds writes the holds of an image as one more chunk. When there are too many chunks, the
// last ones are merged, as many as are of like size together: so a hold at rest is rewritten a
// logarithmic number of times over its life, and an item is loaded from few rows.
func (d *DB) saveHolds(b *pebble.Batch, im *engine.Image, chunks []chunk) ([]chunk, error) {
	if im.Open == 0 {
		for _, c := range chunks {
			if err := b.Delete(holdsKey(im.SKU, c.number), nil); err != nil {
				return nil, err
			}
		}
		return nil, nil
	}
	if len(im.Holds) == 0 && len(im.Gone) == 0 {
		return chunks, nil
	}
	number := uint32(1)
	if len(chunks) > 0 {
		number = chunks[len(chunks)-1].number + 1
	}
	row := appendChunk(nil, im.Gone, im.Holds...)
	keep := mergeFrom(chunks, len(row))
	for i := len(chunks) - 1; i >= keep; i-- {
		older, err := d.get(holdsKey(im.SKU, chunks[i].number))
		if err != nil {
			return nil, err
		}
		if row, err = mergeChunks(older, row, i == 0); err != nil {
			return nil, err
		}
		if err := b.Delete(holdsKey(im.SKU, chunks[i].number), nil); err != nil {
			return nil, err
		}
	}
	chunks = append(chunks[:keep:keep], chunk{number, uint32(len(row))})
	return chunks, b.Set(holdsKey(im.SKU, number), row, nil)
}

// mergeFrom says from which chunk on all are merged with a new one of so many bytes: none while
// there are few; then those that are not much larger than what comes after them, one at least.
func mergeFrom(chunks []chunk, bytes int) int {
	if len(chunks) < chunksMax {
		return len(chunks)
	}
	from := len(chunks)
	for from > 0 {
		size := int(chunks[from-1].bytes)
		if size+bytes > chunkBytesMax || size > 2*bytes && from < len(chunks) {
			break
		}
		bytes += size
		from--
	}
	return from
}

func itemKey(sku string) []byte { return append([]byte{keyItem}, sku...) }

func holdsKey(sku string, number uint32) []byte {
	k := append(append([]byte{keyHolds}, sku...), 0)
	return binary.BigEndian.AppendUint32(k, number)
}

func deadlineKey(at engine.Time, sku string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{keyDeadline}, uint64(at)), sku...)
}

// The item row is a version, the chunks, the deadline row's time, and the item.
func appendItemRow(dst []byte, im *engine.Image, last uint64, n *Note) []byte {
	dst = append(dst, itemRowVersion)
	dst = binary.AppendUvarint(dst, uint64(len(n.chunks)))
	for _, c := range n.chunks {
		dst = binary.AppendUvarint(dst, uint64(c.number))
		dst = binary.AppendUvarint(dst, uint64(c.bytes))
	}
	dst = binary.AppendUvarint(dst, uint64(n.expires))
	return codec.AppendItem(dst, im, last)
}

func decodeItemRow(b []byte) (im engine.Image, last uint64, n *Note, err error) {
	if len(b) == 0 || b[0] != itemRowVersion {
		return im, 0, nil, fmt.Errorf("item row of an unknown version")
	}
	r := reader{b: b[1:]}
	n = &Note{}
	for range r.count() {
		n.chunks = append(n.chunks, chunk{uint32(r.uvarint()), uint32(r.uvarint())})
	}
	n.expires = engine.Time(r.uvarint())
	if r.bad {
		return im, 0, nil, fmt.Errorf("item row is cut short")
	}
	im, last, err = codec.DecodeItem(r.b)
	return im, last, n, err
}

// Items calls yield with the items after a name, in order, until it returns false.
func (d *DB) Items(after string, yield func(sku string) bool) error {
	lower := itemKey(after)
	if after != "" {
		lower = append(lower, 0)
	}
	return d.scan(lower, []byte{keyItem + 1}, func(key, _ []byte) (bool, error) {
		return yield(string(key[1:])), nil
	})
}

// Expiring calls yield with the items that have a hold due by a time, the earliest first.
func (d *DB) Expiring(by engine.Time, yield func(sku string, at engine.Time) bool) error {
	upper := binary.BigEndian.AppendUint64([]byte{keyDeadline}, uint64(by)+1)
	return d.scan([]byte{keyDeadline}, upper, func(key, _ []byte) (bool, error) {
		if len(key) < 10 {
			return false, fmt.Errorf("deadline key of %d bytes", len(key))
		}
		return yield(string(key[9:]), engine.Time(binary.BigEndian.Uint64(key[1:9]))), nil
	})
}

// scan calls f with the rows in [lower, upper) until it returns false.
func (d *DB) scan(lower, upper []byte, f func(key, value []byte) (bool, error)) (err error) {
	it, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return fmt.Errorf("scan snapshots: %w", err)
	}
	defer func() {
		if e := it.Close(); e != nil && err == nil {
			err = fmt.Errorf("scan snapshots: %w", e)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("scan snapshots: %w", err)
		}
		if more, err := f(it.Key(), v); err != nil || !more {
			return err
		}
	}
	return it.Error()
}
