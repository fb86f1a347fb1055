package wal

// Pending is how many bytes are appended and not yet on disk. A caller that refuses work early,
// before it would be refused by PendingBytesMax, asks here.
func (l *Log) Pending() int64 {
	if l.last.Load() == l.durable.Load() {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unsynced
}
