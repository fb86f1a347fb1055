package gateway

import (
	"sync/atomic"
	"time"
)

// Lines bounds the lines a second that the log has of what clients can bring about as often as they
// like. One has a bound of its own. The zero value is ready.
type Lines struct {
	// second is the second that lines are counted in; suppressed are those that were not written
	// since the last that was.
	second, lines, suppressed atomic.Int64
}

// Take reports whether one more line may be written, and then how many were not since the last one.
func (l *Lines) Take() (suppressed int64, ok bool) {
	second := time.Now().Unix()
	if was := l.second.Load(); was != second && l.second.CompareAndSwap(was, second) {
		l.lines.Store(0)
	}
	if l.lines.Add(1) > ClientLinesMax {
		l.suppressed.Add(1)
		return 0, false
	}
	return l.suppressed.Swap(0), true
}
