package wal

import (
	"context"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Waiter is told once: that the record it was given with, and all before it, is on disk, or, with
// an error, that this will never be known. See the package comment for what Durable may do.
type Waiter interface{ Durable(err error) }

// Group says what one group commit was, for metrics.
type Group struct {
	Records int           // records made durable
	Bytes   int           // bytes written, headers included
	Write   time.Duration // time in write
	Sync    time.Duration // time in fsync
}

// Segment describes one segment file.
type Segment struct {
	First  uint64 // index of its first record
	Last   uint64 // index of its last durable record; First-1 if it has none
	Bytes  int64  // bytes in use, without the zero-filled rest of the file
	Sealed bool   // nothing is written to it any more
}

// Options configures a log. The zero value is usable.
type Options struct {
	FS              vfs.FS
	SegmentBytes    int64
	PendingBytesMax int64
	Recover         func(index uint64, record []byte) error
	First           uint64
	OnFailure       func(error)
	OnGroup         func(Group)
	Logger          *slog.Logger
	ReadOnly        bool
}

// Log is an open log.
type Log struct{}

// Tail reads durable records in order.
type Tail struct{}

func Open(dir string, o Options) (*Log, error)                   { panic("not yet") }
func (l *Log) Append(record []byte, w Waiter) (uint64, error)    { panic("not yet") }
func (l *Log) Await(index uint64, w Waiter)                      { panic("not yet") }
func (l *Log) Durable() uint64                                   { panic("not yet") }
func (l *Log) Last() uint64                                      { panic("not yet") }
func (l *Log) First() uint64                                     { panic("not yet") }
func (l *Log) Read(index uint64) ([]byte, error)                 { panic("not yet") }
func (l *Log) Tail(from uint64) *Tail                            { panic("not yet") }
func (t *Tail) Next(ctx context.Context) (uint64, []byte, error) { panic("not yet") }
func (t *Tail) TryNext() (uint64, []byte, bool, error)           { panic("not yet") }
func (t *Tail) Close() error                                     { panic("not yet") }
func (l *Log) Segments() []Segment                               { panic("not yet") }
func (l *Log) CutBefore(index uint64) error                      { panic("not yet") }
func (l *Log) Roll() error                                       { panic("not yet") }
func (l *Log) Close() error                                      { panic("not yet") }
