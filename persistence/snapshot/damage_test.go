package snapshot

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/skua-stock/skua/engine"
)

// TestAFlushThatFailsIsTheEnd: a disk that takes no tables any more ends the process, instead of
// leaving everybody who commits to wait for ever.
func TestAFlushThatFailsIsTheEnd(t *testing.T) {
	var broken atomic.Bool
	failed := make(chan error, 1000)
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			return errorfs.ErrInjected
		}
		return nil
	}))
	db, err := Open("state", Options{FS: fs, CacheBytes: 1 << 20, OnFailure: func(err error) { failed <- err }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Save(&engine.Image{SKU: "A", Sequence: 1}, 1, nil); err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	committed := make(chan error, 1)
	go func() { committed <- db.Commit(1) }()
	select {
	case err := <-failed:
		if !errors.Is(err, errorfs.ErrInjected) {
			t.Error(err)
		}
	case err := <-committed:
		if err == nil {
			t.Error("what could not be written was committed")
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
	}
	broken.Store(false) // So that it can be closed.
	if err := <-committed; err != nil && !errors.Is(err, errorfs.ErrInjected) {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}
