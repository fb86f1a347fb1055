// Package snapshot keeps in Pebble what the log led to: the state of each item at one record, the
// deadlines of items that may not be in memory, and the history index.
//
// Everything here can be made again from the log as long as the log is kept, so Pebble's own log
// is off: [DB.Commit] flushes, and only then may the log be cut. A crash before that leaves an
// older state, and the log the records after it; an item says which its last record is, so
// applying one again is noticed.
//
// # Keys
//
//	'i' sku                      the item: settings, levels, and where its holds are
//	'h' sku 0x00 number          a chunk of holds, by growing number; later ones overrule
//	'x' deadline sku             the item has a hold that falls due then
//	'H' bucket sku 0x00 index    records of an item in a bucket of history, from an index on
//	'B' bucket                   what the bucket covers
//	'K' bucket number            the keys of the bucket's records, to find retries
//	'm' name                     what is known of the whole
//
// Numbers are big endian. A SKU has no control characters, so the zero byte ends it.
package snapshot
