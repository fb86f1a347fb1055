package sim

import (
	"errors"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// disk is a file system in memory that knows what of it is on the platter. Operations on the log take
// time, each at a moment of its own, and can fail; those of the snapshots take none, since Pebble's
// goroutines are not paced.
type disk struct {
	mu    sync.Mutex
	root  *inode
	locks map[string]bool

	// touch is called before an operation takes effect, without the lock; an error is what the
	// operation answers. It is where time passes, faults happen and the power goes. nil for none.
	touch func(op diskOp) error
	// done is called when an operation on the log took effect, for the trace.
	done func(op diskOp, bytes []byte)
	// room is how many bytes are left; for statfs only.
	room uint64
}

// diskOp is one operation, as faults see it.
type diskOp struct {
	kind opKind
	path string
	at   int64
	n    int
}

type opKind uint8

const (
	opOpen opKind = iota
	opRead
	opWrite // this and what follows change the disk
	opSync
	opName // rename and remove
)

var opNames = [...]string{opOpen: "open", opRead: "read", opWrite: "write", opSync: "sync", opName: "name"}

// ofLog reports whether the operation is one of the log's.
func (o *diskOp) ofLog() bool { return strings.Contains(o.path, "/log") }

// inode is a file or a directory: what programs see, and what a power failure leaves.
type inode struct {
	kids, safeKids map[string]*inode // of a directory
	data, safe     []byte
	dirty          []extent   // written since the last sync
	order          [][]string // of a directory: the names that were changed since the last sync, in order
}

type extent struct{ from, to int }

func newDir() *inode { return &inode{kids: map[string]*inode{}, safeKids: map[string]*inode{}} }

func newDisk() *disk { return &disk{root: newDir(), locks: map[string]bool{}, room: 1 << 40} }

func (d *disk) before(kind opKind, path string, at int64, n int) (diskOp, error) {
	op := diskOp{kind, path, at, n}
	if d.touch == nil {
		return op, nil
	}
	return op, d.touch(op)
}

func (d *disk) after(op diskOp, b []byte) {
	if d.done != nil {
		d.done(op, b)
	}
}

// find walks to a file; mu is held.
func (d *disk) find(name string) *inode {
	n := d.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		if part == "." || part == "" {
			continue
		}
		if n.kids == nil || n.kids[part] == nil {
			return nil
		}
		n = n.kids[part]
	}
	return n
}

func notThere(op, name string) error { return &os.PathError{Op: op, Path: name, Err: os.ErrNotExist} }

// Create implements vfs.FS.
func (d *disk) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	op, err := d.before(opOpen, name, 0, 0)
	if err != nil {
		return nil, err
	}
	defer d.after(op, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := d.find(path.Dir(name))
	if dir == nil {
		return nil, notThere("create", name)
	}
	n := &inode{}
	dir.enter(n, path.Base(name))
	return &handle{d: d, n: n, path: name}, nil
}

// enter gives a file a name in a directory.
func (n *inode) enter(kid *inode, name string) {
	n.kids[name] = kid
	n.order = append(n.order, []string{name})
}

// Link implements vfs.FS.
func (d *disk) Link(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, dir := d.find(from), d.find(path.Dir(to))
	if n == nil || dir == nil {
		return notThere("link", from)
	}
	dir.enter(n, path.Base(to))
	return nil
}

func (d *disk) open(name string, create bool) (vfs.File, error) {
	op, err := d.before(opOpen, name, 0, 0)
	if err != nil {
		return nil, err
	}
	defer d.after(op, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil {
		dir := d.find(path.Dir(name))
		if !create || dir == nil {
			return nil, notThere("open", name)
		}
		n = &inode{}
		dir.enter(n, path.Base(name))
	}
	return &handle{d: d, n: n, path: name}, nil
}

// Open implements vfs.FS.
func (d *disk) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) { return d.open(name, false) }

// OpenReadWrite implements vfs.FS.
func (d *disk) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return d.open(name, true)
}

// OpenDir implements vfs.FS.
func (d *disk) OpenDir(name string) (vfs.File, error) { return d.open(name, false) }

// Remove implements vfs.FS.
func (d *disk) Remove(name string) error {
	op, err := d.before(opName, name, 0, 0)
	if err != nil {
		return err
	}
	defer d.after(op, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil {
		return notThere("remove", name)
	}
	if len(n.kids) > 0 {
		return &os.PathError{Op: "remove", Path: name, Err: errors.New("the directory is not empty")}
	}
	dir := d.find(path.Dir(name))
	delete(dir.kids, path.Base(name))
	dir.order = append(dir.order, []string{path.Base(name)})
	return nil
}

// RemoveAll implements vfs.FS.
func (d *disk) RemoveAll(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if dir := d.find(path.Dir(name)); dir != nil {
		delete(dir.kids, path.Base(name))
	}
	return nil
}

// Rename implements vfs.FS.
func (d *disk) Rename(from, to string) error {
	op, err := d.before(opName, from, 0, 0)
	if err != nil {
		return err
	}
	defer d.after(op, nil)
	d.mu.Lock()
	defer d.mu.Unlock()
	n, dir := d.find(from), d.find(path.Dir(to))
	if n == nil || dir == nil {
		return notThere("rename", from)
	}
	delete(d.find(path.Dir(from)).kids, path.Base(from))
	dir.kids[path.Base(to)] = n
	dir.order = append(dir.order, []string{path.Base(from), path.Base(to)}) // They are in one directory.
	return nil
}

// ReuseForWrite implements vfs.FS.
func (d *disk) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.Rename(from, to); err != nil {
		return nil, err
	}
	return d.open(to, false)
}

// MkdirAll implements vfs.FS.
func (d *disk) MkdirAll(name string, _ os.FileMode) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.root
	for part := range strings.SplitSeq(strings.Trim(path.Clean(name), "/"), "/") {
		if n.kids[part] == nil {
			n.kids[part] = newDir()
		}
		n = n.kids[part]
	}
	return nil
}

type unlock func()

func (u unlock) Close() error { u(); return nil }

// Lock implements vfs.FS.
func (d *disk) Lock(name string) (io.Closer, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[name] {
		return nil, errors.New("sim: the file is locked")
	}
	if d.find(path.Dir(name)) == nil {
		return nil, notThere("lock", name)
	}
	d.locks[name] = true
	d.find(path.Dir(name)).kids[path.Base(name)] = &inode{}
	return unlock(func() { d.mu.Lock(); delete(d.locks, name); d.mu.Unlock() }), nil
}

// List implements vfs.FS.
func (d *disk) List(name string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil || n.kids == nil {
		return nil, notThere("list", name)
	}
	return slices.Sorted(maps.Keys(n.kids)), nil
}

// Stat implements vfs.FS.
func (d *disk) Stat(name string) (vfs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.find(name)
	if n == nil {
		return nil, notThere("stat", name)
	}
	return &info{path.Base(name), int64(len(n.data)), n.kids != nil}, nil
}

// PathBase implements vfs.FS.
func (*disk) PathBase(p string) string { return path.Base(p) }

// PathJoin implements vfs.FS.
func (*disk) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir implements vfs.FS.
func (*disk) PathDir(p string) string { return path.Dir(p) }

// GetDiskUsage implements vfs.FS.
func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return vfs.DiskUsage{AvailBytes: d.room, TotalBytes: 1 << 40, UsedBytes: 1<<40 - d.room}, nil
}

// Unwrap implements vfs.FS.
func (*disk) Unwrap() vfs.FS { return nil }

type info struct {
	name string
	size int64
	dir  bool
}

func (i *info) Name() string           { return i.name }
func (i *info) Size() int64            { return i.size }
func (i *info) IsDir() bool            { return i.dir }
func (i *info) ModTime() time.Time     { return time.Time{} }
func (i *info) Sys() any               { return nil }
func (i *info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
func (i *info) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o755
	}
	return 0o644
}
