package persistence

import (
	"fmt"
	"math"
	"sync"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/codec"
	"github.com/skua-stock/skua/persistence/snapshot"
)

// recovery brings the snapshots up to the end of the log. It goes through the log in pieces. One
// goroutine reads them, sees that their places in the books follow each other, gathers their keys and
// finds their items; another applies them.
//
// With many items nearly everything that a record touches is not in the processor's cache. So both
// read a little of what a whole piece needs before they begin with its first record: the processor
// waits for all of it at once.
type recovery struct {
	store   *Store
	through uint64 // the snapshots cover the log so far
	items   itemTable
	loaded  int // items
	scanAt  int // how many must be loaded before it is asked whether to scan all
	last    uint64
	records uint64
	warmth  uint64 // of no meaning; it keeps the reads ahead from being left out

	// Of the goroutine that reads.
	skim codec.Skim
	keys gatheredKeys
	open *piece // is being filled

	free, full chan *piece
	applier    sync.WaitGroup
	stopped    bool
	dead       chan struct{} // is closed when applying failed, with err
	err        error
}

// piece is some records of the log that their items may lack.
type piece struct {
	bytes   []byte
	records []replayed
	items   []replayedItem
}

// replayed is a record of a piece: where its bytes and its items end.
type replayed struct {
	index      uint64
	end, items int
}

// replayedItem is an item of a record. nonce is a reservation that the record is about.
type replayedItem struct {
	sku   []byte // in the bytes of the piece
	hash  uint64
	nonce uint64
	item  *recovered
}

func newRecovery(s *Store) *recovery {
	r := &recovery{
		store: s, items: newItemTable(), free: make(chan *piece, replayPieces), full: make(chan *piece, replayPieces),
		dead: make(chan struct{}), open: newPiece(), scanAt: s.o.scanFrom, keys: gatheredKeys{recall: s.recall},
	}
	for range replayPieces - 1 {
		r.free <- newPiece()
	}
	r.applier.Go(r.applyAll)
	return r
}

func newPiece() *piece {
	return &piece{bytes: make([]byte, 0, replayBytes), records: make([]replayed, 0, replayRecords)}
}

// replay takes one record of the log.
func (r *recovery) replay(index uint64, record []byte) error {
	s := r.store
	if r.last == 0 && index > r.through+1 {
		return s.lacks("the snapshots cover the log through", r.through, index)
	}
	p := r.open
	from := len(p.bytes)
	if index > r.through {
		p.bytes = append(p.bytes, record...)
		record = p.bytes[from:]
	}
	e := &r.skim
	if err := e.Read(record); err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	r.last = index
	if e.Epoch < s.epoch {
		p.bytes = p.bytes[:from]
		return nil // Of an owner that had lost the partition when it wrote.
	}
	s.epoch = e.Epoch
	if err := s.follow(index, e.Positions); err != nil {
		return err
	}
	s.lastTime.Store(max(s.lastTime.Load(), int64(e.Time)))
	if index > s.converted.Load() {
		eachSkimmedKey(e, func(hash uint64) { r.keys.put(hash, index, e.Time) })
	}
	if index > r.through {
		r.records++
		p.add(index, e)
	}
	if len(p.records) == replayRecords || len(p.bytes) >= replayBytes {
		return r.hand()
	}
	return nil
}

// follow takes the numbers of a record in its partitions, which have no gaps.
func (s *Store) follow(index uint64, positions []codec.Position) error {
	for _, p := range positions {
		if int(p.Partition) >= len(s.partitions) {
			return fmt.Errorf("record %d is of partition %d of %d", index, p.Partition, len(s.partitions))
		}
		part := &s.partitions[p.Partition]
		if part.number != 0 && p.Number != part.number+1 {
			return fmt.Errorf("record %d has number %d in partition %d after %d", index, p.Number, p.Partition, part.number)
		}
		part.number = p.Number
	}
	return nil
}

func (p *piece) add(index uint64, e *codec.Skim) {
	nonce := uint64(0)
	if len(e.Acts) > 0 {
		nonce = e.Acts[0].Nonce
	}
	for _, sku := range e.SKUs {
		p.items = append(p.items, replayedItem{sku: sku, nonce: nonce})
	}
	p.records = append(p.records, replayed{index, len(p.bytes), len(p.items)})
}

// hand finds the items of the piece, and hands it on.
func (r *recovery) hand() error {
	p := r.open
	if len(p.records) == 0 {
		return nil
	}
	if err := r.find(p); err != nil {
		return err
	}
	select {
	case r.full <- p:
	case <-r.dead:
		return r.err
	}
	select {
	case r.open = <-r.free:
	case <-r.dead:
		return r.err
	}
	return nil
}

// find finds the items of a piece, and loads those that are new.
func (r *recovery) find(p *piece) error {
	for i := range p.items {
		p.items[i].hash = r.items.hash(p.items[i].sku)
	}
	w := uint64(0)
	for i := range p.items {
		w += r.items.glance(p.items[i].hash)
	}
	r.warmth += w
	for i := range p.items {
		ri := &p.items[i]
		if ri.item = r.items.get(ri.hash, ri.sku); ri.item == nil {
			ri.item = &recovered{sku: string(ri.sku)}
			r.items.put(ri.hash, ri.item)
		}
		if ri.item.stock == nil {
			if err := r.load(ri.item); err != nil {
				return err
			}
		}
	}
	return r.scan()
}

// load takes an item from the snapshots, or from what was scanned of them.
func (r *recovery) load(it *recovered) (err error) {
	r.loaded++
	if it.rows != nil {
		it.stock, it.last, it.note, err = r.store.snapshots.Restore(it.sku, it.rows)
		it.rows = nil
	} else {
		it.stock, it.last, it.note, err = r.store.snapshots.Load(it.sku)
	}
	return err
}

// scan reads all items of the snapshots, as far as there is room, once so many were loaded one by
// one that this is likely to be faster for the rest.
func (r *recovery) scan() error {
	if r.loaded < r.scanAt {
		return nil
	}
	r.scanAt *= 2
	n, err := r.store.snapshots.Estimate()
	if err != nil || r.loaded < n/scanFraction {
		return err
	}
	r.scanAt = math.MaxInt
	var room []byte
	size := 0
	return r.store.snapshots.Scan(func(sku, rows []byte) bool {
		hash := r.items.hash(sku)
		if r.items.get(hash, sku) != nil {
			return true
		}
		if len(room)+len(rows) > cap(room) {
			room = make([]byte, 0, max(scanRoom, len(rows)))
			size += cap(room)
		}
		from := len(room)
		room = append(room, rows...)
		r.items.put(hash, &recovered{sku: string(sku), rows: room[from:len(room):len(room)]})
		return size < scanBytesMax
	})
}

// finish files what keys wait, and waits until everything is applied.
func (r *recovery) finish() error {
	if err := r.hand(); err != nil {
		return err
	}
	r.keys.file()
	return r.stop()
}

// stop ends the applying, and says what was wrong with it. It may be called again.
func (r *recovery) stop() error {
	if !r.stopped {
		r.stopped = true
		close(r.full)
		r.applier.Wait()
	}
	return r.err
}

// applyAll applies pieces as they come.
func (r *recovery) applyAll() {
	a := &applier{}
	for p := range r.full {
		if err := a.apply(p); err != nil {
			r.err = err
			close(r.dead)
			return
		}
		clear(p.items)
		p.bytes, p.records, p.items = p.bytes[:0], p.records[:0], p.items[:0]
		r.free <- p
	}
}

// applier applies records to their items.
type applier struct {
	decoder codec.Decoder
	entry   codec.Entry
	skus    []string
	stocks  []*engine.Stock
	warmth  uint64
}

func (a *applier) apply(p *piece) error {
	w := uint64(0)
	for i := range p.items {
		w += p.items[i].item.last
	}
	for stage := range engine.WarmStages {
		for i := range p.items {
			w += p.items[i].item.stock.Warm(stage, p.items[i].nonce)
		}
	}
	a.warmth += w
	from, items := 0, 0
	for _, rec := range p.records {
		if err := a.one(rec.index, p.bytes[from:rec.end], p.items[items:rec.items]); err != nil {
			return err
		}
		from, items = rec.end, rec.items
	}
	return nil
}

// one applies a record to those of its items that lack it.
func (a *applier) one(index uint64, record []byte, items []replayedItem) (err error) {
	a.skus, a.stocks = a.skus[:0], a.stocks[:0]
	for i := range items {
		it := items[i].item
		a.skus = append(a.skus, it.sku)
		var stock *engine.Stock
		if index > it.last {
			stock = it.stock
			it.last, it.dirty = index, true
		}
		a.stocks = append(a.stocks, stock)
	}
	if err := a.decoder.EntryOf(a.skus, record, &a.entry); err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("record %d does not fit the state before it: %v", index, p)
		}
	}()
	a.entry.Record.Apply(a.stocks)
	return nil
}

// recovered is an item that the log has records of beyond its snapshot.
type recovered struct {
	sku   string
	rows  []byte        // of the snapshots, until the stock is made of them; nil if they were not scanned
	stock *engine.Stock // nil until the log has a record of the item
	last  uint64
	note  *snapshot.Note
	dirty bool
}
