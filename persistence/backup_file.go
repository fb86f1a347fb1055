package persistence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup says what a backup is. It is the last file that is written into one.
type Backup struct {
	// Format is raised with every change of backups that older programs must not restore.
	Format int `json:"format"`
	// Node is whose data it is, Epoch that of its records.
	Node  string `json:"node"`
	Epoch uint32 `json:"epoch"`
	// Began and Finished are when it was made. Whatever was acknowledged before it began is in it.
	Began    time.Time `json:"began"`
	Finished time.Time `json:"finished"`
	// Last is the last record of the log that is in it: it is the state as of that record, which was
	// made At. First is the first that its log has.
	First uint64    `json:"log_first"`
	Last  uint64    `json:"log_last"`
	At    time.Time `json:"at"`
	// Partitions are the numbers of the last records of each partition.
	Partitions []uint64 `json:"partitions"`
	// Files are all its files, except for the one that says this.
	Files []BackupFile `json:"files"`
}

// BackupFile is a file of a backup.
type BackupFile struct {
	Path   string `json:"path"` // with slashes
	Bytes  int64  `json:"bytes"`
	CRC32C uint32 `json:"crc32c"`
}

// Bytes is how large the backup is.
func (b *Backup) Bytes() (n int64) {
	for _, f := range b.Files {
		n += f.Bytes
	}
	return n
}

const (
	backupName   = "BACKUP.json"
	backupFormat = 1
	// unfinishedName marks a directory that is being written: a backup, or what is restored from one.
	unfinishedName = "UNFINISHED"
	unfinishedText = "This directory was being written, and is of no use as it is.\n"
	partialSuffix  = ".partial"
)

// ErrIsBackup means that a directory is a backup, which is restored and not opened: whoever wrote into it
// would spoil it, and do so under the name of the node that it is of.
var ErrIsBackup = errors.New("it is a backup, and has to be restored into another directory")

// refuseBackup notices that a directory is a backup.
func refuseBackup(fsys vfs.FS, dir string) error {
	_, err := fsys.Stat(fsys.PathJoin(dir, backupName))
	switch {
	case err == nil:
		return fmt.Errorf("%w (it has a %s)", ErrIsBackup, backupName)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return fmt.Errorf("look for %s: %w", backupName, err)
}

// ErrNoBackup is what a directory is that has no whole backup.
var ErrNoBackup = errors.New("no whole backup")

// castagnoli is the polynomial of the checksums of files.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealed is a backup's file: what it says, and the checksum of that without spaces between.
type sealed struct {
	CRC32C uint32          `json:"crc32c"`
	Backup json.RawMessage `json:"backup"`
}

func (b *Backup) encode() ([]byte, error) {
	inner, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	all, err := json.MarshalIndent(sealed{crc32.Checksum(inner, castagnoli), inner}, "", " ")
	return append(all, '\n'), err
}

// ReadBackup reads what a backup says of itself.
func ReadBackup(dir string, fsys vfs.FS) (*Backup, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	if strings.HasSuffix(dir, partialSuffix) {
		return nil, fmt.Errorf("%w in %s: it was never finished", ErrNoBackup, dir)
	}
	path := fsys.PathJoin(dir, backupName)
	text, err := readFile(fsys, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: there is no %s", ErrNoBackup, dir, backupName)
	}
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	var outer sealed
	if err := json.Unmarshal(text, &outer); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	var inner bytes.Buffer
	if err := json.Compact(&inner, outer.Backup); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if crc32.Checksum(inner.Bytes(), castagnoli) != outer.CRC32C {
		return nil, fmt.Errorf("%s is damaged: its checksum does not match", path)
	}
	b := &Backup{}
	if err := json.Unmarshal(inner.Bytes(), b); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if b.Format > backupFormat {
		return nil, fmt.Errorf("%s has format %d, made by a newer program; this one knows format %d: restore with that program",
			path, b.Format, backupFormat)
	}
	return b, nil
}

func readFile(fsys vfs.FS, path string) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(f)
	return b, errors.Join(err, f.Close())
}

// unfinished begins a directory that only gets its name when it is whole. What an earlier try left
// behind is removed.
type unfinished struct {
	fs       vfs.FS
	dir, use string
}

func beginUnfinished(fsys vfs.FS, dir string) (*unfinished, error) {
	u := &unfinished{fs: fsys, use: dir, dir: dir + partialSuffix}
	switch names, err := fsys.List(u.dir); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case len(names) > 0:
		if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, unfinishedName) }) {
			return nil, fmt.Errorf("%s is in the way, and is not from an earlier try: %w", u.dir, fs.ErrExist)
		}
		if err := fsys.RemoveAll(u.dir); err != nil {
			return nil, err
		}
	}
	if err := makeDir(fsys, u.dir); err != nil {
		return nil, err
	}
	return u, writeSynced(fsys, u.dir, fsys.PathJoin(u.dir, unfinishedName), []byte(unfinishedText))
}

// finish gives the directory its name. It has all that it needs, on disk. The mark goes last: a
// directory with its name is whole, with the mark or without.
func (u *unfinished) finish() error {
	if err := u.fs.Rename(u.dir, u.use); err != nil {
		return err
	}
	if err := syncDir(u.fs, u.fs.PathDir(u.use)); err != nil {
		return err
	}
	return u.fs.Remove(u.fs.PathJoin(u.use, unfinishedName))
}

// abandon removes what is there.
func (u *unfinished) abandon() error { return u.fs.RemoveAll(u.dir) }

// copied writes a file, synced, as it is read, and returns its checksum. Between pieces it asks
// whether to go on.
func copied(fsys vfs.FS, to string, r io.Reader, goOn func() error) (bytes int64, checksum uint32, err error) {
	f, err := fsys.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buf := make([]byte, copyBytes)
	for {
		n, err := io.ReadFull(r, buf)
		if n > 0 {
			checksum = crc32.Update(checksum, castagnoli, buf[:n])
			bytes += int64(n)
			if _, err := f.Write(buf[:n]); err != nil {
				return 0, 0, err
			}
			// Piece by piece, so that the log does not wait for one large sync of another file.
			if err := f.Sync(); err != nil {
				return 0, 0, err
			}
		}
		switch {
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return bytes, checksum, f.Sync()
		case err != nil:
			return 0, 0, err
		}
		if err := goOn(); err != nil {
			return 0, 0, err
		}
	}
}
