package persistence

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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
	// Epoch is that of new records at the least, and RestoredFrom the node whose backup this was.
	Epoch        uint32 `json:"epoch,omitempty"`
	RestoredFrom string `json:"restored_from,omitempty"`
	// Checksum is that of the file, with noChecksum in its place. Manifests of before have none, until
	// they are opened.
	Checksum string `json:"checksum,omitempty"`
}

const (
	manifestName = "MANIFEST.json"
	// manifestFormat is raised with every change of the directory that older programs must not
	// open.
	manifestFormat = 1
	// noChecksum stands in the checksum's place while it is taken.
	noChecksum    = "00000000"
	checksumField = `"checksum": "`
)

// manifestChecksum is that of a manifest's text.
func manifestChecksum(text []byte) string {
	blank := bytes.Clone(text)
	if i := bytes.Index(blank, []byte(checksumField)); i >= 0 {
		copy(blank[i+len(checksumField):], noChecksum)
	}
	return fmt.Sprintf("%08x", crc32.Checksum(blank, castagnoli))
}

// verify compares what was read with its checksum.
func (m *Manifest) verify(text []byte) error {
	if m.Checksum == "" {
		// Made before manifests had checksums, and so without anything that came later either.
		strict := json.NewDecoder(bytes.NewReader(text))
		strict.DisallowUnknownFields()
		return strict.Decode(&Manifest{})
	}
	if m.Checksum != manifestChecksum(text) {
		return errors.New("its checksum does not match")
	}
	return nil
}

// write puts the manifest in place.
func (m *Manifest) write(fsys vfs.FS, dir string) error {
	m.Checksum = noChecksum
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	b = append(b, '\n')
	m.Checksum = manifestChecksum(b)
	b = bytes.Replace(b, []byte(checksumField+noChecksum), []byte(checksumField+m.Checksum), 1)
	if err := writeSynced(fsys, dir, fsys.PathJoin(dir, manifestName), b); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

// Key returns the key of reservation ids.
func (m *Manifest) Key() (key [16]byte) {
	b, err := hex.DecodeString(m.IDKey)
	if err != nil || len(b) != len(key) {
		panic("persistence: a manifest with a bad key was let through")
	}
	copy(key[:], b)
	return key
}

// damagedManifest is what is wrong with a manifest that should be there.
type damagedManifest struct{ error }

func (d damagedManifest) Unwrap() error { return d.error }

// loadManifest reads the manifest, or makes it where there is none, unless random is nil.
func loadManifest(fsys vfs.FS, dir string, partitions int, random io.Reader) (*Manifest, error) {
	path := fsys.PathJoin(dir, manifestName)
	f, err := fsys.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if names, err := fsys.List(fsys.PathJoin(dir, logDir)); err == nil && len(names) > 0 {
			return nil, damagedManifest{fmt.Errorf("there is a log in %s, but no %s: bring it back, it says whose log it is", dir, manifestName)}
		}
		if random != nil {
			return makeManifest(fsys, dir, partitions, random)
		}
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
		return nil, damagedManifest{fmt.Errorf("%s is damaged; bring back a copy of it, or restore from a backup: %w", path, err)}
	}
	if m.Format > manifestFormat {
		return nil, fmt.Errorf("%s has format %d, made by a newer program; this one knows format %d: use the newer program, "+
			"or a backup from before the upgrade", path, m.Format, manifestFormat)
	}
	if err := m.verify(b); err != nil {
		return nil, damagedManifest{fmt.Errorf("%s is damaged; bring back a copy of it, or restore from a backup: %w", path, err)}
	}
	if m.Format != manifestFormat {
		return nil, damagedManifest{fmt.Errorf("%s is damaged: there is no format %d", path, m.Format)}
	}
	if b, err := hex.DecodeString(m.IDKey); err != nil || len(b) != 16 || m.Partitions < 1 || m.Partitions > 1<<15 {
		return nil, damagedManifest{fmt.Errorf("%s is damaged: partitions or id_key make no sense", path)}
	}
	if m.Checksum == "" && random != nil {
		return m, m.write(fsys, dir)
	}
	return m, nil
}

func makeManifest(fsys vfs.FS, dir string, partitions int, random io.Reader) (*Manifest, error) {
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
	return m, m.write(fsys, dir)
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
// them takes all that is in it. They are their owner's alone: all the stock is in them.
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
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
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
