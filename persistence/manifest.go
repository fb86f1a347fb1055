package persistence

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Manifest is what is fixed when a data directory is made.
type Manifest struct {
	Format     int    `json:"format"`
	Node       string `json:"node"`
	Partitions int    `json:"partitions"`
	IDKey      string `json:"id_key"`
}

const (
	manifestName = "MANIFEST.json"
	// manifestFormat is raised with every change of the directory that older programs must not
	// open.
	manifestFormat = 1
)

// Key returns the key of reservation ids.
func (m *Manifest) Key() (key [16]byte) {
	b, err := hex.DecodeString(m.IDKey)
	if err != nil || len(b) != len(key) {
		panic("persistence: a manifest with a bad key was let through")
	}
	copy(key[:], b)
	return key
}

// loadManifest reads the manifest, or makes it where there is none, unless random is nil.
func loadManifest(fsys vfs.FS, dir string, partitions int, random io.Reader) (*Manifest, error) {
	path := fsys.PathJoin(dir, manifestName)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) && random != nil {
		if names, err := fsys.List(fsys.PathJoin(dir, logDir)); err == nil && len(names) > 0 {
			return nil, fmt.Errorf("there is a log in %s, but no %s: bring it back, it says whose log it is", dir, manifestName)
		}
		return makeManifest(fsys, dir, path, partitions, random)
	}
	if err != nil {
		return nil, fmt.Errorf("open manifest: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	m := &Manifest{}
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", path, err)
	}
	if m.Format != manifestFormat {
		return nil, fmt.Errorf("%s has format %d; this program knows format %d", path, m.Format, manifestFormat)
	}
	if b, err := hex.DecodeString(m.IDKey); err != nil || len(b) != 16 || m.Partitions < 1 || m.Partitions > 1<<15 {
		return nil, fmt.Errorf("%s is damaged: partitions or id_key make no sense", path)
	}
	return m, nil
}

func makeManifest(fsys vfs.FS, dir, path string, partitions int, random io.Reader) (*Manifest, error) {
	var key [16]byte
	var node [4]byte
	for _, b := range [][]byte{key[:], node[:]} {
		if _, err := io.ReadFull(random, b); err != nil {
			return nil, fmt.Errorf("make manifest: %w", err)
		}
	}
	m := &Manifest{
		Format: manifestFormat, Node: hex.EncodeToString(node[:]), Partitions: partitions,
		IDKey: hex.EncodeToString(key[:]),
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	if err := writeSynced(fsys, dir, path, append(b, '\n')); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	return m, nil
}

// writeSynced puts a whole file in place, or none.
func writeSynced(fsys vfs.FS, dir, path string, b []byte) error {
	f, err := fsys.Create(path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := fsys.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

// makeDir makes a directory and those above it, and their names durable: a crash that takes any of
// them takes all that is in it.
func makeDir(fsys vfs.FS, dir string) error {
	made := []string{dir} // It may be there, but not on disk, from a start that was cut short.
	for d := fsys.PathDir(dir); ; d = fsys.PathDir(d) {
		if _, err := fsys.Stat(d); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		made = append(made, d)
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range made {
		if err := syncDir(fsys, fsys.PathDir(d)); err != nil {
			return fmt.Errorf("sync directory: %w", err)
		}
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
