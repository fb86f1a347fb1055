//go:build unix

package access

import (
	"os"
	"syscall"
	"testing"
)

// TestReadersRemain: whoever could read the file before an edit can read it after, and nobody else. A
// server that reads it by its group would go on with revoked tokens otherwise.
func TestReadersRemain(t *testing.T) {
	f := newFile(t)
	groups := []int{os.Getegid()}
	if os.Geteuid() == 0 {
		groups = append(groups, 4711) // Nobody else may give files away.
	}
	for _, group := range groups {
		for _, mode := range []os.FileMode{0o600, 0o640, 0o400} {
			f.add(Record{Name: "a"})
			if err := os.Chown(f.path, -1, group); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(f.path, mode); err != nil {
				t.Fatal(err)
			}
			f.add(Record{Name: "b"})
			info, err := os.Stat(f.path)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != mode {
				t.Errorf("mode %v became %v", mode, got)
			}
			if got := int(info.Sys().(*syscall.Stat_t).Gid); got != group {
				t.Errorf("group %d became %d", group, got)
			}
		}
	}
}
