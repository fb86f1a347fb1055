//go:build !linux

package bench

import "time"

// pauseShort sleeps as exactly as the runtime does.
func pauseShort(d time.Duration) { time.Sleep(d) }
