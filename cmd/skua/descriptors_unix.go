//go:build unix

package main

import "syscall"

// descriptors is how many files and connections this process may have open.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > descriptorsMost {
		return descriptorsMost
	}
	return int(limit.Cur)
}
