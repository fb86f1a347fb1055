package snapshot

import (
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
)

// Note is what the snapshots remember about an item between two of its images. It never changes.
// There is one for every item in memory, so it has room for one chunk, and most items share noNote.
type Note struct {
	expires engine.Time
	round   uint32  // of the gathering that got rows of holds last
	packed  uint32  // bytes of the holds when they were last made one chunk
	newest  chunk   // number zero for none
	older   []chunk // by growing number
}

// noNote is that of an item without holds.
var noNote Note

// chunk is a row of holds, and how many bytes it has.
type chunk struct {
	number uint32
	bytes  uint32
}

// Empty reports whether the note says nothing, as that of an item without holds. Save takes nil for it.
func (n *Note) Empty() bool { return n == &noNote }

// chunks appends the chunks to a list, the oldest first.
func (n *Note) chunks(dst []chunk) []chunk {
	dst = append(dst, n.older...)
	if n.newest.number != 0 {
		dst = append(dst, n.newest)
	}
	return dst
}

// newNote is the note of what an item row says.
func newNote(expires engine.Time, round uint32, chunks []chunk) *Note {
	if expires == 0 && len(chunks) == 0 {
		return &noNote
	}
	n := &Note{expires: expires, round: round}
	if last := len(chunks) - 1; last >= 0 {
		n.newest = chunks[last]
		n.older = append(n.older, chunks[:last]...)
	}
	return n
}

const itemRowVersion = 1

// Load reads an item. A SKU that is none has an empty stock and last is zero. The stock tracks its
// changes from here on.
func (d *DB) Load(sku string) (s *engine.Stock, last uint64, n *Note, err error) {
	if err := d.settle(); err != nil {
		return nil, 0, nil, fmt.Errorf("load item %q: %w", sku, err)
	}
	row, err := d.get(itemKey(sku))
	if err != nil {
		return nil, 0, nil, fmt.Errorf("load item %q: %w", sku, err)
	}
	if row == nil {
		s = engine.NewStock(sku)
		s.Track()
		return s, 0, &noNote, nil
	}
	return restore(sku, row, func(c chunk) ([]byte, error) { return d.get(holdsKey(sku, c.number)) })
}

// restore makes an item of its row and of the chunks of its holds, which it asks for in order.
func restore(sku string, row []byte, read func(chunk) ([]byte, error)) (s *engine.Stock, last uint64, n *Note, err error) {
	im, last, expires, chunks, err := decodeItemRow(row)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("load item %q: %w", sku, err)
	}
	im.SKU = sku
	var holds map[uint64]engine.HoldImage
	if len(chunks) > 0 {
		holds = make(map[uint64]engine.HoldImage)
	}
	for _, c := range chunks {
		b, err := read(c)
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
	return engine.Restore(im, inOrder(holds)), last, newNote(expires, 0, chunks), nil
}

// inOrder yields holds by their numbers, so that what is done with them later, such as writing out
// those that fall due together, comes in the same order each time.
func inOrder(holds map[uint64]engine.HoldImage) iter.Seq[engine.HoldImage] {
	return func(yield func(engine.HoldImage) bool) {
		for _, nonce := range slices.Sorted(maps.Keys(holds)) {
			if !yield(holds[nonce]) {
				return
			}
		}
	}
}

// Save writes an image whole, if not at once: with the next items, or when somebody reads. The
// caller has seen to it that the log is durable through last.
func (d *DB) Save(im *engine.Image, last uint64, n *Note) (*Note, error) {
	if n == nil {
		n = &noNote
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.failed != nil {
		return nil, d.failed
	}
	mark := d.gathering.mark()
	next, err := d.gather(im, last, n)
	if err != nil {
		d.gathering.cut(mark)
		return nil, fmt.Errorf("save item %q: %w", im.SKU, err)
	}
	d.waiting.Store(true)
	if len(d.gathering.bytes) >= gatherBytes {
		if err := d.apply(); err != nil {
			return nil, err
		}
	}
	return next, nil
}

// gather adds the rows of an image to those that wait.
func (d *DB) gather(im *engine.Image, last uint64, n *Note) (*Note, error) {
	var room [chunksMax + 1]chunk
	chunks := n.chunks(room[:0])
	next := n
	switch {
	case im.Open == 0:
		d.removeHolds(im.SKU, chunks) // What chunks there will be have numbers from one again.
		chunks = nil
		next = newNote(im.NextExpiry, 0, nil)
	case len(im.Holds) > 0 || len(im.Gone) > 0:
		var err error
		packed := n.packed
		if chunks, err = d.gatherHolds(im, n, chunks, &packed); err != nil {
			return nil, fmt.Errorf("holds: %w", err)
		}
		next = newNote(im.NextExpiry, d.gathering.round, chunks)
		next.packed = packed
	case im.NextExpiry != n.expires:
		next = newNote(im.NextExpiry, n.round, chunks)
		if !next.Empty() {
			next.packed = n.packed
		}
	}
	g := &d.gathering
	if n.expires != im.NextExpiry {
		if n.expires != 0 {
			from := len(g.bytes)
			g.bytes = appendDeadlineKey(g.bytes, n.expires, im.SKU)
			g.remove(gatheredDeadline, from)
		}
		if im.NextExpiry != 0 {
			from := len(g.bytes)
			g.bytes = appendDeadlineKey(g.bytes, im.NextExpiry, im.SKU)
			g.set(gatheredDeadline, from, len(g.bytes))
		}
	}
	from := len(g.bytes)
	g.bytes = append(append(g.bytes, keyItem), im.SKU...)
	value := len(g.bytes)
	g.bytes = appendItemRow(g.bytes, im, last, chunks)
	g.set(gatheredItem, from, value)
	return next, nil
}

func (d *DB) removeHolds(sku string, chunks []chunk) {
	g := &d.gathering
	for _, c := range chunks {
		from := len(g.bytes)
		g.bytes = appendHoldsKey(g.bytes, sku, c.number)
		g.remove(gatheredHolds, from)
	}
}

// gatherHolds adds the holds of an image as one more chunk, or as several if they are very many. When
// there are too many chunks, the last ones are merged, as many as are of like size together: so a hold
// at rest is rewritten a logarithmic number of times over its life, and an item is loaded from few rows.
// Full ones are merged no more, until most of them seems to be about holds that are over: then all are.
func (d *DB) gatherHolds(im *engine.Image, n *Note, chunks []chunk, packed *uint32) ([]chunk, error) {
	number := uint32(1)
	if len(chunks) > 0 {
		number = chunks[len(chunks)-1].number + 1
	}
	chunks, err := d.gatherFull(im, chunks, &number)
	if err != nil {
		return nil, err
	}
	keep := mergeFrom(chunks, len(d.chunk), d.chunkBytes)
	if d.wasteful(im, n, chunks) {
		keep = 0
	}
	if keep < len(chunks) {
		// Of this image nothing waits yet but full chunks.
		if n.round == d.gathering.round || keep == 0 {
			if err := d.apply(); err != nil {
				return nil, err
			}
		}
		if err := d.merge(im.SKU, chunks[keep:], keep == 0); err != nil {
			return nil, err
		}
		d.removeHolds(im.SKU, chunks[keep:])
		if keep == 0 {
			*packed = uint32(len(d.chunk))
		}
	}
	chunks = append(chunks[:keep], d.gatherChunk(im.SKU, number))
	if cap(d.chunk) > 2*gatherBytes {
		d.chunk = nil
	}
	return chunks, nil
}

// wasteful reports whether the chunks are much larger than the open holds can be. How large those are is
// only guessed, so it is not asked again until there is twice of what packing left.
func (d *DB) wasteful(im *engine.Image, n *Note, chunks []chunk) bool {
	bytes := len(d.chunk)
	for _, c := range chunks {
		bytes += int(c.bytes)
	}
	return len(chunks) > 0 && bytes > 4*(d.chunkBytes+im.Open*holdBytes) && bytes > 2*int(n.packed)
}

// gatherFull adds full chunks of an image with very many holds, and leaves the last one, which need not
// be full, in d.chunk. Full ones may be written before the item row that says that they are there. After
// a crash in between nobody looks at them, and the next ones have the same numbers.
func (d *DB) gatherFull(im *engine.Image, chunks []chunk, number *uint32) ([]chunk, error) {
	over := overs(im.Gone)
	d.chunk = beginChunk(d.chunk[:0], im.Gone)
	for _, piece := range im.Holds {
		for i := range piece {
			if over(piece[i].Nonce) {
				continue
			}
			if d.chunk = appendHold(d.chunk, &piece[i]); len(d.chunk) < d.chunkBytes {
				continue
			}
			chunks = append(chunks, d.gatherChunk(im.SKU, *number))
			*number++
			d.chunk = beginChunk(d.chunk[:0], nil)
			if len(d.gathering.bytes) >= gatherBytes {
				if err := d.apply(); err != nil {
					return nil, err
				}
			}
		}
	}
	return chunks, nil
}

// gatherChunk adds the row of the chunk that is being written.
func (d *DB) gatherChunk(sku string, number uint32) chunk {
	g := &d.gathering
	from := len(g.bytes)
	g.bytes = appendHoldsKey(g.bytes, sku, number)
	value := len(g.bytes)
	g.bytes = append(g.bytes, d.chunk...)
	g.set(gatheredHolds, from, value)
	return chunk{number, uint32(len(d.chunk))}
}

// merge reads the last chunks of an item and makes one of them and of the new one.
func (d *DB) merge(sku string, chunks []chunk, oldest bool) error {
	d.merger.begin()
	lower := holdsKey(sku, chunks[0].number)
	n := 0
	err := d.scan(lower, holdsKey(sku, chunks[len(chunks)-1].number+1), func(key, row []byte) (bool, error) {
		if n == len(chunks) || binary.BigEndian.Uint32(key[len(key)-4:]) != chunks[n].number {
			return false, fmt.Errorf("chunk %d of holds is not of the item", binary.BigEndian.Uint32(key[len(key)-4:]))
		}
		n++
		d.merger.add(row)
		return true, nil
	})
	if err != nil {
		return err
	}
	if n < len(chunks) {
		return fmt.Errorf("chunk %d of holds is missing", chunks[n].number)
	}
	d.merger.add(d.chunk)
	d.chunk, err = d.merger.merge(d.chunk[:0], oldest)
	return err
}

// mergeFrom says from which chunk on all are merged with a new one of so many bytes: none while
// there are few; then those that are not much larger than what comes after them, one at least.
func mergeFrom(chunks []chunk, bytes, most int) int {
	if len(chunks) < chunksMax {
		return len(chunks)
	}
	from := len(chunks)
	for from > 0 {
		size := int(chunks[from-1].bytes)
		if size+bytes > most || size > 2*bytes && from < len(chunks) {
			break
		}
		bytes += size
		from--
	}
	return from
}

func itemKey(sku string) []byte { return append([]byte{keyItem}, sku...) }

func holdsKey(sku string, number uint32) []byte { return appendHoldsKey(nil, sku, number) }

func appendHoldsKey(dst []byte, sku string, number uint32) []byte {
	return binary.BigEndian.AppendUint32(append(append(append(dst, keyHolds), sku...), 0), number)
}

func appendDeadlineKey(dst []byte, at engine.Time, sku string) []byte {
	return append(binary.BigEndian.AppendUint64(append(dst, keyDeadline), uint64(at)), sku...)
}

// The item row is a version, the chunks, the deadline row's time, and the item.
func appendItemRow(dst []byte, im *engine.Image, last uint64, chunks []chunk) []byte {
	dst = append(dst, itemRowVersion)
	dst = binary.AppendUvarint(dst, uint64(len(chunks)))
	for _, c := range chunks {
		dst = binary.AppendUvarint(dst, uint64(c.number))
		dst = binary.AppendUvarint(dst, uint64(c.bytes))
	}
	dst = binary.AppendUvarint(dst, uint64(im.NextExpiry))
	return codec.AppendItem(dst, im, last)
}

// chunksOf reads of an item row where the holds are.
func chunksOf(row []byte) ([]chunk, error) {
	if len(row) == 0 || row[0] != itemRowVersion {
		return nil, unknownVersion("item row", row)
	}
	r := reader{b: row[1:]}
	chunks := r.chunks()
	if r.bad {
		return nil, fmt.Errorf("item row is cut short")
	}
	return chunks, nil
}

func (r *reader) chunks() (chunks []chunk) {
	for range r.count() {
		chunks = append(chunks, chunk{uint32(r.uvarint()), uint32(r.uvarint())})
	}
	return chunks
}

func decodeItemRow(b []byte) (im engine.Image, last uint64, expires engine.Time, chunks []chunk, err error) {
	if len(b) == 0 || b[0] != itemRowVersion {
		return im, 0, 0, nil, unknownVersion("item row", b)
	}
	r := reader{b: b[1:]}
	chunks = r.chunks()
	expires = engine.Time(r.uvarint())
	if r.bad {
		return im, 0, 0, nil, fmt.Errorf("item row is cut short")
	}
	im, last, err = codec.DecodeItem(r.b)
	return im, last, expires, chunks, err
}

// Items calls yield with the items after a name, in order, until it returns false.
func (d *DB) Items(after string, yield func(sku string) bool) error {
	if err := d.settle(); err != nil {
		return reading("list items", err)
	}
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
	if err := d.settle(); err != nil {
		return reading("list deadlines", err)
	}
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
		return reading("scan snapshots", err)
	}
	defer func() {
		if e := it.Close(); e != nil && err == nil {
			err = reading("scan snapshots", e)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return reading("scan snapshots", err)
		}
		if more, err := f(it.Key(), v); err != nil || !more {
			return err
		}
	}
	return reading("scan snapshots", it.Error())
}
