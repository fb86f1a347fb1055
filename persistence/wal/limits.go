package wal

import "time"

// Every limit of the log, in one place. Those that are part of the format (a reader refuses what
// exceeds them) say so.
const (
	// RecordBytesMax is the longest record in bytes. Part of the format.
	RecordBytesMax = 8 << 20

	// FrameBytesMax is the longest frame in bytes, its header included, unless one record alone
	// needs more. It bounds what Read has to fetch and check for one record.
	FrameBytesMax = 64 << 10

	// GroupBytesMax is the size in bytes at which a group takes no further record. A group is
	// longer by at most one record. It bounds one write, and so the time until the next fsync.
	GroupBytesMax = 4 << 20

	// SegmentBytesDefault is the size in bytes of a segment file unless Options says otherwise.
	// A segment is longer only when one group alone is.
	SegmentBytesDefault = 64 << 20

	// SegmentBytesMin is the smallest segment in bytes: a header page and a page of frames.
	SegmentBytesMin = 2 * headerBytes

	// PendingBytesMaxDefault bounds the bytes that are appended and not yet synced, unless
	// Options says otherwise. Above it Append answers ErrOverloaded.
	PendingBytesMaxDefault = 256 << 20

	// SealAfter is how long the log must be idle before it writes a seal frame, which vouches for
	// the last group.
	SealAfter = 5 * time.Millisecond

	// ReleaseGroupsMax is how many synced groups may wait for the releasing goroutine before the
	// committer waits for it.
	ReleaseGroupsMax = 4

	// FreeGroupsMax is how many used group buffers are kept for the next groups.
	FreeGroupsMax = ReleaseGroupsMax + 4

	// gatherFor is how much longer a group grows when very many wait.
	gatherFor = 500 * time.Microsecond

	// warmedTogether is for how many waiters memory is read ahead before they are told.
	warmedTogether = 32

	// SparesMax is how many recycled segment files are kept ready; what CutBefore lets go beyond
	// them is deleted.
	SparesMax = 4

	// IndexEveryBytes is the distance in bytes between two entries of a segment's sparse index.
	IndexEveryBytes = 32 << 10

	// ReadAheadBytes is how many bytes a Tail, and recovery, fetch with one read.
	ReadAheadBytes = 256 << 10

	// ZeroFillBytes is how many bytes of a new segment are zeroed with one write and one sync. It
	// bounds how much of it the page cache holds while commits need the disk.
	ZeroFillBytes = 4 << 20
)

// headerBytes is the size in bytes of the page before the first frame. Part of the format. The
// header has a page of its own so that it is never written again while frames are.
const headerBytes = 4096
