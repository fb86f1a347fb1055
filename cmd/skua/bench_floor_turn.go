package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/wal"
)

// turnSite is the engine on a log with nothing between: the items behind one lock, no actors, no
// memory of keys, no history, no snapshots, and nothing that could be recovered by.
type turnSite struct {
	*logSite
	driver *turnDriver
	batch  int
}

func (f *benchFlags) openFloorTurn(ctx context.Context, dir string, w bench.Workload) (site, error) {
	l, err := openLogSite(dir)
	if err != nil {
		return nil, err
	}
	s := &turnSite{l, newTurnDriver(l.log, w.SKUs), f.Batch}
	if err := bench.Seed(ctx, s.driver, w); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *turnSite) target(way string, _ int) (*bench.Target, func(), error) {
	t := &bench.Target{Driver: s.driver, Dir: s.dir}
	if way == floorTurns {
		t.Driver = together{inProcess{port: turnPort{driver: s.driver}}, s.batch}
	}
	return t, func() {}, nil
}

// turnDriver takes a turn for each command. Nothing expires: the holds of a load live longer than it
// is measured, and an item has room for all of them.
type turnDriver struct {
	log *wal.Log

	mu    sync.Mutex
	items map[string]*turnItem
	turn  engine.Turn
	entry codec.Entry
	buf   []byte
	nonce uint64

	held   []*turnItem // by the turn, as the stocks and the indexes of their records before it
	stocks []*engine.Stock
	prev   []uint64

	ahead  []*turnItem // those that warm reads, and theirs
	warmed []*engine.Stock
	warmth uint64 // of no meaning; it keeps the reads from being left out
}

// turnItem is an item, and the index of its last record.
type turnItem struct {
	stock *engine.Stock
	last  uint64
}

// newTurnDriver knows so many items, which do not exist yet.
func newTurnDriver(log *wal.Log, items int) *turnDriver {
	d := &turnDriver{log: log, items: make(map[string]*turnItem, items)}
	for i := range items {
		sku := bench.SKU(i)
		d.items[sku] = &turnItem{stock: engine.NewStock(sku)}
	}
	return d
}

// Start implements bench.Driver.
func (d *turnDriver) Start(c *engine.Command, done func(error)) {
	w := appendeds.Get().(*appended)
	w.done = done
	d.mu.Lock()
	err := d.decide(c)
	if err == nil {
		err = d.append(w)
	}
	d.mu.Unlock()
	if err != nil {
		w.Durable(err)
	}
}

// warm reads a little of all that the commands of a piece will need, side by side, as the actors do:
// who waits for one line of memory after another takes longer than Skua. The lock is held.
func (d *turnDriver) warm(piece []*engine.Command) {
	d.ahead = d.ahead[:0]
	for _, c := range piece {
		for i := range c.Lines {
			if it := d.items[c.Lines[i].SKU]; it != nil {
				d.ahead = append(d.ahead, it)
			}
		}
	}
	for _, it := range d.ahead {
		d.warmth += it.last
	}
	d.warmed = d.warmed[:0]
	for _, it := range d.ahead {
		d.warmed = append(d.warmed, it.stock)
	}
	d.warmth += engine.Warm(d.warmed, nil)
}

// decide takes the turn of a command. The lock is held, here and until it is appended.
func (d *turnDriver) decide(c *engine.Command) error {
	d.nonce++
	if c.Op == engine.OpReserve {
		c.Reservation = engine.ReservationRef{Nonce: d.nonce}
	}
	if err := d.hold(c); err != nil {
		return err
	}
	d.turn.Begin(engine.Time(time.Now().UnixMilli()), d.stocks)
	if r := d.turn.Decide(c); r.Refused() {
		return errors.New(r.Code.String())
	}
	return nil
}

var errNoItem = errors.New("there is no such item")

// hold finds the items of a command, each once and in the order of their names.
func (d *turnDriver) hold(c *engine.Command) error {
	d.held, d.stocks, d.prev = d.held[:0], d.stocks[:0], d.prev[:0]
	if len(c.Lines) == 0 {
		d.held = append(d.held, d.items[c.SKU])
	}
	for i := range c.Lines {
		d.held = append(d.held, d.items[c.Lines[i].SKU])
	}
	if slices.Contains(d.held, nil) {
		return errNoItem
	}
	if len(d.held) > 1 {
		slices.SortFunc(d.held, func(a, b *turnItem) int { return strings.Compare(a.stock.SKU(), b.stock.SKU()) })
		d.held = slices.Compact(d.held)
	}
	for _, it := range d.held {
		d.stocks, d.prev = append(d.stocks, it.stock), append(d.prev, it.last)
	}
	return nil
}

// append applies what was decided, and logs it. w is told when that is durable, unless there is an
// error.
func (d *turnDriver) append(w wal.Waiter) error {
	d.turn.Record.Apply(d.stocks)
	d.entry.Positions = append(d.entry.Positions[:0], codec.Position{Number: d.nonce})
	d.entry.Prev, d.entry.Record = d.prev, d.turn.Record
	d.buf = codec.AppendEntry(d.buf[:0], &d.entry)
	index, err := d.log.Append(d.buf, w)
	for _, it := range d.held {
		it.last = index
	}
	return err
}
