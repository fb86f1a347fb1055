package wal

// Pending is how many bytes are appended and not yet on disk.
func (l *Log) Pending() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsynced
}

// Behind reports whether more than PendingBytesSoft are. A caller that refuses work early, before it
// would be refused by PendingBytesMax, asks here before each change: what that reads is not written with
// each record, so it does not go from core to core.
func (l *Log) Behind() bool { return l.behind.Load() }

// count counts bytes that are appended, or that are on disk. mu is held.
func (l *Log) count(bytes int64) {
	l.unsynced += bytes
	if behind := l.unsynced > l.o.PendingBytesSoft; behind != l.behind.Load() {
		l.behind.Store(behind)
	}
}
