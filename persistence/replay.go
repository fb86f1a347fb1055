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
// goroutine reads them, sees that their places in the books follow each other, finds their items,
// decodes them and gathers their keys; another applies them.
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
	skim    codec.Skim
	decoder codec.Decoder
	keys    gatheredKeys
	open    *piece        // is being filled
	skus    []skimmedItem // of its records
	names   []string      // of the same

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

// replayed is a record of a piece: where its bytes and its items end, and what it says.
type replayed struct {
	index      uint64
	end, items int
	entry      codec.Entry
}

// replayedItem is an item of a record.
type replayedItem struct {
	item  *replayedStock
	nonce uint64 // of the reservation that the record is about, if it is one
}

// skimmedItem is an item of a record before it is found.
type skimmedItem struct {
	sku  []byte // in the bytes of the piece
	hash uint64
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
	p, e := r.open, &r.skim
	from := len(p.bytes)
	var err error
	if index > r.through { // It is decoded with the rest of the piece.
		p.bytes = append(p.bytes, record...)
		record = p.bytes[from:]
		err = e.Head(record)
	} else {
		err = e.Read(record)
	}
	if err != nil {
		return fmt.Errorf("decode record %d: %w", index, err)
	}
	r.last = index
	if e.Epoch < s.epoch { // Of an owner that had lost the partition when it wrote.
		p.bytes = p.bytes[:from]
		if err := e.Read(record); err != nil {
			return fmt.Errorf("decode record %d: %w", index, err)
		}
		return nil
	}
	s.epoch = e.Epoch
	if err := s.follow(index, e.Positions); err != nil {
		return err
	}
	s.lastTime.Store(max(s.lastTime.Load(), int64(e.Time)))
	switch {
	case index > r.through:
		r.records++
		r.add(index, e)
	case index > s.converted.Load():
		eachSkimmedKey(e, func(hash uint64) { r.keys.put(hash, index, e.Time) })
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

// add adds a record to the open piece, whose bytes have it already.
func (r *recovery) add(index uint64, e *codec.Skim) {
	p := r.open
	for _, sku := range e.SKUs {
		r.skus = append(r.skus, skimmedItem{sku: sku})
	}
	if n := len(p.records); n < cap(p.records) {
		p.records = p.records[:n+1] // With the memory of the entry that was there.
	}
	rec := &p.records[len(p.records)-1]
	rec.index, rec.end, rec.items = index, len(p.bytes), len(r.skus)
}

// hand finds the items of the piece, decodes it, and hands it on.
func (r *recovery) hand() error {
	p := r.open
	if len(p.records) == 0 {
		return nil
	}
	if err := r.find(p); err != nil {
		return err
	}
	if err := r.decode(p); err != nil {
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
	for i := range r.skus {
		r.skus[i].hash = r.items.hash(r.skus[i].sku)
	}
	w := uint64(0)
	for i := range r.skus {
		w += r.items.glance(r.skus[i].hash)
	}
	for i := range r.skus {
		w += r.items.glanceAtItem(r.skus[i].hash)
	}
	r.warmth += w
	for i := range r.skus {
		si := &r.skus[i]
		it := r.items.get(si.hash, si.sku)
		if it == nil {
			it = &recovered{sku: string(si.sku)}
			r.items.put(si.hash, it)
		}
		if it.replayed == nil {
			if err := r.load(it); err != nil {
				return err
			}
		}
		p.items = append(p.items, replayedItem{item: it.replayed})
		r.names = append(r.names, it.sku)
	}
	r.skus = r.skus[:0]
	return r.scan()
}

// decode decodes the records of a piece, and gathers their keys.
func (r *recovery) decode(p *piece) error {
	converted := r.store.converted.Load()
	from, items := 0, 0
	for i := range p.records {
		rec := &p.records[i]
		if err := r.decoder.EntryOf(r.names[items:rec.items], p.bytes[from:rec.end], &rec.entry); err != nil {
			return fmt.Errorf("decode record %d: %w", rec.index, err)
		}
		record := &rec.entry.Record
		if rec.index > converted {
			eachKey(record, func(hash uint64) { r.keys.put(hash, rec.index, record.Time) })
		}
		if len(record.Acts) > 0 {
			for j := items; j < rec.items; j++ {
				p.items[j].nonce = record.Acts[0].Reservation.Nonce
			}
		}
		from, items = rec.end, rec.items
	}
	r.names = r.names[:0]
	return nil
}

// load takes an item from the snapshots, or from what was scanned of them.
func (r *recovery) load(it *recovered) (err error) {
	r.loaded++
	at := new(replayedStock)
	if it.rows != nil {
		at.stock, at.last, it.note, err = r.store.snapshots.Restore(it.sku, it.rows)
		it.rows = nil
	} else {
		at.stock, at.last, it.note, err = r.store.snapshots.Load(it.sku)
	}
	it.replayed = at
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
		p.empty()
		r.free <- p
	}
}

// empty empties the piece, and keeps its memory but for what large records took.
func (p *piece) empty() {
	from := 0
	for i := range p.records {
		if rec := &p.records[i]; rec.end-from > replayBytesKept {
			rec.entry = codec.Entry{}
		}
		from = p.records[i].end
	}
	p.bytes, p.records, p.items = p.bytes[:0], p.records[:0], p.items[:0]
}

// applier applies records to their items.
type applier struct {
	stocks []*engine.Stock // of a record
	ahead  []*engine.Stock // of a piece, with nonces
	nonces []uint64
	warmth uint64
}

func (a *applier) apply(p *piece) error {
	w := uint64(0)
	for i := range p.items {
		w += p.items[i].item.last
	}
	a.ahead, a.nonces = a.ahead[:0], a.nonces[:0]
	for i := range p.items {
		a.ahead, a.nonces = append(a.ahead, p.items[i].item.stock), append(a.nonces, p.items[i].nonce)
	}
	a.warmth += w + engine.Warm(a.ahead, a.nonces)
	items := 0
	for i := range p.records {
		rec := &p.records[i]
		if err := a.one(rec.index, &rec.entry.Record, p.items[items:rec.items]); err != nil {
			return err
		}
		items = rec.items
	}
	return nil
}

// one applies a record to those of its items that lack it.
func (a *applier) one(index uint64, record *engine.Record, items []replayedItem) (err error) {
	a.stocks = a.stocks[:0]
	for i := range items {
		it := items[i].item
		var stock *engine.Stock
		if index > it.last {
			stock = it.stock
			it.last, it.dirty = index, true
		}
		a.stocks = append(a.stocks, stock)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("record %d does not fit the state before it: %v", index, p)
		}
	}()
	record.Apply(a.stocks)
	return nil
}

// recovered is an item that the log may have records of beyond its snapshot, for the goroutine that
// reads: the one that applies has what it writes elsewhere, since the two would pull at the cache
// line with every record.
type recovered struct {
	sku      string
	rows     []byte // of the snapshots, until the stock is made of them; nil if they were not scanned
	note     *snapshot.Note
	replayed *replayedStock // nil until the log has a record of the item
}

// replayedStock is a stock as of its last record, for the goroutine that applies.
type replayedStock struct {
	stock *engine.Stock
	last  uint64
	dirty bool
}
