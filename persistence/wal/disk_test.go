package wal

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// slowSync is a file system whose SyncData waits at a gate while on.
type slowSync struct {
	vfs.FS
	on     atomic.Bool
	shared *atomic.Bool // instead of on, if not nil
	gate   chan struct{}
}

func (fs *slowSync) OpenReadWrite(
	name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption,
) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, o...)
	return slowFile{f, fs}, err
}

type slowFile struct {
	vfs.File
	fs *slowSync
}

func (f slowFile) SyncData() error {
	on := &f.fs.on
	if f.fs.shared != nil {
		on = f.fs.shared
	}
	if on.Load() {
		<-f.fs.gate
	}
	return f.File.SyncData()
}

// forgetfulFS is a page cache over a disk, and a kernel that, as kernels do, marks as clean what an
// fsync could not write. Names go to both at once; bytes go to the disk when they are synced.
type forgetfulFS struct {
	*vfs.MemFS // the cache
	disk       *vfs.MemFS
	failing    atomic.Bool
}

func newForgetfulFS() *forgetfulFS {
	return &forgetfulFS{MemFS: vfs.NewMem(), disk: vfs.NewMem()}
}

func (fs *forgetfulFS) MkdirAll(dir string, perm os.FileMode) error {
	return errors.Join(fs.MemFS.MkdirAll(dir, perm), fs.disk.MkdirAll(dir, perm))
}

func (fs *forgetfulFS) Rename(from, to string) error {
	return errors.Join(fs.MemFS.Rename(from, to), fs.disk.Rename(from, to))
}

func (fs *forgetfulFS) Remove(name string) error {
	return errors.Join(fs.MemFS.Remove(name), fs.disk.Remove(name))
}

func (fs *forgetfulFS) OpenReadWrite(
	name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption,
) (vfs.File, error) {
	cache, err := fs.MemFS.OpenReadWrite(name, c, o...)
	if err != nil {
		return nil, err
	}
	disk, err := fs.disk.OpenReadWrite(name, c, o...)
	return &forgetfulFile{File: cache, disk: disk, fs: fs}, err
}

type forgetfulFile struct {
	vfs.File
	disk vfs.File
	fs   *forgetfulFS

	mu    sync.Mutex
	dirty []dirtyBytes
}

type dirtyBytes struct {
	at    int64
	bytes []byte
}

func (f *forgetfulFile) WriteAt(b []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dirty = append(f.dirty, dirtyBytes{at, append([]byte(nil), b...)})
	return f.File.WriteAt(b, at)
}

func (f *forgetfulFile) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dirty := f.dirty
	f.dirty = nil
	if f.fs.failing.Load() {
		return errors.New("input/output error")
	}
	for _, d := range dirty {
		if _, err := f.disk.WriteAt(d.bytes, d.at); err != nil {
			return err
		}
	}
	return nil
}

func (f *forgetfulFile) SyncData() error { return f.Sync() }

// locked lets one operation at a time decide whether it fails.
type locked struct {
	errorfs.Injector
	mu sync.Mutex
}

func (l *locked) MaybeError(op errorfs.Op) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Injector.MaybeError(op)
}
