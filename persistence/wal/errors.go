package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrOverloaded says that Options.PendingBytesMax bytes wait for the disk already. Nothing was
	// appended.
	ErrOverloaded = errors.New("wal: too many bytes wait for the disk")

	// ErrRecordTooLong says that a record exceeds RecordBytesMax. Nothing was appended.
	ErrRecordTooLong = errors.New("wal: record too long")

	// ErrCut says that the record was let go by CutBefore.
	ErrCut = errors.New("wal: record was cut off the log")

	// ErrNotDurable says that the record is not, or not yet, known to be on disk.
	ErrNotDurable = errors.New("wal: record is not durable")

	// ErrClosed says that the log, or the Tail, was closed.
	ErrClosed = errors.New("wal: closed")

	// ErrFailed is wrapped, with the cause, by everything that the log answers after its first
	// failed write or fsync.
	ErrFailed = errors.New("wal: log is dead after a failed write")
)

// CorruptionError says that bytes which were once acknowledged are not what was written. It names
// the place for the operator; nothing repairs it silently.
type CorruptionError struct {
	File   string // path of the segment file
	Offset int64  // where in the file the first bad byte range begins
	Index  uint64 // the record expected there
	Reason string
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("wal: %s is damaged at offset %d, record %d: %s",
		e.File, e.Offset, e.Index, e.Reason)
}
