package persistence

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/persistence/wal"
)

// dump reads all files below a directory.
func dump(t testing.TB, fs vfs.FS, dir string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // An open store may remove what it needs no more.
		}
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			files[path+"/"] = ""
			for sub, b := range dump(t, fs, path) {
				files[sub] = b
			}
			continue
		}
		f, err := fs.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		files[path] = string(b)
	}
	return files
}

// restore makes a directory what was dumped of it.
func restore(t testing.TB, fs vfs.FS, dir string, files map[string]string) {
	t.Helper()
	if err := fs.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := fs.MkdirAll(dir, 0o755)
	for path := range files {
		if strings.HasSuffix(path, "/") {
			err = errors.Join(err, fs.MkdirAll(strings.TrimSuffix(path, "/"), 0o755))
		}
	}
	for path, b := range files {
		if !strings.HasSuffix(path, "/") {
			err = errors.Join(err, write(fs, path, b))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func write(fs vfs.FS, path, content string) error {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(content))
	return errors.Join(err, f.Close())
}

// flip changes a byte of a file.
func flip(t testing.TB, fs vfs.FS, path string, at int) {
	t.Helper()
	b := []byte(dump(t, fs, fs.PathDir(path))[path])
	b[at] ^= 0x10
	if err := write(fs, path, string(b)); err != nil {
		t.Fatal(err)
	}
}

// used makes a directory in which much has happened, and closes it. halfway is the log at a time
// before that.
func used(t testing.TB, rng *rand.Rand, o Options) (d *driver, halfway map[string]string) {
	t.Helper()
	o.upkeepEvery = time.Millisecond
	d = newDriver(t, rng, open(t, o))
	for range 300 {
		d.act(6)
	}
	d.durable()
	halfway = dump(t, o.FS, o.FS.PathJoin(dataDir, logDir))
	for range 300 {
		d.act(6)
	}
	d.save()
	for d.store.converted.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	return d, halfway
}

// TestRefusedOpen damages a directory in every way that an open must refuse, with words that name
// the place, and without making it worse.
func TestRefusedOpen(t *testing.T) {
	seed := drawSeed(t)
	logs, state := dataDir+"/"+logDir, dataDir+"/"+snapshotDir
	manifest := dataDir + "/" + manifestName
	for name, tc := range map[string]struct {
		damage  func(t *testing.T, fs *vfs.MemFS, halfway map[string]string)
		want    []string
		touched string // the directory that may be changed, if any
	}{
		"newer format": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			b := dump(t, fs, dataDir)[manifest]
			if err := write(fs, manifest, strings.Replace(b, `"format": 1`, `"format": 2`, 1)); err != nil {
				t.Fatal(err)
			}
		}, []string{manifest, "format 2"}, ""},
		"cut manifest": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := write(fs, manifest, dump(t, fs, dataDir)[manifest][:20]); err != nil {
				t.Fatal(err)
			}
		}, []string{manifest}, ""},
		"bad key": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := write(fs, manifest, `{"format":1,"partitions":4,"id_key":"zz"}`); err != nil {
				t.Fatal(err)
			}
		}, []string{manifest, "id_key"}, ""},
		"no manifest": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := fs.Remove(manifest); err != nil {
				t.Fatal(err)
			}
		}, []string{"there is a log", manifestName}, ""},
		"no log": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := fs.RemoveAll(logs); err != nil {
				t.Fatal(err)
			}
		}, []string{"no log", logs}, ""},
		"empty log": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			restore(t, fs, logs, nil)
		}, []string{"no log", logs}, ""},
		"log of another time": {func(t *testing.T, fs *vfs.MemFS, halfway map[string]string) {
			restore(t, fs, logs, halfway)
		}, []string{"but it ends at"}, dataDir},
		"no snapshots, log cut": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := fs.RemoveAll(state); err != nil {
				t.Fatal(err)
			}
		}, []string{"but it begins at"}, dataDir},
		"flipped bit": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			flip(t, fs, logs+"/"+oldest(t, fs, logs), 4096+300)
		}, []string{"damaged at offset", ".wal"}, state},
		"segment missing": {func(t *testing.T, fs *vfs.MemFS, _ map[string]string) {
			if err := fs.Remove(logs + "/" + second(t, fs, logs)); err != nil {
				t.Fatal(err)
			}
		}, []string{"the segment is missing"}, state},
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			o := small(fs)
			if name == "flipped bit" || name == "segment missing" {
				o.LogKeep = 1 << 30
			}
			d, halfway := used(t, rand.New(rand.NewPCG(seed, 1)), o)
			if name == "no snapshots, log cut" {
				cutLog(t, d, o)
			}
			whole := dump(t, fs, dataDir)
			tc.damage(t, fs, halfway)
			before := dump(t, fs, dataDir)
			for range 2 {
				s, err := Open(dataDir, o)
				if err == nil {
					s.Close()
					t.Fatal("opened")
				}
				for _, want := range tc.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q does not say %q", err, want)
					}
				}
				same := before
				after := dump(t, fs, dataDir)
				if tc.touched != "" {
					same, after = without(same, tc.touched), without(after, tc.touched)
				}
				if diff := gocmp.Diff(keys(same), keys(after)); diff != "" {
					t.Errorf("a refused open changed the directory:\n%s", diff)
				}
				for path := range same {
					if same[path] != after[path] {
						t.Errorf("a refused open changed %s", path)
					}
				}
			}
			restore(t, fs, dataDir, whole)
			d.rewind(open(t, o))
			if err := d.store.Close(); err != nil {
				t.Error(err)
			}
			clean(t, fs)
		})
	}
}

// cutLog goes on until the log is cut.
func cutLog(t *testing.T, d *driver, o Options) {
	t.Helper()
	o.upkeepEvery = time.Millisecond
	d.rewind(open(t, o))
	for d.store.wal.First() == 1 {
		d.act(6)
		d.save()
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
}

func keys(files map[string]string) map[string]bool {
	all := make(map[string]bool)
	for path := range files {
		all[path] = true
	}
	return all
}

func without(files map[string]string, dir string) map[string]string {
	rest := make(map[string]string)
	for path, b := range files {
		if !strings.HasPrefix(path, dir+"/") {
			rest[path] = b
		}
	}
	return rest
}

func segments(t testing.TB, fs vfs.FS, dir string) (names []string) {
	t.Helper()
	all, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		if strings.HasPrefix(name, "0") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) < 3 {
		t.Fatalf("the log has the files %q, there should be more", all)
	}
	return names
}

func oldest(t testing.TB, fs vfs.FS, dir string) string { return segments(t, fs, dir)[0] }
func second(t testing.TB, fs vfs.FS, dir string) string { return segments(t, fs, dir)[1] }

// Two at once cannot use a directory; the second changes nothing, and when the first has gone it may.
func TestOneProcessAtATime(t *testing.T) {
	fs := vfs.NewMem()
	first := open(t, small(fs))
	before := dump(t, fs, dataDir)
	if _, err := Open(dataDir, small(fs)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	if _, err := Check(dataDir, fs); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	// The first makes itself a spare segment meanwhile.
	spare := func(path string, _ string) bool { return strings.Contains(path, "spare-") }
	after := dump(t, fs, dataDir)
	maps.DeleteFunc(before, func(path, text string) bool {
		_, there := after[path] // Pebble removes what it needs no more.
		return spare(path, text) || !there && strings.Contains(path, "/"+snapshotDir+"/")
	})
	maps.DeleteFunc(after, spare)
	if diff := gocmp.Diff(before, after); diff != "" {
		t.Error(diff)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, small(fs)).Close(); err != nil {
		t.Fatal(err)
	}
}

// The damage names the file and the byte.
func TestDamageIsNamed(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs)
	o.LogKeep = 1 << 30
	used(t, rand.New(rand.NewPCG(1, 1)), o)
	path := fmt.Sprint(dataDir, "/", logDir, "/", oldest(t, fs, dataDir+"/"+logDir))
	flip(t, fs, path, 4096+500)
	_, err := Open(dataDir, o)
	var damage *wal.CorruptionError
	if !errors.As(err, &damage) || damage.File != path || damage.Offset < 4096 || damage.Offset > 4096+500 {
		t.Errorf("%v", err)
	}
	report, err := Check(dataDir, fs)
	if err != nil || len(report.Damage) != 1 || !strings.Contains(report.Damage[0], path) {
		t.Errorf("%v %+v", err, report)
	}
}
