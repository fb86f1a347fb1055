package persistence

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/persistence/crashdisk"
)

const (
	backupDir   = "dir/backup"
	restoredDir = "dir/restored"
)

// slowly is a context that makes a backup take its time: it is asked between two pieces.
type slowly struct {
	context.Context
	each func()
}

func (s slowly) Err() error {
	s.each()
	return s.Context.Err()
}

// backedUp is what became of a backup.
type backedUp struct {
	b   *Backup
	err error
}

// busy drives a store until a backup of it is done, in which the store saves, sorts and cuts.
func busy(d *driver, ctx context.Context) backedUp {
	d.t.Helper()
	done := make(chan backedUp, 1)
	s := d.store
	go func() {
		b, err := s.Backup(ctx, backupDir)
		done <- backedUp{b, err}
	}()
	for n := 0; ; n++ {
		select {
		case r := <-done:
			return r
		default:
		}
		d.act(12)
		if n%60 == 0 {
			d.save()
		}
		if n%20 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// verified opens what was restored: it is the driven store as of the backup's last record, whole.
func verified(t *testing.T, d *driver, fsys vfs.FS, b *Backup) {
	t.Helper()
	r, err := Check(restoredDir, fsys)
	if err != nil || len(r.Damage) > 0 {
		t.Fatalf("what was restored has damage: %v %v", r, err)
	}
	s, err := Open(restoredDir, small(fsys))
	if err != nil {
		t.Fatal(err)
	}
	if last := s.wal.Last(); last != b.Last {
		t.Fatalf("the backup says that it is as of record %d, and is as of %d", b.Last, last)
	}
	for p := range s.partitions {
		if got, want := s.partitions[p].number, b.Partitions[p]; got != want {
			t.Errorf("partition %d is at %d, the backup says %d", p, got, want)
		}
	}
	if b.Last > 0 {
		if at := int64(d.log[b.Last-1].Time); b.At.UnixMilli() != at {
			t.Errorf("the backup says that it is as of %v, its last record is of %v", b.At, time.UnixMilli(at))
		}
	}
	d.rewind(s)
	d.checkLedgers(5)
	d.checkKeys(0)
	for range 50 { // It goes on.
		d.act(12)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBackupUnderLoad: a backup has all that was acknowledged before it began, is as of one record,
// and what is restored from it is the original as of that record, goes on, and is not taken for it.
func TestBackupUnderLoad(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 6 {
		fsys := crashdisk.New()
		o := small(fsys)
		o.upkeepEvery = time.Millisecond
		d := newDriver(t, rng, open(t, o))
		for range rng.IntN(600) {
			d.act(12)
			if rng.IntN(80) == 0 {
				d.save()
			}
		}
		durable := d.store.Durable()
		pause := time.Duration(rng.IntN(3)) * time.Millisecond
		r := busy(d, slowly{t.Context(), func() { time.Sleep(pause) }})
		if r.err != nil {
			t.Fatal(r.err)
		}
		if r.b.Last < durable {
			t.Fatalf("record %d was durable before the backup began, which ends at %d", durable, r.b.Last)
		}
		if d.store.backups.through() != 1<<64-1 {
			t.Error("the log is held still")
		}
		original := d.store.Manifest
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		clean(t, fsys)
		// The disk that has the backup is all that is left, and only what was synced of it.
		disk := fsys.CrashClone(vfs.CrashCloneCfg{})
		if err := disk.RemoveAll(dataDir); err != nil {
			t.Fatal(err)
		}
		b, err := Restore(backupDir, restoredDir, disk)
		if err != nil {
			t.Fatal(err)
		}
		m, err := loadManifest(disk, restoredDir, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if m.Node == original.Node || m.RestoredFrom != original.Node || m.Epoch <= original.Epoch || m.IDKey != original.IDKey {
			t.Errorf("%+v was restored as %+v", original, m)
		}
		verified(t, d, disk, b)
	}
}

// TestBackupCrash takes the disk away while a backup is being written: the original is whole, and
// the backup is not there, or whole.
func TestBackupCrash(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	whole, none := 0, 0
	for round := range 30 {
		fsys := crashdisk.New()
		o := small(fsys)
		d := newDriver(t, rng, open(t, o))
		for range 200 {
			d.act(12)
		}
		d.save()
		crash := rng.IntN(30)
		// The disk is taken away on the goroutine of the backup, while the driver draws from its own source.
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rand.New(rand.NewPCG(seed, uint64(2+round)))}
		var disk *crashdisk.Disk
		asked := 0
		r := busy(d, slowly{t.Context(), func() {
			if asked++; asked == crash {
				disk = fsys.CrashClone(cfg)
			}
		}})
		if r.err != nil {
			t.Fatal(r.err)
		}
		if disk == nil { // The backup was done before.
			disk = fsys.CrashClone(cfg)
		}
		if err := d.store.Close(); err != nil {
			t.Fatal(err)
		}
		clean(t, disk)
		b, err := Restore(backupDir, restoredDir, disk)
		switch {
		case errors.Is(err, ErrNoBackup):
			none++
			if _, err := Restore(backupDir+partialSuffix, restoredDir, disk); err == nil {
				t.Error("a backup that was never finished was restored")
			}
			o.FS = disk // Another try is not stopped by what is left of the first.
			d.rewind(open(t, o))
			if _, err := d.store.Backup(t.Context(), backupDir); err != nil {
				t.Fatal(err)
			}
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
			if b, err = Restore(backupDir, restoredDir, disk); err != nil {
				t.Fatal(err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			whole++
		}
		verified(t, d, disk, b)
	}
	if whole == 0 || none == 0 {
		t.Errorf("%d backups were whole, %d not there: all of one kind", whole, none)
	}
}

// TestBackupGivesUp: a backup that is called off, or for which room gets tight, leaves nothing
// behind, and does not keep the log.
func TestBackupGivesUp(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	for name, spoil := range map[string]func(s *Store, cancel func()){
		"called off": func(_ *Store, cancel func()) { cancel() },
		"the log":    func(s *Store, _ func()) { s.o.LogBytesMax = 1 },
		"the disk":   func(s *Store, _ func()) { s.o.FS = full{s.o.FS} },
	} {
		t.Run(name, func(t *testing.T) {
			fsys := crashdisk.New()
			o := small(fsys)
			over := make(chan struct{})
			o.Pace = func(who string) func() {
				return func() {
					if who == "upkeep" { // It reads those fields, too.
						<-over
					}
				}
			}
			d := newDriver(t, rng, open(t, o))
			for range 300 {
				d.act(12)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			asked := 0
			b, err := d.store.Backup(slowly{ctx, func() {
				if asked++; asked == 3 {
					spoil(d.store, cancel)
				}
			}}, backupDir)
			if err == nil {
				t.Fatalf("it was made: %+v", b)
			}
			for _, dir := range []string{backupDir, backupDir + partialSuffix, fsys.PathJoin(dataDir, checkpointDir)} {
				if _, err := fsys.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is there", dir)
				}
			}
			if d.store.backups.through() != 1<<64-1 {
				t.Error("the log is held still")
			}
			close(over)
			if err := d.store.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// full is a file system without room.
type full struct{ vfs.FS }

func (full) GetDiskUsage(string) (vfs.DiskUsage, error) { return vfs.DiskUsage{AvailBytes: 1}, nil }

// TestRestoreRefuses: a backup with any file damaged, cut short or missing is refused by the name of
// the file, and so is a target that has something already, and a backup of a newer program.
func TestRestoreRefuses(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	fsys := vfs.NewMem()
	d := newDriver(t, rng, open(t, small(fsys)))
	for range 400 {
		d.act(12)
		if rng.IntN(60) == 0 {
			d.save()
		}
	}
	b, err := d.store.Backup(t.Context(), backupDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(backupDir, dataDir, fsys); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another directory: %v", err)
	}
	whole := dump(t, fsys, backupDir)
	refused := func(what, file string) {
		t.Helper()
		_, err := Restore(backupDir, restoredDir, fsys)
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s %s: %v", file, what, err)
		}
		for _, dir := range []string{restoredDir, restoredDir + partialSuffix} {
			if _, err := fsys.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s %s: %s is there", file, what, dir)
			}
		}
		restore(t, fsys, backupDir, whole)
	}
	for _, f := range append(b.Files, BackupFile{Path: backupName, Bytes: 300}) {
		path := fsys.PathJoin(backupDir, f.Path)
		if f.Bytes > 0 {
			flip(t, fsys, path, rng.IntN(int(f.Bytes)))
			refused("with a bit flipped", f.Path)
		}
		if err := fsys.Remove(path); err != nil {
			t.Fatal(err)
		}
		refused("missing", f.Path)
		text := whole[path]
		if err := write(fsys, path, text+"x"); err != nil {
			t.Fatal(err)
		}
		refused("with a byte more", f.Path)
	}
	b.Format = backupFormat + 1
	text, err := b.encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := write(fsys, fsys.PathJoin(backupDir, backupName), string(text)); err != nil {
		t.Fatal(err)
	}
	refused("of a newer program", "newer program")
	if _, err := Restore(backupDir, restoredDir, fsys); err != nil {
		t.Error(err)
	}
}

// TestBackupOfNothing: a directory in which nothing happened yet is backed up as well.
func TestBackupOfNothing(t *testing.T) {
	fsys := vfs.NewMem()
	if err := open(t, small(fsys)).Close(); err != nil {
		t.Fatal(err)
	}
	b, err := BackupOf(t.Context(), dataDir, backupDir, small(fsys))
	if err != nil {
		t.Fatal(err)
	}
	for _, within := range []string{dataDir, dataDir + "/backup", dataDir + "/./x/../state"} {
		if _, err := BackupOf(t.Context(), dataDir, within, small(fsys)); !errors.Is(err, errInData) {
			t.Errorf("a backup to %s: %v", within, err)
		}
	}
	whole := dump(t, fsys, backupDir)
	if _, err := Open(backupDir, small(fsys)); !errors.Is(err, ErrIsBackup) {
		t.Errorf("a backup was opened: %v", err)
	}
	if diff := gocmp.Diff(whole, dump(t, fsys, backupDir)); diff != "" {
		t.Errorf("who tried to open the backup changed it:\n%.500s", diff)
	}
	if _, err := Restore(backupDir, restoredDir, fsys); err != nil {
		t.Fatal(err)
	}
	verified(t, newDriver(t, rand.New(rand.NewPCG(1, 1)), nil), fsys, b)
}
