// Package wal is the write-ahead log: records in, the promise that they are on disk out.
//
// It knows bytes, not stock. A record is appended with Append, which copies it, numbers it (dense,
// from Options.First) and returns at once. One committer goroutine takes whatever has gathered,
// writes it as checksummed frames with one write, calls fsync once and moves the durable
// watermark. Only then is the Waiter of each record told. This is group commit: the slower the
// disk, the larger the groups, so that throughput does not depend on the latency of an fsync.
//
// # Usage
//
//	log, err := wal.Open(dir, wal.Options{
//		Recover:   func(index uint64, record []byte) error { return apply(index, record) },
//		OnFailure: func(err error) { slog.Error("log", "err", err); os.Exit(1) },
//	})
//	index, err := log.Append(record, waiter) // waiter.Durable(nil) follows
//	log.Await(index, another)                // for replies that only read what the record wrote
//
// Open replays every record in order and validates every byte on the way. A tail that a crash has
// torn is cut off; damage to anything that was ever acknowledged is a *CorruptionError, and Open
// refuses. Tail follows the durable records in order, Read fetches one of them, and CutBefore lets
// go whole segments that nobody needs any more.
//
// # The duties of the caller
//
//  1. One Log per directory. The log takes no lock on the directory; whoever owns the data
//     directory does.
//  2. After the first error of a write or an fsync the log is dead: OnFailure is called once, every
//     waiter and every later call gets the error. The process has to exit; opening again is the
//     only way on. An fsync is never tried twice, because the kernel may have dropped the pages
//     that it could not write and would say yes the second time.
//  3. Waiter.Durable runs on the one releasing goroutine. It must be quick and must not call Roll
//     or Close. It may call Append and Await.
//
// The bytes on disk are described in docs/reference/log-format.md.
package wal
