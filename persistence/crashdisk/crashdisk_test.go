package crashdisk_test

import (
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/persistence/crashdisk"
)

// TestLinksMeanwhile: links and crashes at once come to an end.
func TestLinksMeanwhile(t *testing.T) {
	d := crashdisk.New()
	f, err := d.Create("a", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var linking sync.WaitGroup
	for _, name := range []string{"b", "c"} {
		linking.Go(func() {
			for range 20_000 {
				if err := d.Link("a", name); err != nil {
					t.Error(err)
					return
				}
				if err := d.Remove(name); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 2000 {
		d.CrashClone(vfs.CrashCloneCfg{})
	}
	linking.Wait()
}
