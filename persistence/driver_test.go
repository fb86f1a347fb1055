package persistence

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/engine"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the randomized tests; 0 draws one")

func drawSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with: go test ./persistence -run '^%s$' -seed %d", t.Name(), seed)
	return seed
}

const dataDir = "dir/data"

// small are options by which a few records make many segments and buckets, and recovery scans the
// items after it has loaded some.
func small(fs vfs.FS) Options {
	return Options{
		FS: fs, Partitions: 4, SegmentBytes: 8 << 10, LogKeep: 1, CacheBytes: 1 << 20, KeyBytes: 1 << 20, scanFrom: 3,
	}
}

func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(dataDir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// driver does with a store what the actors do, and keeps in the plainest way what must come back.
type driver struct {
	t     testing.TB
	rng   *rand.Rand
	store *Store
	now   engine.Time
	turn  engine.Turn
	items map[string]*driven
	keys  []usedKey
	open  []engine.ReservationRef
	cmds  int
	// log has every record that was appended. When the store fails, err says how, if it may.
	log     []*engine.Record
	mayFail bool
	err     error
}

// driven is an item as the driver knows it.
type driven struct {
	stock     *engine.Stock
	last      uint64
	note      any
	dirty     bool
	movements []engine.Movement
}

// usedKey is a key, where it was used, and the answer.
type usedKey struct {
	home   string
	hash   [16]byte
	index  uint64
	act    int
	at     engine.Time
	answer engine.Answer
}

func newDriver(t testing.TB, rng *rand.Rand, s *Store) *driver {
	return &driver{t: t, rng: rng, store: s, now: 1_800_000_000_000, items: make(map[string]*driven)}
}

func (d *driver) item(sku string) *driven {
	if it := d.items[sku]; it != nil {
		return it
	}
	it := &driven{stock: engine.NewStock(sku)}
	it.stock.Track()
	d.items[sku] = it
	return it
}

// order sorts SKUs as visits go.
func (d *driver) order(skus []string) []string {
	slices.SortFunc(skus, func(a, b string) int {
		if c := cmp.Compare(d.store.partitionOf(a), d.store.partitionOf(b)); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	return slices.Compact(skus)
}

// do decides a batch of commands in one turn and appends what comes of it, unless it is refused.
func (d *driver) do(cmds ...*engine.Command) bool {
	d.t.Helper()
	var skus []string
	for _, c := range cmds {
		if c.SKU != "" {
			skus = append(skus, c.SKU)
		}
		for _, l := range c.Lines {
			skus = append(skus, l.SKU)
		}
		if home := c.Reservation.Home; home != "" {
			others, _ := d.item(home).stock.Participants(c.Reservation.Nonce)
			skus = append(append(skus, home), others...)
		}
	}
	skus = d.order(skus)
	var stocks []*engine.Stock
	for _, sku := range skus {
		d.expire(sku)
		stocks = append(stocks, d.item(sku).stock)
	}
	if d.err != nil {
		return false
	}
	d.turn.Begin(d.now, stocks)
	for _, c := range cmds {
		if r := d.turn.Decide(c); r.Refused() {
			return false
		}
	}
	d.append(&d.turn.Record)
	return true
}

// append applies a record and logs it, and notes what must be found later.
func (d *driver) append(r *engine.Record) {
	d.t.Helper()
	var stocks []*engine.Stock
	var prev []uint64
	for _, sku := range r.SKUs {
		stocks = append(stocks, d.items[sku].stock)
		prev = append(prev, d.items[sku].last)
	}
	r.Apply(stocks)
	index, err := d.store.Append(r, prev, nil)
	if err != nil {
		if d.err = err; !d.mayFail {
			d.t.Fatal(err)
		}
		return
	}
	if want := uint64(len(d.log) + 1); index != want {
		d.t.Fatalf("record %d got index %d", want, index)
	}
	d.log = append(d.log, copyOf(r))
	d.note(r, index)
}

// note keeps what must be found later of a record that was applied.
func (d *driver) note(r *engine.Record, index uint64) {
	for _, sku := range r.SKUs {
		d.items[sku].last, d.items[sku].dirty = index, true
	}
	r.Movements(func(_ int, m *engine.Movement) bool {
		d.items[m.SKU].movements = append(d.items[m.SKU].movements, *m)
		return true
	})
	for i := range r.Acts {
		act := &r.Acts[i]
		if act.KeyHash != ([16]byte{}) {
			d.keys = append(d.keys, usedKey{homeOf(r, act), act.KeyHash, index, i, r.Time, r.Answer(i)})
		}
		if ref := act.Reservation; ref.Nonce != 0 && (act.Op == engine.OpReserve || act.Op == engine.OpCommit) {
			d.open = append(d.open, ref)
		}
	}
}

func copyOf(r *engine.Record) *engine.Record {
	c := &engine.Record{Time: r.Time, SKUs: slices.Clone(r.SKUs), Acts: slices.Clone(r.Acts)}
	for i := range c.Acts {
		c.Acts[i].Events = slices.Clone(c.Acts[i].Events)
	}
	return c
}

// rewind goes back to the end of a log that a crash has cut short, and takes the items from the
// store that was opened on it.
func (d *driver) rewind(s *Store) {
	d.t.Helper()
	log := d.log[:s.wal.Last()]
	d.store, d.log, d.items, d.keys, d.open, d.err = s, log, make(map[string]*driven), nil, nil, nil
	for i, r := range log {
		var stocks []*engine.Stock
		for _, sku := range r.SKUs {
			stocks = append(stocks, d.item(sku).stock)
		}
		r.Apply(stocks)
		d.note(r, uint64(i+1))
	}
	for _, it := range d.items {
		it.dirty = false
	}
	d.reload(false)
}

func (d *driver) expire(sku string) {
	var r engine.Record
	for d.err == nil && d.item(sku).stock.Expire(d.now, &r) {
		d.append(&r)
	}
}

// act does something at random with one or a few of n items.
func (d *driver) act(n int) {
	d.now += engine.Time(d.rng.IntN(500))
	sku := func() string { return fmt.Sprintf("item-%03d", d.rng.IntN(n)) }
	cmd := func(op engine.Op) *engine.Command {
		d.cmds++
		return &engine.Command{Op: op, Key: fmt.Sprint("key-", d.cmds), Actor: "driver", SKU: sku(), Location: fmt.Sprint("loc-", d.rng.IntN(3)), Quantity: int64(1 + d.rng.IntN(9))}
	}
	order := func() *engine.Command {
		c := cmd(engine.OpReserve)
		c.SKU, c.Location, c.Quantity = "", "", 0
		c.TTL, c.Owner = int64(1+d.rng.IntN(60_000)), "somebody"
		c.Reservation.Nonce = d.rng.Uint64() | 1
		for range 1 + d.rng.IntN(4) {
			c.Lines = append(c.Lines, engine.Line{SKU: sku(), Quantity: int64(1 + d.rng.IntN(3))})
		}
		return c
	}
	switch d.rng.IntN(9) {
	case 0:
		c := cmd(engine.OpPutItem)
		c.Settings = engine.Settings{ReorderPoint: int64(d.rng.IntN(5)), SafetyStock: map[string]int64{"loc-0": int64(d.rng.IntN(3))}}
		d.do(c)
	case 1, 2:
		d.do(cmd(engine.OpReceive))
	case 3:
		d.do(cmd(engine.OpReceive), order(), cmd(engine.OpRestock))
	case 4, 5:
		d.do(order())
	default:
		if len(d.open) == 0 {
			return
		}
		i := d.rng.IntN(len(d.open))
		ops := []engine.Op{engine.OpConfirm, engine.OpRelease, engine.OpExtend, engine.OpFulfill, engine.OpCancel}
		c := &engine.Command{Op: ops[d.rng.IntN(len(ops))], Key: fmt.Sprint("step-", d.cmds), Reservation: d.open[i]}
		d.cmds++
		if !d.do(c) && !d.items[d.open[i].Home].stock.HasHold(d.open[i].Nonce) {
			d.open = slices.Delete(d.open, i, i+1)
		}
	}
}

// save writes the items that changed and commits.
func (d *driver) save() {
	d.t.Helper()
	if err := d.trySave(); err != nil {
		d.t.Fatal(err)
	}
}

func (d *driver) trySave() error {
	through := d.store.Durable()
	for _, sku := range slices.Sorted(maps.Keys(d.items)) {
		if it := d.items[sku]; it.dirty && it.stock.Exists() {
			var im engine.Image
			for it.stock.Capture(&im, 1+d.rng.IntN(20)) {
			}
			if err := d.store.waitDurable(it.last); err != nil {
				return err
			}
			note, err := d.store.Save(&im, it.last, it.note)
			if err != nil {
				return err
			}
			it.note, it.dirty = note, false
		}
	}
	return d.store.Commit(through)
}

// durable waits until everything is on disk.
func (d *driver) durable() {
	d.t.Helper()
	if err := d.store.waitDurable(d.store.wal.Last()); err != nil {
		d.t.Fatal(err)
	}
}
