// Package persistence keeps what must not be lost. The log is the truth, the snapshots are a
// shortcut through it, and memory is a cache of both.
//
// # A data directory
//
//	MANIFEST.json   what is fixed when the directory is made: partitions, and the key of ids
//	LOCK            held by the one process that uses it
//	log/            the write-ahead log, see package wal
//	state/          snapshots, deadlines and history in Pebble, see package snapshot
//
// # How it is used
//
// [Open] recovers: it applies to every item the records that its snapshot lacks, and writes the
// snapshots. Then [Store.Append] adds records, and tells when they are durable; [Store.Load] reads an
// item, [Store.Save] writes one once all its records are durable, and [Store.Commit] makes what was
// saved survive a crash and lets the log be cut.
//
// In the background sealed segments of the log are sorted by item into buckets of history, which
// [Store.Ledger] reads together with what is still only in the log. A table of keys
// finds the record that an idempotency key led to ([Store.Recall]); it is fed by Append and made
// again from log and history when the store opens.
//
// # When the disk fails
//
// A failed fsync or write is final: Options.OnFailure must end the process. When the disk is nearly
// full, or the log grows because something that reads it lags, [Store.Accepting] says so before
// anything is lost, and reads go on. A damaged log refuses to open and says where.
package persistence
