package persistence

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Restore makes a data directory from a backup, verifying every byte, and returns what it was
// restored from. The directory must not be there, or be empty; it has its name only when it is
// whole and on disk.
//
// What it becomes goes its own way from then on: it numbers its records and movements as the
// original did, with other content. So it gets a name of its own, by which readers of events tell
// the two apart, and an epoch of its own.
func Restore(from, to string, fsys vfs.FS) (*Backup, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	b, err := ReadBackup(from, fsys)
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	switch names, err := fsys.List(to); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("restore to %s: %w", to, err)
	case len(names) > 0:
		return nil, fmt.Errorf("restore to %s: it is not empty: %w", to, fs.ErrExist)
	default:
		if err := fsys.Remove(to); err != nil {
			return nil, fmt.Errorf("restore to %s: %w", to, err)
		}
	}
	out, err := beginUnfinished(fsys, to)
	if err != nil {
		return nil, fmt.Errorf("restore to %s: %w", to, err)
	}
	err = restoreFiles(fsys, from, b, out)
	if err == nil {
		err = ownName(fsys, out.dir, b)
	}
	if err == nil {
		err = syncTree(fsys, out.dir)
	}
	if err == nil {
		err = out.finish()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("restore to %s: %w", to, err), out.abandon())
	}
	return b, nil
}

func restoreFiles(fsys vfs.FS, from string, b *Backup, out *unfinished) error {
	for _, f := range b.Files {
		if f.Path != path.Clean(f.Path) || path.IsAbs(f.Path) || strings.HasPrefix(f.Path, "..") {
			return fmt.Errorf("the backup has a file %q, which is out of place", f.Path)
		}
		if err := restoreFile(fsys, from, f, out); err != nil {
			return err
		}
	}
	return nil
}

func restoreFile(fsys vfs.FS, from string, f BackupFile, out *unfinished) error {
	source := fsys.PathJoin(append([]string{from}, strings.Split(f.Path, "/")...)...)
	in, err := fsys.Open(source, vfs.SequentialReadsOption)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the backup is damaged: %s is missing", source)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	if err := makeDir(fsys, out.path(path.Dir(f.Path))); err != nil {
		return err
	}
	n, checksum, err := copied(fsys, out.path(f.Path), in, func() error { return nil })
	switch {
	case err != nil:
		return fmt.Errorf("copy %s: %w", source, err)
	case n != f.Bytes:
		return fmt.Errorf("the backup is damaged: %s has %d bytes instead of %d", source, n, f.Bytes)
	case checksum != f.CRC32C:
		return fmt.Errorf("the backup is damaged: the checksum of %s does not match", source)
	}
	return nil
}

// ownName gives what is restored a name and an epoch of its own. The key of ids stays, so that
// reservations are found by the ids that were given out.
func ownName(fsys vfs.FS, dir string, b *Backup) error {
	m, err := loadManifest(fsys, dir, 0, nil)
	if err != nil {
		return err
	}
	var node [4]byte
	if _, err := io.ReadFull(rand.Reader, node[:]); err != nil {
		return err
	}
	m.RestoredFrom, m.Node = b.Node, hex.EncodeToString(node[:])
	m.Epoch = max(m.Epoch, b.Epoch) + 1
	return m.write(fsys, dir)
}

// path is where a file of the directory is, by its name with slashes.
func (u *unfinished) path(name string) string {
	return u.fs.PathJoin(append([]string{u.dir}, strings.Split(name, "/")...)...)
}
