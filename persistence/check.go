package persistence

import (
	"errors"
	"fmt"
	"io/fs"

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
	// Replayed is how many items were made from the log alone and compared with their snapshot.
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
// follow each other without a gap and lead exactly to what its snapshot says. An error means that
// it could not be checked; damage is in the report.
func Check(dir string, fsys vfs.FS) (*Report, error) {
	if fsys == nil {
		fsys = vfs.Default
	}
	if _, err := fsys.Stat(dir); err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	manifest, err := loadManifest(fsys, dir, 0, false)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	lock, err := fsys.Lock(fsys.PathJoin(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("check %s: lock, is another process using it? %w", dir, err)
	}
	defer lock.Close()
	c := &checker{fs: fsys, dir: dir, partitions: manifest.Partitions, items: make(map[string]*checked)}
	if err := c.run(); err != nil {
		return nil, fmt.Errorf("check %s: %w", dir, err)
	}
	return &c.report, nil
}

// checker goes over a data directory.
type checker struct {
	fs         vfs.FS
	dir        string
	partitions int
	report     Report
	snapshots  *snapshot.DB
	items      map[string]*checked
	numbers    []uint64
	decoder    codec.Decoder
	entry      codec.Entry
}

// checked is an item under check: the stock that its records led to so far, if they are all there
// from the first, or else only the last counts of each level.
type checked struct {
	stock    *engine.Stock // replayed from the first record; nil when the log begins later
	sequence uint64
	counts   map[engine.LevelKey]engine.Counts
	last     uint64
	snapshot uint64 // the record that its snapshot is as of
	compared bool
}

func (c *checker) run() error {
	var err error
	if c.snapshots, err = c.openSnapshots(); err != nil {
		return err
	}
	defer c.snapshots.Close()
	if c.report.Through, err = c.snapshots.Through(); err != nil {
		return err
	}
	if err := c.history(); err != nil {
		return err
	}
	c.numbers = make([]uint64, c.partitions)
	log, err := wal.Open(c.fs.PathJoin(c.dir, logDir), wal.Options{FS: c.fs, Recover: c.record, ReadOnly: true})
	var corrupt *wal.CorruptionError
	switch {
	case errors.As(err, &corrupt):
		c.report.damage("%v", corrupt)
		return nil
	case errors.Is(err, fs.ErrNotExist) && c.report.Through == 0:
	case err != nil:
		return err
	default:
		c.report.First, c.report.Last = log.First(), log.Last()
		if err := log.Close(); err != nil {
			return err
		}
	}
	if c.report.Through > c.report.Last {
		c.report.damage("the snapshots cover the log through record %d, but it ends at %d", c.report.Through, c.report.Last)
	}
	return c.snapshotItems()
}

func (c *checker) openSnapshots() (*snapshot.DB, error) {
	return snapshot.Open(c.fs.PathJoin(c.dir, snapshotDir), snapshot.Options{FS: c.fs, ReadOnly: true, OnFailure: func(err error) {
		c.report.damage("%v", err)
	}})
}

// history checks that each item's movements in the buckets follow each other.
func (c *checker) history() error {
	buckets, err := c.snapshots.Buckets()
	if err != nil {
		return err
	}
	c.report.Buckets = len(buckets)
	last := make(map[string]uint64)
	for _, b := range buckets {
		err := c.snapshots.HistoryRows(b.Number, func(sku string, index uint64, entry []byte) error {
			if err := c.decoder.Entry(entry, &c.entry); err != nil {
				c.report.damage("history bucket %d, item %q, record %d: %v", b.Number, sku, index, err)
				return nil
			}
			c.entry.Record.Movements(func(_ int, m *engine.Movement) bool {
				if m.SKU != sku {
					return true
				}
				c.report.Movements++
				if was := last[sku]; was != 0 && m.Sequence != was+1 {
					c.report.damage("history bucket %d, item %q: movement %d follows %d", b.Number, sku, m.Sequence, was)
				}
				last[sku] = m.Sequence
				return true
			})
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// record takes one record of the log.
func (c *checker) record(index uint64, b []byte) error {
	c.report.Records++
	if err := c.decoder.Entry(b, &c.entry); err != nil {
		c.report.damage("log record %d: %v", index, err)
		return nil
	}
	for _, p := range c.entry.Positions {
		switch {
		case int(p.Partition) >= c.partitions:
			c.report.damage("log record %d: partition %d of %d", index, p.Partition, c.partitions)
		case c.numbers[p.Partition] != 0 && p.Number != c.numbers[p.Partition]+1:
			c.report.damage("log record %d: number %d in partition %d after %d", index, p.Number, p.Partition, c.numbers[p.Partition])
			fallthrough
		default:
			c.numbers[p.Partition] = p.Number
		}
	}
	r := &c.entry.Record
	for i, sku := range r.SKUs {
		it, err := c.item(sku)
		if err != nil {
			return err
		}
		if index > it.snapshot {
			c.compare(sku, it)
		}
		if prev := c.entry.Prev[i]; it.last != 0 && prev != it.last {
			c.report.damage("log record %d: the record of %q before is said to be %d, but is %d", index, sku, prev, it.last)
		}
		it.last = index
		c.follow(index, i, sku, it)
	}
	return nil
}

// item starts the check of an item at its first record in the log.
func (c *checker) item(sku string) (*checked, error) {
	if it := c.items[sku]; it != nil {
		return it, nil
	}
	_, last, _, err := c.snapshots.Load(sku)
	if err != nil {
		c.report.damage("%v", err)
	}
	it := &checked{counts: make(map[engine.LevelKey]engine.Counts), snapshot: last}
	if len(c.entry.Record.Acts) > 0 && c.creates(sku) {
		it.stock = engine.NewStock(sku)
	}
	c.items[sku] = it
	return it, nil
}

// creates reports whether the record at hand is the first of an item.
func (c *checker) creates(sku string) bool {
	r := &c.entry.Record
	for a := range r.Acts {
		for i := range r.Acts[a].Events {
			if e := &r.Acts[a].Events[i]; r.SKUs[e.Stock] == sku && e.Type == engine.ItemCreated {
				return true
			}
		}
	}
	return false
}

// follow applies a record to an item: wholly if its life is in the log, else by the movements.
func (c *checker) follow(index uint64, i int, sku string, it *checked) {
	r := &c.entry.Record
	r.Movements(func(_ int, m *engine.Movement) bool {
		if m.SKU != sku {
			return true
		}
		if it.sequence != 0 && m.Sequence != it.sequence+1 {
			c.report.damage("log record %d: movement %d of %q follows %d", index, m.Sequence, sku, it.sequence)
		}
		it.sequence = m.Sequence
		if m.Settings == nil {
			if was, ok := it.counts[m.Level]; ok && was != m.Before {
				c.report.damage("log record %d: movement %d of %q at %q begins at %+v, but the one before ended at %+v",
					index, m.Sequence, sku, m.Level.Location, m.Before, was)
			}
			it.counts[m.Level] = m.After
		}
		return true
	})
	if it.stock == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			c.report.damage("log record %d does not fit: %v", index, p)
			it.stock = nil
		}
	}()
	stocks := make([]*engine.Stock, len(r.SKUs))
	stocks[i] = it.stock
	r.Apply(stocks)
}

// compare holds an item as of its snapshot against the snapshot.
func (c *checker) compare(sku string, it *checked) {
	if it.compared || it.sequence == 0 || it.snapshot == 0 {
		return
	}
	it.compared = true
	s, _, _, err := c.snapshots.Load(sku)
	if err != nil {
		c.report.damage("%v", err)
		return
	}
	if s.Sequence() != it.sequence {
		c.report.damage("item %q: the snapshot is at sequence %d, the log leads to %d", sku, s.Sequence(), it.sequence)
	}
	view := s.View()
	for _, l := range view.Levels {
		if was, ok := it.counts[l.Key]; ok && was != l.Counts {
			c.report.damage("item %q at %q: the snapshot has %+v, the log leads to %+v", sku, l.Key.Location, l.Counts, was)
		}
	}
	if it.stock != nil {
		c.report.Replayed++
		if s.Holds() != it.stock.Holds() {
			c.report.damage("item %q: the snapshot has %d open reservations, the log leads to %d", sku, s.Holds(), it.stock.Holds())
		}
	}
}

// snapshotItems checks every item: its own invariant, and that it is where the log leads to.
func (c *checker) snapshotItems() error {
	err := c.snapshots.Items("", func(sku string) bool {
		c.report.Items++
		s, last, _, err := c.snapshots.Load(sku)
		if err != nil {
			c.report.damage("%v", err)
			return true
		}
		c.report.Holds += s.Holds()
		if err := s.Check(); err != nil {
			c.report.damage("snapshot: %v", err)
		}
		if last > c.report.Last {
			c.report.damage("item %q: the snapshot is as of record %d, but the log ends at %d", sku, last, c.report.Last)
		}
		return true
	})
	if err != nil {
		return err
	}
	for sku, it := range c.items {
		if it.snapshot >= it.last {
			c.compare(sku, it)
		}
		if it.stock == nil {
			continue
		}
		if err := it.stock.Check(); err != nil {
			c.report.damage("replayed from the log: %v", err)
		}
	}
	return nil
}
