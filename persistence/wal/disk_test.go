package wal

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// slowSync is a file system whose SyncData waits at a gate while on.
type slowSync struct {
	vfs.FS
	on   atomic.Bool
	gate chan struct{}
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
	if f.fs.on.Load() {
		<-f.fs.gate
	}
	return f.File.SyncData()
}
