package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"math"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
	"github.com/skua-stock/skua/persistence/wal"
)

// Report is what Check found.
type Report struct {
	Items     int    `json:"items"`
	Holds     int    `json:"holds"`
	Records   uint64 `json:"log_records"`
	First     uint64 `json:"log_first"`
	Last      uint64 `json:"log_last"`
	Through   uint64 `json:"snapshot_through"`
	Buckets   int    `json:"history_buckets"`
	Movements uint64 `json:"history_movements"`
	// Replayed is how many items were made again from their first record on and compared with their
	// snapshot.
	Replayed int `json:"items_replayed"`
	// Damage lists what is wrong, at most damageMax findings.
	Damage []string `json:"damage"`
}

// damageMax bounds how many findings a report lists.
const damageMax = 100

func (r *Report) damage(format string, args ...any) {
	if len(r.Damage) < damageMax {
		r.Damage = append(r.Damage, fmt.Sprintf(format, args...))
	}
}

// Check verifies a data directory that nobody uses, and writes nothing: that log, snapshots and
// history can be read to the end; that every item keeps its invariant; that an item's records
// follow each other without a gap, through history and log, and lead exactly to what its snapshot
// says. An error means that it could not be checked; damage is in the report.
func Check(dir string, fsys vfs.FS) (*Report, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	if _, err := fsys.Stat(dir); err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	manifest, err := loadManifest(fsys, dir, 0, nil)
	var damaged damagedManifest
	if errors.As(err, &damaged) {
		r := &Report{}
		r.damage("%v", err)
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	lock, err := fsys.Lock(fsys.PathJoin(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("check %s: lock, is another process using it? %w", dir, err)
	}
	defer lock.Close()
	c := &checker{
		fs: fsys, dir: dir, numbers: make([]uint64, manifest.Partitions),
		items: make(map[string]*checked), deadlines: make(map[string]engine.Time),
	}
	if err := c.survive(); err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	return &c.report, nil
}

// checker goes over a data directory.
type checker struct {
	fs        vfs.FS
	dir       string
	report    Report
	snapshots *snapshot.DB
	items     map[string]*checked
	deadlines map[string]engine.Time
	numbers   []uint64 // of the last record seen, by partition
	begins    uint64   // the first record that the history has
	converted uint64   // the last one
	bucket    uint32   // that is gone through; 0 for the log
	decoder   codec.Decoder
	entry     codec.Entry
}

// place says where a record is.
func (c *checker) place(index uint64) string {
	if c.bucket == 0 {
		return fmt.Sprintf("log record %d", index)
	}
	return fmt.Sprintf("history bucket %d, record %d", c.bucket, index)
}

// survive runs the check; what Pebble panics with when it meets damage is a finding.
func (c *checker) survive() (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.report.damage("%v", p)
		}
	}()
	return c.run()
}

func (c *checker) run() error {
	there, err := snapshot.Exists(c.fs, c.fs.PathJoin(c.dir, snapshotDir))
	if err != nil {
		return err
	}
	if there {
		switch err := c.openSnapshots(); {
		case errors.Is(err, fs.ErrPermission):
			return err
		case err != nil: // Without them it cannot be said what the log should have.
			c.report.damage("open the snapshots: %v", err)
			return nil
		}
		defer c.snapshots.Close() //nolint:errcheck // It was only read.
		if err := c.history(); err != nil {
			// What the log has cannot be held against it either.
			c.report.damage("history: %v", err)
			c.begins, c.converted = 0, 0
			clear(c.items)
		}
	}
	switch ok, err := c.log(); {
	case err != nil:
		return err
	case !ok || !there:
		return nil
	}
	return c.finish()
}

func (c *checker) openSnapshots() (err error) {
	path := c.fs.PathJoin(c.dir, snapshotDir)
	c.snapshots, err = snapshot.Open(path, snapshot.Options{FS: c.fs, ReadOnly: true, OnFailure: func(err error) {
		c.report.damage("%v", err)
	}})
	if err != nil {
		return err
	}
	if c.report.Through, err = c.snapshots.Through(); err != nil {
		return errors.Join(err, c.snapshots.Close())
	}
	return nil
}

// history goes through the buckets, which must follow each other, and so must an item's records.
func (c *checker) history() error {
	buckets, err := c.snapshots.Buckets()
	if err != nil {
		return err
	}
	c.report.Buckets = len(buckets)
	defer func() { c.bucket = 0 }()
	for _, b := range buckets {
		c.bucket = b.Number
		if c.begins == 0 {
			c.begins = b.First
		}
		if c.converted != 0 && b.First != c.converted+1 {
			c.report.damage("history bucket %d begins at record %d, but the one before ends at %d", b.Number, b.First, c.converted)
		}
		c.converted = b.Last
		err := c.snapshots.HistoryRows(b.Number, func(sku string, index uint64, entry []byte) error {
			if err := c.decoder.Entry(entry, &c.entry); err != nil {
				c.report.damage("%s of %q: %v", c.place(index), sku, err)
				return nil
			}
			for i := range c.entry.Record.SKUs {
				if c.entry.Record.SKUs[i] == sku {
					c.report.Movements += c.see(index, i)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("bucket %d: %w", b.Number, err)
		}
	}
	return nil
}

// log goes through the log. It reports false when the log is damaged, so that nothing can be said of
// where it leads.
func (c *checker) log() (ok bool, err error) {
	log, err := wal.Open(c.fs.PathJoin(c.dir, logDir), wal.Options{FS: c.fs, Recover: c.record, ReadOnly: true})
	var corrupt *wal.CorruptionError
	switch {
	case errors.As(err, &corrupt):
		c.report.damage("%v", corrupt)
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	default:
		c.report.First, c.report.Last = log.First(), log.Last()
		if err := log.Close(); err != nil {
			return false, err
		}
	}
	if c.report.Through > c.report.Last {
		c.report.damage("the snapshots cover the log through record %d, but it ends at %d", c.report.Through, c.report.Last)
	}
	if covered := max(c.converted, c.report.Through); c.report.First > covered+1 {
		c.report.damage("the log begins at record %d, but snapshots and history end at %d", c.report.First, covered)
	}
	return true, nil
}

// record takes one record of the log.
func (c *checker) record(index uint64, b []byte) error {
	c.report.Records++
	if err := c.decoder.Entry(b, &c.entry); err != nil {
		c.report.damage("log record %d: %v", index, err)
		return nil
	}
	for _, p := range c.entry.Positions {
		if int(p.Partition) >= len(c.numbers) {
			c.report.damage("log record %d: partition %d of %d", index, p.Partition, len(c.numbers))
			continue
		}
		if was := c.numbers[p.Partition]; was != 0 && p.Number != was+1 {
			c.report.damage("log record %d: number %d in partition %d after %d", index, p.Number, p.Partition, was)
		}
		c.numbers[p.Partition] = p.Number
	}
	for i, sku := range c.entry.Record.SKUs {
		if it := c.items[sku]; c.begins <= index && index <= c.converted && (it == nil || it.last < index) {
			c.report.damage("history lacks record %d of %q", index, sku)
		}
		c.see(index, i)
	}
	return nil
}

// finish checks every item: its own invariant, its deadline, and that it is where history and log
// lead to.
func (c *checker) finish() error {
	err := c.snapshots.Expiring(math.MaxInt64-1, func(sku string, at engine.Time) bool {
		if was, ok := c.deadlines[sku]; ok {
			c.report.damage("item %q: deadlines %d and %d are noted, there can be one", sku, was, at)
		}
		c.deadlines[sku] = at
		return true
	})
	if err == nil {
		err = c.snapshots.Items("", func(sku string) bool {
			c.report.Items++
			c.finishItem(sku)
			return true
		})
	}
	if err != nil {
		c.report.damage("%v", err)
	}
	for sku, at := range c.deadlines {
		c.report.damage("item %q: deadline %d is noted, but no hold is due then", sku, at)
	}
	for sku, it := range c.items {
		c.finishRecords(sku, it)
	}
	return nil
}

func (c *checker) finishItem(sku string) {
	s, last, _, err := c.snapshots.Load(sku)
	if err != nil {
		c.report.damage("%v", err)
		return
	}
	c.report.Holds += s.Holds()
	if err := s.Check(); err != nil {
		c.report.damage("snapshot: %v", err)
	}
	if last > c.report.Last {
		c.report.damage("item %q: the snapshot is as of record %d, but the log ends at %d", sku, last, c.report.Last)
	}
	if at, next := c.deadlines[sku], s.NextExpiry(); at != next {
		c.report.damage("item %q: a hold is due at %d, but the deadline that is noted is %d", sku, next, at)
	}
	delete(c.deadlines, sku)
}
