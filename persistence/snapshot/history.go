package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// Bucket is a stretch of the log that was sorted by item: one table, made once and never
// rewritten, since its number comes first in the keys.
type Bucket struct {
	Number                uint32
	First, Last           uint64 // indexes of its records
	FirstTime, LastTime   int64  // milliseconds since the epoch
	Records, Bytes, Table uint64
}

// Key is a key of a record in a bucket: 64 bits that stand for it, and the record's index.
type Key struct{ Hash, Index uint64 }

// Builder gathers the records of a bucket. It is to be used again for the next one, since its memory
// is as large as a segment of the log.
type Builder struct {
	Bucket
	skus   map[string]uint32 // numbered as they came
	places []place           // of the records, by their order in the bucket
	seed   maphash.Seed
	parts  []part
	arena  []byte
	keys   []byte
	// What writeTable needs.
	names  []string
	ends   []uint32 // of the parts of each SKU, in sorted
	sorted []part
}

// part is an entry of one SKU, somewhere in the arena.
type part struct {
	index    uint64
	from, to uint32
	sku      uint32
	hash     uint32 // of the SKU's name
}

// place leads from a record to the numbers of its SKUs: to the number itself where there is one SKU,
// and to the first part of the record where there are several.
type place uint32

const (
	placeNone    place = 0
	placeSeveral place = 1 << 31 // The rest is the first part, and else the number plus one.
)

// Begin starts a bucket of about so many bytes.
func (b *Builder) Begin(number uint32, size int) {
	if b.skus == nil {
		b.skus, b.seed = make(map[string]uint32), maphash.MakeSeed()
	}
	clear(b.skus)
	clear(b.names)
	b.Bucket = Bucket{Number: number}
	b.parts, b.arena, b.keys, b.names = b.parts[:0], slices.Grow(b.arena[:0], size), b.keys[:0], b.names[:0]
	b.places = b.places[:0]
}

// Record begins the next record of the log.
func (b *Builder) Record(index uint64, time int64, bytes int) {
	if b.Records == 0 {
		b.First, b.FirstTime = index, time
	}
	b.Last, b.LastTime = index, time
	b.Records++
	b.Bytes += uint64(bytes)
}

// Add files an entry of the record under a SKU. Both are copied. prev is the index of the SKU's record
// before, or 0.
func (b *Builder) Add(sku, entry []byte, prev uint64) {
	hash := uint32(maphash.Bytes(b.seed, sku))
	n, ok := b.before(prev, hash)
	if !ok {
		n = b.number(sku)
	}
	at := int(b.Last - b.First)
	for len(b.places) < at {
		b.places = append(b.places, placeNone) // Records of no SKU.
	}
	if len(b.places) == at {
		b.places = append(b.places, place(n+1))
	} else if b.places[at]&placeSeveral == 0 {
		b.places[at] = placeSeveral | place(len(b.parts)-1)
	}
	from := uint32(len(b.arena))
	b.arena = append(b.arena, entry...)
	b.parts = append(b.parts, part{b.Last, from, uint32(len(b.arena)), n, hash})
}

// before finds the number of a SKU by its record before, if that is in the bucket: the map would take
// several reads of far memory. A record of several SKUs tells by their hashes which it is, as long as
// no two of them are the same.
func (b *Builder) before(prev uint64, hash uint32) (sku uint32, ok bool) {
	at := prev - b.First
	if prev < b.First || at >= uint64(len(b.places)) || b.places[at] == placeNone {
		return 0, false
	}
	p := b.places[at]
	if p&placeSeveral == 0 {
		return uint32(p - 1), true
	}
	for _, part := range b.parts[p&^placeSeveral:] {
		if part.index != prev {
			break
		}
		if part.hash != hash {
			continue
		}
		if ok {
			return 0, false
		}
		sku, ok = part.sku, true
	}
	return sku, ok
}

// number finds the number of a SKU, or gives it one.
func (b *Builder) number(sku []byte) uint32 {
	n, ok := b.skus[string(sku)]
	if !ok {
		n = uint32(len(b.names))
		name := string(sku)
		b.names = append(b.names, name)
		b.skus[name] = n
	}
	return n
}

// Key files a key that leads to the record.
func (b *Builder) Key(hash uint64) {
	b.keys = binary.LittleEndian.AppendUint64(b.keys, hash)
	b.keys = binary.LittleEndian.AppendUint64(b.keys, b.Last)
}

// AddBucket writes a bucket. Building it again writes the same rows, so that a crash in between
// does no harm; it counts from the next Commit on. rest is called after each so many bytes.
func (d *DB) AddBucket(ctx context.Context, b *Builder, bytes int, rest func()) error {
	path := d.fs.PathJoin(d.dir, fmt.Sprintf("bucket-%08d.ingest", b.Number))
	if err := d.writeTable(path, b, bytes, rest); err != nil {
		return fmt.Errorf("write history bucket %d: %w", b.Number, err)
	}
	if err := d.pebble.Ingest(ctx, []string{path}); err != nil {
		return fmt.Errorf("ingest history bucket %d: %w", b.Number, err)
	}
	batch := d.pebble.NewBatch()
	defer batch.Close()
	for n, rest := uint32(0), b.keys; len(rest) > 0; n++ {
		cut := min(len(rest), keyRowBytes)
		if err := batch.Set(keysKey(b.Number, n), rest[:cut], nil); err != nil {
			return fmt.Errorf("write keys of bucket %d: %w", b.Number, err)
		}
		rest = rest[cut:]
	}
	if err := batch.Set(bucketKey(b.Number), appendBucket(nil, &b.Bucket), nil); err != nil {
		return fmt.Errorf("write bucket %d: %w", b.Number, err)
	}
	if err := d.pebble.Apply(batch, pebble.NoSync); err != nil {
		return fmt.Errorf("write bucket %d: %w", b.Number, err)
	}
	return nil
}

// group sorts the parts by SKU; those of one stay in the order in which they came.
func (b *Builder) group() {
	n := len(b.names)
	b.ends = slices.Grow(b.ends[:0], n+1)[:n+1]
	clear(b.ends)
	for i := range b.parts {
		b.ends[b.parts[i].sku+1]++
	}
	for i := range n {
		b.ends[i+1] += b.ends[i]
	}
	// ends has where each SKU begins now, and each part moves it on.
	b.sorted = slices.Grow(b.sorted[:0], len(b.parts))[:len(b.parts)]
	for _, p := range b.parts {
		b.sorted[b.ends[p.sku]] = p
		b.ends[p.sku]++
	}
}

// partsOf returns the parts of a SKU, once they are grouped.
func (b *Builder) partsOf(sku uint32) []part {
	from := uint32(0)
	if sku > 0 {
		from = b.ends[sku-1]
	}
	return b.sorted[from:b.ends[sku]]
}

func (d *DB) writeTable(path string, b *Builder, bytes int, rest func()) error {
	f, err := d.fs.Create(path, vfsCategory)
	if err != nil {
		return err
	}
	o := d.opts.MakeWriterOptions(6, d.pebble.TableFormat())
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(f), o)
	// Sorted as keys are: the zero byte after a SKU sorts before whatever a longer one goes on with.
	b.group()
	slices.Sort(b.names)
	var row, key []byte
	rested := uint64(0)
	for _, sku := range b.names {
		parts := b.partsOf(b.skus[sku])
		for len(parts) > 0 {
			first := parts[0].index
			row = row[:0]
			last := first
			for len(parts) > 0 && (len(row) == 0 || len(row) < pieceBytes) {
				p := parts[0]
				row = binary.AppendUvarint(row, p.index-last)
				row = binary.AppendUvarint(row, uint64(p.to-p.from))
				row = append(row, b.arena[p.from:p.to]...)
				last = p.index
				parts = parts[1:]
			}
			b.Table += uint64(len(row))
			key = appendHistoryKey(key[:0], b.Number, sku, first)
			if err := w.Set(key, row); err != nil {
				return errors.Join(err, w.Close())
			}
			if b.Table-rested >= uint64(bytes) {
				rested = b.Table
				rest()
			}
		}
	}
	return w.Close()
}

// Buckets lists the buckets, oldest first.
func (d *DB) Buckets() ([]Bucket, error) {
	var all []Bucket
	err := d.scan([]byte{keyBucket}, []byte{keyBucket + 1}, func(key, value []byte) (bool, error) {
		b, err := decodeBucket(value)
		if err != nil || len(key) != 5 {
			return false, fmt.Errorf("row of a history bucket: %w", err)
		}
		b.Number = binary.BigEndian.Uint32(key[1:])
		all = append(all, b)
		return true, nil
	})
	return all, err
}

// Keys calls yield with the keys of a bucket.
func (d *DB) Keys(bucket uint32, yield func(Key)) error {
	prefix := binary.BigEndian.AppendUint32([]byte{keyKeys}, bucket)
	return d.scan(prefix, after(prefix), func(_, v []byte) (bool, error) {
		for ; len(v) >= 16; v = v[16:] {
			yield(Key{binary.LittleEndian.Uint64(v), binary.LittleEndian.Uint64(v[8:])})
		}
		return true, nil
	})
}

// DropBucket forgets a bucket.
func (d *DB) DropBucket(number uint32) error {
	b := d.pebble.NewBatch()
	defer b.Close()
	for _, k := range [...]byte{keyHistory, keyKeys} {
		prefix := binary.BigEndian.AppendUint32([]byte{k}, number)
		if err := b.DeleteRange(prefix, after(prefix), nil); err != nil {
			return fmt.Errorf("drop history bucket %d: %w", number, err)
		}
	}
	err := b.Delete(bucketKey(number), nil)
	if err == nil {
		err = d.pebble.Apply(b, pebble.NoSync)
	}
	if err != nil {
		return fmt.Errorf("drop history bucket %d: %w", number, err)
	}
	return nil
}

// Entries calls yield with an item's entries in a bucket, from an index downwards, until it
// returns false.
func (d *DB) Entries(bucket uint32, sku string, from uint64, yield func(index uint64, entry []byte) (bool, error)) (err error) {
	prefix := historyPrefix(bucket, sku)
	it, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return reading("read history", err)
	}
	defer func() {
		if e := it.Close(); e != nil && err == nil {
			err = reading("read history", e)
		}
	}()
	for ok := it.SeekLT(historyKey(bucket, sku, from+1)); ok; ok = it.Prev() {
		v, err := it.ValueAndErr()
		if err != nil {
			return reading("read history", err)
		}
		first := binary.BigEndian.Uint64(it.Key()[len(prefix):])
		more, err := descend(first, v, from, yield)
		if err != nil || !more {
			return err
		}
	}
	return reading("read history", it.Error())
}

// descend yields the entries of one row, the newest first.
func descend(index uint64, row []byte, from uint64, yield func(uint64, []byte) (bool, error)) (bool, error) {
	type one struct {
		index uint64
		entry []byte
	}
	var all []one
	r := reader{b: row}
	for len(r.b) > 0 {
		index += r.uvarint()
		entry := r.bytes()
		if r.bad {
			return false, fmt.Errorf("row of history at record %d is cut short", index)
		}
		if index <= from {
			all = append(all, one{index, entry})
		}
	}
	for _, e := range slices.Backward(all) {
		if more, err := yield(e.index, e.entry); err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// HistoryRows calls yield with every entry of a bucket, in order of item and index.
func (d *DB) HistoryRows(bucket uint32, yield func(sku string, index uint64, entry []byte) error) error {
	prefix := binary.BigEndian.AppendUint32([]byte{keyHistory}, bucket)
	return d.scan(prefix, after(prefix), func(key, v []byte) (bool, error) {
		rest := key[len(prefix):]
		end := bytes.IndexByte(rest, 0)
		if end < 0 || len(rest) != end+9 {
			return false, fmt.Errorf("key of history %q", key)
		}
		index := binary.BigEndian.Uint64(rest[end+1:])
		r := reader{b: v}
		for len(r.b) > 0 {
			index += r.uvarint()
			entry := r.bytes()
			if r.bad {
				return false, fmt.Errorf("history of item %q at record %d is cut short", rest[:end], index)
			}
			if err := yield(string(rest[:end]), index, entry); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

func historyPrefix(bucket uint32, sku string) []byte { return appendHistoryPrefix(nil, bucket, sku) }

func historyKey(bucket uint32, sku string, index uint64) []byte {
	return appendHistoryKey(nil, bucket, sku, index)
}

func appendHistoryPrefix(dst []byte, bucket uint32, sku string) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, keyHistory), bucket)
	return append(append(dst, sku...), 0)
}

func appendHistoryKey(dst []byte, bucket uint32, sku string, index uint64) []byte {
	return binary.BigEndian.AppendUint64(appendHistoryPrefix(dst, bucket, sku), index)
}

func bucketKey(number uint32) []byte { return binary.BigEndian.AppendUint32([]byte{keyBucket}, number) }

func keysKey(bucket, n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32([]byte{keyKeys}, bucket), n)
}

const bucketVersion = 1

func appendBucket(dst []byte, b *Bucket) []byte {
	dst = append(dst, bucketVersion)
	for _, n := range [...]uint64{b.First, b.Last, uint64(b.FirstTime), uint64(b.LastTime), b.Records, b.Bytes, b.Table} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func decodeBucket(row []byte) (b Bucket, err error) {
	if len(row) == 0 || row[0] != bucketVersion {
		return b, unknownVersion("bucket", row)
	}
	r := reader{b: row[1:]}
	b.First, b.Last = r.uvarint(), r.uvarint()
	b.FirstTime, b.LastTime = int64(r.uvarint()), int64(r.uvarint())
	b.Records, b.Bytes, b.Table = r.uvarint(), r.uvarint(), r.uvarint()
	if r.bad {
		return b, fmt.Errorf("cut short")
	}
	return b, nil
}
