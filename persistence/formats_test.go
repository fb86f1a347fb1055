package persistence

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/crashdisk"
	"github.com/skua-stock/skua/persistence/wal"
)

var writeFormat = flag.Bool("formats.write", false, "keep a data directory of the format that is written now, if there is none")

// formatName names the kept directory of the format that is written now. Whoever raises the version
// of the manifest, of a record, of a row or of Pebble's format gives it a new name, and keeps one more
// directory with -formats.write. What is kept is never written again.
const formatName = "v1"

const formatsDir = "testdata/formats"

// kept is what is known of a data directory: everything that anybody can ask of it, in plain words
// that do not depend on how the program has it.
type kept struct {
	Node      string              `json:"node"`
	IDKey     string              `json:"id_key"`
	Last      uint64              `json:"last"`
	Items     map[string]string   `json:"items"`
	Movements map[string][]string `json:"movements"`
	Keys      []keptKey           `json:"keys"`
}

type keptKey struct {
	Home   string `json:"home"`
	Hash   string `json:"hash"`
	Act    int    `json:"act"`
	Answer string `json:"answer"`
}

// known asks a store for everything.
func known(t *testing.T, s *Store, keys []keptKey) *kept {
	t.Helper()
	k := &kept{
		Node: s.Manifest.Node, IDKey: s.Manifest.IDKey, Last: s.wal.Last(),
		Items: make(map[string]string), Movements: make(map[string][]string),
	}
	skus, err := s.SKUs("", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, sku := range skus {
		stock, last, _, err := s.Load(sku, 0)
		if err != nil {
			t.Fatal(err)
		}
		v := stock.View()
		text := fmt.Sprintf("sequence %d holds %d next %d reorder %d safety %v", v.Sequence, stock.Holds(), stock.NextExpiry(),
			v.Settings.ReorderPoint, v.Settings.SafetyStock)
		for _, l := range v.Levels {
			text += fmt.Sprintf(" | %s %v", l.Key.Location, l.Counts)
		}
		k.Items[sku] = text
		page, more, _, err := s.Ledger(sku, last, 0, 10_000)
		if err != nil || more {
			t.Fatal(more, err)
		}
		for i := range page {
			m := &page[i]
			k.Movements[sku] = append(k.Movements[sku], fmt.Sprintf("%d %v %d %s %d %v %v %v %v %s %s %d %d", m.Sequence, m.Type, m.At,
				m.Level.Location, m.Quantity, m.Before, m.After, m.Cause, m.Reason, m.Actor, m.Owner, m.ExpiresAt, m.Reservation.Nonce))
		}
	}
	for _, key := range keys {
		key.Answer = recalled(t, s, key)
		k.Keys = append(k.Keys, key)
	}
	return k
}

// recalled is what a retry with a key is answered.
func recalled(t *testing.T, s *Store, key keptKey) string {
	t.Helper()
	b, err := hex.DecodeString(key.Hash)
	if err != nil {
		t.Fatal(err)
	}
	index, ok := s.Recall(s.Trace(key.Home, [16]byte(b)))
	if !ok {
		return "forgotten"
	}
	r, err := s.Record(key.Home, index)
	if err != nil {
		t.Fatal(err)
	}
	a := r.Answer(key.Act)
	text := fmt.Sprintf("%v record %d of %d: %s %d %v", a.Op, index, r.Time, a.SKU, a.Sequence, a.Level.Counts)
	if a.Reservation.Ref.Nonce != 0 {
		text += fmt.Sprintf(" reservation %s %d %v %s %d", a.Reservation.Ref.Home, a.Reservation.Ref.Nonce, a.Reservation.State,
			a.Reservation.Owner, a.Reservation.ExpiresAt)
		for _, l := range a.Reservation.Lines {
			text += fmt.Sprintf(" | %s %s %v %d", l.SKU, l.Location, l.LineStatus, l.Sequence)
		}
	}
	return text
}

// TestFormats opens what every earlier version has written, and finds in it all that was there.
func TestFormats(t *testing.T) {
	if *writeFormat {
		keepFormat(t)
	}
	names, err := os.ReadDir(formatsDir)
	if err != nil {
		t.Fatal(err)
	}
	current := false
	for _, name := range names {
		current = current || name.Name() == formatName
		t.Run(name.Name(), func(t *testing.T) {
			dir := filepath.Join(formatsDir, name.Name())
			text, err := os.ReadFile(filepath.Join(dir, "known.json"))
			if err != nil {
				t.Fatal(err)
			}
			want := &kept{}
			if err := json.Unmarshal(text, want); err != nil {
				t.Fatal(err)
			}
			fsys := vfs.NewMem()
			unpack(t, fsys, filepath.Join(dir, "data.tar.gz"))
			clean(t, fsys)
			for range 2 { // Also as this version has left it.
				s := open(t, small(fsys))
				if diff := gocmp.Diff(want, known(t, s, want.Keys)); diff != "" {
					t.Errorf("it is not what was written (-written +found):\n%s", diff)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				clean(t, fsys)
			}
		})
	}
	if !current {
		t.Errorf("there is no %s: keep one with go test ./persistence -run '^TestFormats$' -formats.write", formatName)
	}
}

// keepFormat keeps a directory as a crash leaves it: snapshots, history, and a log beyond both.
func keepFormat(t *testing.T) {
	dir := filepath.Join(formatsDir, formatName)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("%s is there, and is never written again: %v", dir, err)
	}
	fsys := crashdisk.New()
	o := small(fsys)
	o.upkeepEvery = time.Millisecond
	d := newDriver(t, rand.New(rand.NewPCG(1, 1)), open(t, o))
	for n := 0; n < 300 || d.store.wal.First() == 1; n++ {
		d.act(5)
		if n%40 == 39 {
			d.save()
			time.Sleep(3 * time.Millisecond)
		}
	}
	for range 40 {
		d.act(5)
	}
	d.durable()
	disk := fsys.CrashClone(vfs.CrashCloneCfg{})
	var keys []keptKey
	for _, k := range d.keys {
		keys = append(keys, keptKey{Home: k.home, Hash: hex.EncodeToString(k.hash[:]), Act: k.act})
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	pack(t, disk, filepath.Join(dir, "data.tar.gz"))
	o.FS = disk
	s := open(t, o)
	d.rewind(s) // What is kept is right.
	text, err := json.MarshalIndent(known(t, s, keys), "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "known.json"), append(text, '\n'), 0o644)
	}
	if err = errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// pack puts a data directory into a file.
func pack(t *testing.T, fsys vfs.FS, to string) {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	files := dump(t, fsys, dataDir)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if strings.HasSuffix(name, "/") {
			continue
		}
		h := &tar.Header{Name: strings.TrimPrefix(name, dataDir+"/"), Mode: 0o644, Size: int64(len(files[name]))}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close(), os.WriteFile(to, b.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, fsys vfs.FS, from string) {
	t.Helper()
	f, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err == nil {
			err = fsys.MkdirAll(path.Dir(dataDir+"/"+h.Name), 0o755)
		}
		if err == nil {
			err = write(fsys, dataDir+"/"+h.Name, string(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNewerFormats: what a newer program has written is refused, and said to be that.
func TestNewerFormats(t *testing.T) {
	for name, newer := range map[string]func(t *testing.T, fsys *vfs.MemFS){
		"manifest": func(t *testing.T, fsys *vfs.MemFS) {
			m, err := loadManifest(fsys, dataDir, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Format++
			if err := m.write(fsys, dataDir); err != nil {
				t.Fatal(err)
			}
		},
		"segment": func(t *testing.T, fsys *vfs.MemFS) {
			logs := dataDir + "/" + logDir
			file := logs + "/" + oldest(t, fsys, logs)
			b := []byte(dump(t, fsys, logs)[file])
			newerSegment(b)
			if err := write(fsys, file, string(b)); err != nil {
				t.Fatal(err)
			}
		},
		"record": func(t *testing.T, fsys *vfs.MemFS) {
			l, err := wal.Open(dataDir+"/"+logDir, wal.Options{FS: fsys, SegmentBytes: 8 << 10})
			if err != nil {
				t.Fatal(err)
			}
			b := codec.AppendEntry(nil, &codec.Entry{Epoch: 1})
			b[1]++ // The byte after the kind is the version.
			if _, err := l.Append(b, nil); err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		},
		"item": func(t *testing.T, fsys *vfs.MemFS) {
			s := &scene{t: t, fs: fsys}
			s.rows(func(db *pebble.DB) error {
				v, closer, err := db.Get([]byte("iitem-000"))
				if err != nil {
					return err
				}
				b := slices.Clone(v)
				b[0]++
				return errors.Join(closer.Close(), db.Set([]byte("iitem-000"), b, pebble.NoSync))
			})
		},
		"Pebble": func(t *testing.T, fsys *vfs.MemFS) {
			if err := write(fsys, dataDir+"/"+snapshotDir+"/marker.format-version.000999.999", ""); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := vfs.NewMem()
			d, _ := used(t, rand.New(rand.NewPCG(1, 1)), small(fsys))
			newer(t, fsys)
			s, err := Open(dataDir, small(fsys))
			if err == nil {
				_, _, _, err = s.Load("item-000", uint64(len(d.log)))
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "newer program") {
				t.Errorf("refused with: %v", err)
			}
		})
	}
}

// newerSegment makes a segment's header that of the next version, whole in itself.
func newerSegment(b []byte) {
	b[8]++
	sum := crc32.Checksum(b[:60], castagnoli)
	b[60], b[61], b[62], b[63] = byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)
}
