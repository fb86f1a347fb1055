package bench

import (
	"syscall"
	"time"
)

// pauseShort sleeps for well under a millisecond. The runtime's own timers end a sleep of a process
// that has nothing else to do at the next millisecond (epoll's unit), which would be the latency
// that an open loop measures; the kernel's end within some 50 µs, at the price of a thread.
func pauseShort(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil) // Cut short by a signal, the loop looks at the clock and sleeps again.
}
