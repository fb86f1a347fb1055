package sim

import (
	"io"
	"maps"
	"path"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// handle is an open file.
type handle struct {
	d    *disk
	n    *inode
	path string // by which it was opened
	pos  int64
}

// Close implements vfs.File.
func (h *handle) Close() error { return nil }

// Read implements vfs.File.
func (h *handle) Read(p []byte) (int, error) {
	n, err := h.ReadAt(p, h.pos)
	h.pos += int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (h *handle) ReadAt(p []byte, at int64) (int, error) {
	if _, err := h.d.before(opRead, h.path, at, len(p)); err != nil {
		return 0, err
	}
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if at >= int64(len(h.n.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.n.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements vfs.File.
func (h *handle) Write(p []byte) (int, error) {
	n, err := h.WriteAt(p, h.pos)
	h.pos += int64(n)
	return n, err
}

// WriteAt implements vfs.File. A write that fails may have done a part of its work.
func (h *handle) WriteAt(p []byte, at int64) (int, error) {
	op, err := h.d.before(opWrite, h.path, at, len(p))
	if err != nil {
		h.put(p[:len(p)/2], at)
		return 0, err
	}
	h.put(p, at)
	h.d.after(op, p)
	return len(p), nil
}

func (h *handle) put(p []byte, at int64) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	end := int(at) + len(p)
	if grow := end - len(h.n.data); grow > 0 {
		h.n.data = append(h.n.data, make([]byte, grow)...)
	}
	copy(h.n.data[at:], p)
	h.n.dirty = append(h.n.dirty, extent{int(at), end})
}

// Sync implements vfs.File. After one that failed, what was dirty counts as clean, as it does in
// Linux: the next sync says yes, and the bytes never get to the disk.
func (h *handle) Sync() error {
	op, err := h.d.before(opSync, h.path, 0, 0)
	h.d.mu.Lock()
	if err != nil {
		h.n.dirty = nil
	} else {
		h.n.sync()
	}
	h.d.mu.Unlock()
	if err == nil {
		h.d.after(op, nil)
	}
	return err
}

func (n *inode) sync() {
	if n.kids != nil {
		n.safeKids, n.order = maps.Clone(n.kids), nil
		return
	}
	if grow := len(n.data) - len(n.safe); grow > 0 {
		n.safe = append(n.safe, make([]byte, grow)...)
	}
	for _, e := range n.dirty {
		copy(n.safe[e.from:e.to], n.data[e.from:e.to])
	}
	n.dirty = n.dirty[:0]
}

// SyncData implements vfs.File.
func (h *handle) SyncData() error { return h.Sync() }

// SyncTo implements vfs.File. It promises nothing, and keeps that.
func (h *handle) SyncTo(int64) (bool, error) { return false, nil }

// Stat implements vfs.File.
func (h *handle) Stat() (vfs.FileInfo, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return &info{path.Base(h.path), int64(len(h.n.data)), h.n.kids != nil}, nil
}

// Preallocate implements vfs.File.
func (h *handle) Preallocate(int64, int64) error { return nil }

// Prefetch implements vfs.File.
func (h *handle) Prefetch(int64, int64) error { return nil }

// Fd implements vfs.File.
func (h *handle) Fd() uintptr { return vfs.InvalidFd }
