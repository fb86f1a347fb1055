//go:build unix

package persistence

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDataIsPrivate: what nobody may read over the API without a token, another account of the machine
// may not read from the disk, from a backup or from what was restored. A directory that is there
// already is its owner's business.
func TestDataIsPrivate(t *testing.T) {
	root := t.TempDir()
	theirs := filepath.Join(root, "theirs")
	if err := os.Mkdir(theirs, 0o755); err != nil {
		t.Fatal(err)
	}
	data, backup, restored := filepath.Join(theirs, "data"), filepath.Join(root, "backup"), filepath.Join(root, "restored")
	s, err := Open(data, small(vfs.Default))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(t.Context(), backup); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(backup, restored, nil); err != nil {
		t.Error(err)
	}
	for dir, want := range map[string]fs.FileMode{data: 0o700, backup: 0o700, restored: 0o700, theirs: 0o755} {
		info, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has the mode %v, want %v", dir, got, want)
		}
	}
}
