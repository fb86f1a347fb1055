package snapshot

// The limits of the snapshots.
const (
	// chunkBytesMax is the size in bytes at which a chunk of holds is full: the next hold is in another,
	// and it is not merged any more.
	chunkBytesMax = 1 << 20
	// holdBytes is about how many bytes a hold has in a chunk.
	holdBytes = 64
	// chunksMax is how many chunks of holds an item has before some are merged.
	chunksMax = 8
	// gatherBytes is how many bytes of rows are gathered before they are written together. Whoever
	// reads an item meanwhile waits for it, a millisecond or so.
	gatherBytes = 512 << 10
	// scratchHolds is for how many holds the memory of a merge is kept.
	scratchHolds = 4096
	// pieceBytes is the size in bytes at which the records of an item in a bucket start a new row.
	pieceBytes = 32 << 10
	// keyRowBytes is the size in bytes of a row of keys.
	keyRowBytes = 256 << 10
	// CacheBytesDefault is Pebble's cache, unless Options says otherwise.
	CacheBytesDefault = 256 << 20
	// memTableBytes is Pebble's memtable; larger ones are slower, for the CPU's caches miss.
	memTableBytes = 64 << 20
)
