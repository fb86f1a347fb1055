package persistence

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/snapshot"
)

// scene is a directory in which much has happened: a history, a log that was cut, holds.
type scene struct {
	t  *testing.T
	fs *vfs.MemFS
	d  *driver
}

func newScene(t *testing.T, seed uint64, keep int64) *scene {
	fs := vfs.NewMem()
	o := small(fs)
	o.LogKeep, o.upkeepEvery = keep, time.Millisecond
	d := newDriver(t, rand.New(rand.NewPCG(seed, 1)), open(t, o))
	sku := "kept"
	d.do(&engine.Command{Op: engine.OpPutItem, SKU: sku, Key: "put"})
	d.do(&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: 1000, Key: "r"})
	for round := 0; round < 10 || keep == 1 && d.store.wal.First() == 1; round++ {
		d.do(&engine.Command{
			Op: engine.OpReserve, Key: fmt.Sprint("hold", round), TTL: time.Hour.Milliseconds(),
			Lines: []engine.Line{{SKU: sku, Location: "main", Quantity: 1}}, Reservation: engine.ReservationRef{Nonce: uint64(round + 1)},
		})
		for range 60 {
			d.act(5)
		}
		d.save()
		time.Sleep(time.Millisecond)
	}
	for _, last, _ := d.store.unconverted(); last != 0; _, last, _ = d.store.unconverted() {
		time.Sleep(time.Millisecond)
	}
	d.save()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	return &scene{t, fs, d}
}

// rows opens the snapshots' table and changes it.
func (s *scene) rows(change func(db *pebble.DB) error) {
	s.t.Helper()
	db, err := pebble.Open(dataDir+"/"+snapshotDir, &pebble.Options{FS: s.fs, DisableWAL: true, FormatMajorVersion: pebble.FormatValueSeparation, Logger: quiet{t: s.t}})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := change(db); err != nil {
		s.t.Fatal(err)
	}
	if err := db.Flush(); err != nil {
		s.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// quiet keeps the table's tidings to itself.
type quiet struct{ t *testing.T }

func (quiet) Infof(string, ...any)           {}
func (q quiet) Errorf(f string, args ...any) { q.t.Errorf(f, args...) }
func (q quiet) Fatalf(f string, args ...any) { q.t.Fatalf(f, args...) }

// drop deletes the n-th row, from the first or (below zero) from the last, with a prefix.
func (s *scene) drop(prefix string, n int) {
	s.t.Helper()
	s.rows(func(db *pebble.DB) error {
		it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: append([]byte(prefix), 0xff)})
		if err != nil {
			return err
		}
		var rows [][]byte
		for ok := it.First(); ok; ok = it.Next() {
			rows = append(rows, slices.Clone(it.Key()))
		}
		if err := it.Close(); err != nil {
			return err
		}
		if n < 0 {
			n += len(rows)
		}
		return db.Delete(rows[n], pebble.NoSync)
	})
}

// snapshots opens the snapshots as the store does, and changes them.
func (s *scene) snapshots(change func(db *snapshot.DB) error) {
	s.t.Helper()
	db, err := snapshot.Open(dataDir+"/"+snapshotDir, snapshot.Options{FS: s.fs, CacheBytes: 1 << 20})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := change(db); err != nil {
		s.t.Fatal(err)
	}
	through, err := db.Through()
	if err == nil {
		err = db.Commit(through)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// rewrite saves an item as another.
func rewrite(sku string, change func(im *engine.Image, last *uint64)) func(db *snapshot.DB) error {
	return func(db *snapshot.DB) error {
		stock, last, note, err := db.Load(sku)
		if err != nil {
			return err
		}
		var im engine.Image
		for stock.Capture(&im, 1<<20) {
		}
		change(&im, &last)
		_, err = db.Save(&im, last, note)
		return err
	}
}

// TestCheckFindsDamage damages what belongs together, a piece at a time, and expects it to be found
// and named; and it finds nothing where there is nothing, and changes nothing.
func TestCheckFindsDamage(t *testing.T) {
	seed := drawSeed(t)
	const everything = 1 << 30
	logs := dataDir + "/" + logDir
	for name, tc := range map[string]struct {
		keep   int64
		damage func(s *scene)
		want   string
	}{
		"nothing, log cut":    {1, func(*scene) {}, ""},
		"nothing, log whole":  {everything, func(*scene) {}, ""},
		"a flipped bit":       {everything, func(s *scene) { flip(s.t, s.fs, logs+"/"+oldest(s.t, s.fs, logs), 4096+40) }, "is damaged at offset"},
		"no log":              {everything, func(s *scene) { restore(s.t, s.fs, logs, nil) }, "but it ends at 0"},
		"a segment missing":   {everything, func(s *scene) { s.remove(logs + "/" + second(s.t, s.fs, logs)) }, "the segment is missing"},
		"oldest log missing":  {1, func(s *scene) { s.cutTooMuch() }, "the log begins at record"},
		"item row lost":       {everything, func(s *scene) { s.drop("ikept", 0) }, `item "kept": the snapshots cover the log`},
		"item row lost, cut":  {1, func(s *scene) { s.drop("ikept", 0) }, `item "kept": the snapshots cover the log`},
		"item row changed":    {everything, func(s *scene) { s.snapshots(rewrite("kept", addOne)) }, `item "kept" at "main": the snapshot has`},
		"item row changed, c": {1, func(s *scene) { s.snapshots(rewrite("kept", addOne)) }, `item "kept" at "main": the snapshot has`},
		"promises changed": {1, func(s *scene) {
			s.snapshots(rewrite("kept", func(im *engine.Image, _ *uint64) { im.Levels[0].Reserved++ }))
		}, `the open lines sum to`},
		"settings changed": {everything, func(s *scene) {
			s.snapshots(rewrite("kept", func(im *engine.Image, _ *uint64) { im.Settings.ReorderPoint = 77 }))
		}, `item "kept": the snapshot has the settings`},
		"older item row": {everything, func(s *scene) {
			s.snapshots(rewrite("kept", func(im *engine.Image, last *uint64) { *last -= 100; im.Sequence-- }))
		}, `item "kept"`},
		"snapshot from later": {1, func(s *scene) {
			s.snapshots(rewrite("kept", func(_ *engine.Image, last *uint64) { *last += 10_000 }))
		}, `item "kept": the snapshot is as of record`},
		"commit from later": {1, func(s *scene) {
			s.snapshots(func(db *snapshot.DB) error { return db.SetMark("through", 1<<40) })
		}, "the snapshots cover the log through record 1099511627776"},
		"holds lost":            {everything, func(s *scene) { s.drop("hkept\x00", -1) }, `load holds of item "kept"`},
		"deadline lost":         {1, func(s *scene) { s.dropDeadline("kept") }, `item "kept": a hold is due at`},
		"deadline too many":     {1, func(s *scene) { s.addDeadline("kept") }, `item "kept": deadlines`},
		"deadline of nobody":    {1, func(s *scene) { s.addDeadline("nobody") }, `item "nobody": deadline`},
		"history row lost":      {1, func(s *scene) { s.dropHistory("kept", 2, 1) }, `the record of "kept" before is said to be`},
		"last history row lost": {everything, func(s *scene) { s.dropHistory("kept", uint32(len(*s.d.store.buckets.Load())), -1) }, `of "kept"`},
		"history bucket lost":   {1, func(s *scene) { s.drop("B", 1) }, "history bucket 3 begins at record"},
		"manifest gone":         {1, func(s *scene) { s.remove(dataDir + "/" + manifestName) }, "there is a log in"},
		"manifest flipped":      {1, func(s *scene) { flip(s.t, s.fs, dataDir+"/"+manifestName, 20) }, manifestName + " is damaged"},
		"a table gone":          {1, func(s *scene) { s.removeTable() }, "open the snapshots: "},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, seed, tc.keep)
			tc.damage(s)
			before := dump(t, s.fs, dataDir)
			report, err := Check(dataDir, s.fs)
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(before, dump(t, s.fs, dataDir)); diff != "" {
				t.Errorf("check changed the directory:\n%.500s", diff)
			}
			if tc.want == "" {
				if len(report.Damage) != 0 || report.Items == 0 || report.Holds == 0 || report.Buckets == 0 || report.Movements == 0 || report.Records == 0 || report.Replayed == 0 {
					t.Errorf("%+v", report)
				}
				return
			}
			if !slices.ContainsFunc(report.Damage, func(f string) bool { return strings.Contains(f, tc.want) }) {
				t.Errorf("no finding says %q: %q", tc.want, report.Damage)
			}
		})
	}
}

func addOne(im *engine.Image, _ *uint64) { im.Levels[0].OnHand++ }

func (s *scene) remove(path string) {
	if err := s.fs.Remove(path); err != nil {
		s.t.Fatal(err)
	}
}

// removeTable removes one of Pebble's tables.
func (s *scene) removeTable() {
	names, err := s.fs.List(dataDir + "/" + snapshotDir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			s.remove(dataDir + "/" + snapshotDir + "/" + name)
			return
		}
	}
	s.t.Fatal("there is no table")
}

// cutTooMuch removes the oldest segments of the log, and with them records that neither snapshots
// nor history have: those are put back to an earlier time.
func (s *scene) cutTooMuch() {
	s.snapshots(func(db *snapshot.DB) error { return db.SetMark("through", 1) })
	s.rows(func(db *pebble.DB) error { return db.DeleteRange([]byte("B"), []byte("C"), pebble.NoSync) })
}

func historyOf(bucket uint32) string {
	return string(binary.BigEndian.AppendUint32([]byte{'H'}, bucket))
}

func deadlineRow(at engine.Time, sku string) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{'x'}, uint64(at)), sku...)
}

func (s *scene) dropDeadline(sku string) {
	s.rows(func(db *pebble.DB) error {
		return db.Delete(deadlineRow(s.d.items[sku].stock.NextExpiry(), sku), pebble.NoSync)
	})
}

func (s *scene) addDeadline(sku string) {
	s.rows(func(db *pebble.DB) error { return db.Set(deadlineRow(7, sku), nil, pebble.NoSync) })
}

// dropHistory drops the last row of an item in the first bucket from one on, upwards or downwards,
// that has a row of it.
func (s *scene) dropHistory(sku string, bucket uint32, step int) {
	for ; ; bucket += uint32(step) {
		prefix := historyOf(bucket) + sku + "\x00"
		found := false
		s.rows(func(db *pebble.DB) error {
			it, err := db.NewIter(&pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: append([]byte(prefix), 0xff)})
			if err != nil {
				return err
			}
			found = it.First()
			return it.Close()
		})
		if found {
			s.drop(prefix, -1)
			return
		}
	}
}

// What cannot be checked is an error, not damage, and nothing is made of it.
func TestCheckOfNothing(t *testing.T) {
	fs := vfs.NewMem()
	if _, err := Check(dataDir, fs); err == nil {
		t.Error("a directory that is not there was checked")
	}
	if err := fs.MkdirAll(dataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Check(dataDir, fs); err == nil || len(dump(t, fs, dataDir)) != 0 {
		t.Errorf("%v, %q", err, dump(t, fs, dataDir))
	}
	if err := open(t, small(fs)).Close(); err != nil {
		t.Fatal(err)
	}
	clean(t, fs)
}
