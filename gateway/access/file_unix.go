//go:build unix

package access

import (
	"os"
	"syscall"
)

// bitsCount: the mode of a file says who may write it.
const bitsCount = true

// lock waits until nobody else has a directory locked. Closing it lets the lock go.
func lock(dir *os.File) error { return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX) }

// syncDir makes sure that the names of a directory are on disk.
func syncDir(dir *os.File) error { return dir.Sync() }

// keepOwner gives a file the owner and the group of another: who runs as root must not take it away
// from the server.
func keepOwner(f *os.File, was os.FileInfo) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, ok := info.Sys().(*syscall.Stat_t)
	then, alike := was.Sys().(*syscall.Stat_t)
	if !ok || !alike || now.Uid == then.Uid && now.Gid == then.Gid {
		return nil
	}
	return f.Chown(int(then.Uid), int(then.Gid))
}
