package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/skua-stock/skua/engine"
)

// scannedBytes is about how many bytes an item has at the least where Pebble keeps it.
const scannedBytes = 24

// Estimate guesses how many items there are; there may be fewer.
func (d *DB) Estimate() (int, error) {
	size, err := d.pebble.EstimateDiskUsage([]byte{keyItem}, []byte{keyItem + 1})
	if err != nil {
		return 0, reading("estimate the items", err)
	}
	return int(size / scannedBytes), nil
}

// Scan calls yield with the rows of each item, in order, until it returns false. They are what
// Restore makes the item of, and valid during the call. Loading most items so takes a fraction of
// the time of loading them one by one.
func (d *DB) Scan(yield func(sku, rows []byte) bool) (err error) {
	if err := d.settle(); err != nil {
		return reading("scan items", err)
	}
	holds, err := d.pebble.NewIter(&pebble.IterOptions{LowerBound: []byte{keyHolds}, UpperBound: []byte{keyHolds + 1}})
	if err != nil {
		return reading("scan items", err)
	}
	defer func() { err = errors.Join(err, holds.Close()) }()
	holds.First()
	var rows, key []byte
	return d.scan([]byte{keyItem}, []byte{keyItem + 1}, func(itemKey, row []byte) (bool, error) {
		sku := itemKey[1:]
		chunks, err := chunksOf(row)
		if err != nil {
			return false, fmt.Errorf("scan item %q: %w", sku, err)
		}
		rows = append(binary.AppendUvarint(rows[:0], uint64(len(row))), row...)
		for _, c := range chunks {
			key = appendHoldsKey(key[:0], string(sku), c.number)
			for holds.Valid() && bytes.Compare(holds.Key(), key) < 0 {
				holds.Next()
			}
			var b []byte // Empty for a chunk that is missing, which is found by Restore.
			if holds.Valid() && bytes.Equal(holds.Key(), key) {
				if b, err = holds.ValueAndErr(); err != nil {
					return false, fmt.Errorf("scan holds of item %q: %w", sku, err)
				}
			}
			rows = append(binary.AppendUvarint(rows, uint64(len(b))), b...)
		}
		return yield(sku, rows), nil
	})
}

// Restore is Load from the rows that Scan gave.
func (d *DB) Restore(sku string, rows []byte) (s *engine.Stock, last uint64, n *Note, err error) {
	r := reader{b: rows}
	row := r.bytes()
	return restore(sku, row, func(chunk) ([]byte, error) { return r.bytes(), nil })
}
