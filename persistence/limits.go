package persistence

import "time"

// The limits of the store.
const (
	// PartitionsDefault is the number of partitions of a new data directory. It cannot be changed
	// later.
	PartitionsDefault = 64
	// PendingBytesSoft is how many bytes may wait for the disk before new changes are refused.
	// What was admitted before still fits below the log's own, hard limit.
	PendingBytesSoft = 64 << 20
	// pendingBytesHard is the log's own limit, which admission keeps out of reach.
	pendingBytesHard = 4 << 30
	// DiskReserveDefault is how much of the disk, in bytes, is left free: below it new changes are
	// refused, while reads and expiry go on.
	DiskReserveDefault = 512 << 20
	// LogBytesMaxDefault is how large the log may grow, in bytes, because something that reads it
	// lags; above it new changes are refused.
	LogBytesMaxDefault = 8 << 30
	// overdueShare is which part of that makes the next snapshot overdue, when it is kept until then.
	overdueShare = 8
	// LogKeepDefault is how much of the log, in bytes, is kept although nothing needs it, so that
	// event streams can resume.
	LogKeepDefault = 256 << 20
	// KeyWindowMin is how long idempotency keys are remembered at the least; KeyWindowMax is how
	// long while there is room.
	KeyWindowMin = 10 * time.Minute
	KeyWindowMax = 24 * time.Hour
	// KeyBytesDefault bounds the memory of the table of keys, in bytes.
	KeyBytesDefault = 1 << 30
	// HistoryAgeDefault and HistoryBytesDefault bound the history that is kept.
	HistoryAgeDefault   = 365 * 24 * time.Hour
	HistoryBytesDefault = 64 << 30
	// upkeepEvery is how often the disk is looked at and the log is cut.
	upkeepEvery = 500 * time.Millisecond
	// converterPause is how long the converter rests after converterPiece records, and after tableBytes
	// of a table, so that turns find a processor meanwhile. It does not rest while converterHurry sealed
	// segments wait.
	converterPiece = 500
	tableBytes     = 128 << 10
	converterPause = 500 * time.Microsecond
	converterHurry = 3
	// converterKept is after how many looks that found nothing to convert, one every upkeepEvery, the
	// converter gives its memory back.
	converterKept = 4
	// readerGrace is how long after the start the log is kept for a reader of the last run that has
	// not come back.
	readerGrace = 10 * time.Minute
	// pagesRemembered bounds the places of history pages that are remembered, for the next page.
	pagesRemembered = 10_000
	// recallShards is how many locks the table of keys has: one for each value of a byte.
	recallShards = 256
	// cacheLine is how many bytes processors exchange.
	cacheLine = 64
	// warmTogether is for how many keys it is found out where they are before it is read there.
	warmTogether = 32
	// catalogPageSKUs is how many names a page of the catalog has.
	catalogPageSKUs = 64
	// slotsAtFirst is how many slots a shard of the table of keys begins with.
	slotsAtFirst = 16
	// keysGathered is how many keys recovery gathers before it files them, of 16 bytes each.
	keysGathered = 1 << 20
	// replayRecords and replayBytes bound a piece of the log that recovery goes through at once: what
	// its records need is read ahead, and has to fit into the processor's cache.
	replayRecords = 256
	replayBytes   = 64 << 10
	// replayBytesKept is how many bytes a record has at most of which the decoded form's memory is kept.
	replayBytesKept = 1 << 10
	// replayPieces is how many pieces may be on their way from the log to the items.
	replayPieces = 4
	// recoveredHolds is how many holds recovery copies at a time, and recoveryCheckers how many goroutines
	// check and copy its items.
	recoveredHolds   = 1 << 16
	recoveryCheckers = 2
	// backupTimeMax is how long a backup may take, and one in backupLogShare of what the log may have
	// how large the log may be meanwhile; then it gives up. copyBytes is how much of a file, in bytes,
	// is copied between two syncs.
	backupTimeMax  = 6 * time.Hour
	backupLogShare = 2
	copyBytes      = 4 << 20
	// scanFrom is how many items recovery loads one by one before it thinks of scanning all; it does
	// when those are one in scanFraction. It keeps at most scanBytesMax bytes of them, in pieces of
	// scanRoom.
	scanFrom     = 4096
	scanFraction = 16
	scanBytesMax = 512 << 20
	scanRoom     = 1 << 20
)
