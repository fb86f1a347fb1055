// Package crashdisk is the disk in memory of tests that take the power away: Pebble's, which knows
// what was synced, but for one fault of it.
package crashdisk

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Disk is a file system in memory. CrashClone may be called while others use it.
type Disk struct {
	*vfs.MemFS
	// linking keeps CrashClone out of the middle of a Link, which takes MemFS's lock for readers
	// twice: it would wait for ever for a clone that came in between and waits for it.
	linking sync.Mutex
}

// New makes an empty disk.
func New() *Disk { return &Disk{MemFS: vfs.NewCrashableMem()} }

// Link implements [vfs.FS].
func (d *Disk) Link(from, to string) error {
	d.linking.Lock()
	defer d.linking.Unlock()
	return d.MemFS.Link(from, to)
}

// CrashClone is a disk with what is left of this one when the power goes now.
func (d *Disk) CrashClone(cfg vfs.CrashCloneCfg) *Disk {
	d.linking.Lock()
	defer d.linking.Unlock()
	return &Disk{MemFS: d.MemFS.CrashClone(cfg)}
}
