package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench/retail"
	"github.com/skua-stock/skua/engine"
)

// replayCmd sells a year of a real shop's orders through the public API.
type replayCmd struct {
	caller
	File    string  `arg:"" help:"CSV of invoice,sku,qty,time,price; gzip by its name."`
	HTTP    string  `name:"http" help:"URL of the HTTP door." default:"http://127.0.0.1:8080" placeholder:"URL"`
	NATS    string  `name:"nats" help:"URL of a NATS server; goes that way instead of over HTTP." placeholder:"URL"`
	Rate    float64 `help:"Documents a second; 0 is as fast as they go." default:"0"`
	Workers int     `help:"Documents at once. With 1 the outcome is the same every time." default:"8"`
	Stock   float64 `help:"Opening stock, as a share of all that is ordered." default:"0.9"`
	Limit   int     `help:"Only so many documents; 0 is all." default:"0"`
	Run_    string  `name:"run" help:"Name of the run, part of every key: the same run again is told the same." default:"replay"`
	JSON    bool    `name:"json" help:"Print the result as JSON."`
}

// replay is one run.
type replay struct {
	cfg  *replayCmd
	shop shop
	docs []retail.Document
	mu   sync.Mutex // over what follows
	book retail.Book
	// opening is what each item had when it had got its opening stock. On an empty server that is the
	// opening stock; on another, what was there before is there still.
	opening map[string]level
	sum     tally
}

// replayLocation is where everything happens.
const replayLocation = "main"

// level is an item at a location, as the server says.
type level struct {
	OnHand         int64 `json:"on_hand"`
	Available      int64 `json:"available"`
	Reserved       int64 `json:"reserved"`
	Committed      int64 `json:"committed"`
	SafetyStock    int64 `json:"safety_stock"`
	Damaged        int64 `json:"damaged"`
	QualityControl int64 `json:"quality_control"`
	Other          int64 `json:"other"`
	Backordered    int64 `json:"backordered"`
}

// Validate refuses settings that make no sense.
func (c *replayCmd) Validate() error {
	if c.Workers < 1 {
		return errors.New("--workers must be at least 1")
	}
	if !(c.Rate >= 0) || !(c.Stock >= 0 && c.Stock <= openingShareMax) || c.Limit < 0 {
		return fmt.Errorf("--rate, --stock and --limit must not be negative, and --stock at most %d", openingShareMax)
	}
	return nil
}

// Run replays, and compares every level of every item with a book that was kept apart.
func (c *replayCmd) Run(o output) error {
	s, err := openShop(c)
	if err != nil {
		return err
	}
	defer s.Close()
	r := &replay{cfg: c, shop: s, opening: make(map[string]level)}
	if err := r.load(); err != nil {
		return err
	}
	if len(r.docs) == 0 {
		return fmt.Errorf("%s has no orders", c.File)
	}
	began := time.Now()
	r.book = retail.Opening(r.docs, c.Stock)
	if err := r.open(); err != nil {
		return fmt.Errorf("opening stock: %w", err)
	}
	if err := r.sell(o); err != nil {
		return err
	}
	r.sum.Seconds = time.Since(began).Seconds()
	if err := r.verify(o); err != nil {
		return err
	}
	if err := r.print(o); err != nil {
		return err
	}
	if r.sum.Mismatches > 0 {
		return errDamaged
	}
	return nil
}

func (r *replay) load() (err error) {
	f, err := os.Open(r.cfg.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var in io.Reader = f
	if strings.HasSuffix(r.cfg.File, ".gz") {
		if in, err = gzip.NewReader(f); err != nil {
			return fmt.Errorf("read %s: %w", r.cfg.File, err)
		}
	}
	_, r.sum.LinesSkipped, err = retail.Read(in, func(d retail.Document) error {
		if r.cfg.Limit == 0 || len(r.docs) < r.cfg.Limit {
			r.docs = append(r.docs, d.Split(engine.LinesMax)...)
		}
		return nil
	})
	return err
}

// open makes every item and receives its opening stock.
func (r *replay) open() error {
	type item struct {
		sku   string
		units int64
	}
	items := make(chan item)
	share := maps.Clone(r.book)
	failed := make(chan struct{})
	go func() {
		defer close(items)
		for sku, units := range share {
			select {
			case items <- item{sku, units}:
			case <-failed:
				return
			}
		}
	}()
	var once sync.Once
	r.sum.Items = len(share)
	return parallel(max(8, r.cfg.Workers), func() (err error) {
		defer func() {
			if err != nil {
				once.Do(func() { close(failed) })
			}
		}()
		for it := range items {
			if err := r.receive(it.sku, it.units); err != nil {
				return err
			}
		}
		return nil
	})
}

// receive makes an item and gives it its opening stock. The book begins with what is there then.
func (r *replay) receive(sku string, units int64) error {
	if err := r.must("put_item", sku, "", r.key("item", sku), struct{}{}); err != nil {
		return err
	}
	body := map[string]any{"location": replayLocation, "quantity": units, "reason": "import"}
	b, code, err := r.shop.do("receive", sku, "", r.key("opening", sku), body)
	if code == engine.IdempotencyKeyParameterMismatch.String() {
		return fmt.Errorf("the run %q was begun with another file, --stock or --limit; choose another name with --run", r.cfg.Run_)
	}
	if err := answered(code, err); err != nil {
		return fmt.Errorf("receive %s: %w", sku, err)
	}
	var change struct {
		Sequence uint64 `json:"sequence"`
		Level    level  `json:"level"`
	}
	if err := json.Unmarshal(b, &change); err != nil {
		return fmt.Errorf("receive %s: read the answer: %w", sku, err)
	}
	// The second movement of an item that was just made: there is nothing but the opening stock.
	if fresh := (level{OnHand: units, Available: units}); change.Sequence == 2 && change.Level != fresh {
		return fmt.Errorf("receive %s: %d units of a new item come to %+v", sku, units, change.Level)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.book[sku], r.opening[sku] = change.Level.Available, change.Level
	return nil
}

// parallel runs f on so many goroutines and returns the first that failed.
func parallel(n int, f func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *replay) key(parts ...any) string {
	return r.cfg.Run_ + "-" + strings.TrimSpace(strings.ReplaceAll(fmt.Sprintln(parts...), " ", "-"))
}

// sell sends the documents, at the chosen rate.
func (r *replay) sell(o output) error {
	bar := progress(o, len(r.docs), "documents", r.cfg.JSON)
	docs := make(chan retail.Document)
	failed := make(chan struct{})
	go func() {
		defer close(docs)
		began := time.Now()
		for i, d := range r.docs {
			if r.cfg.Rate > 0 {
				time.Sleep(time.Until(began.Add(time.Duration(float64(i) / r.cfg.Rate * float64(time.Second)))))
			}
			select {
			case docs <- d:
			case <-failed:
				return
			}
		}
	}()
	var once sync.Once
	err := parallel(r.cfg.Workers, func() error {
		for d := range docs {
			if err := r.document(d); err != nil {
				once.Do(func() { close(failed) })
				return fmt.Errorf("invoice %s: %w", d.Invoice, err)
			}
			bar.Increment()
		}
		return nil
	})
	bar.finish()
	return err
}

func (r *replay) document(d retail.Document) error {
	r.mu.Lock()
	predicted := r.book.Can(d)
	r.mu.Unlock()
	done, err := r.send(d)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if done != predicted {
		r.sum.Mispredicted++
	}
	if done {
		r.book.Add(d)
	}
	r.sum.add(d, done)
	return nil
}

// send does a document: an order is reserved, confirmed and fulfilled. It reports false when the
// engine refused for want of stock.
func (r *replay) send(d retail.Document) (done bool, err error) {
	switch d.Kind {
	case retail.Return:
		for i, l := range d.Lines {
			body := map[string]any{"location": "main", "quantity": l.Quantity, "reference_document_uri": "invoice:" + d.Invoice}
			if err := r.must("restock", l.SKU, "", r.key("return", d.Number, i), body); err != nil {
				return false, err
			}
		}
		return true, nil
	case retail.WriteOff:
		return r.writeOff(d)
	}
	var lines []map[string]any
	for _, l := range d.Lines {
		lines = append(lines, map[string]any{"sku": l.SKU, "location": "main", "quantity": l.Quantity})
	}
	body := map[string]any{"lines": lines, "ttl_ms": 600_000, "owner": "invoice-" + d.Invoice, "reference_document_uri": "invoice:" + d.Invoice}
	b, code, err := r.shop.do("reserve", "", "", r.key("reserve", d.Number, len(d.Lines), d.Lines[0].SKU), body)
	if code == engine.InsufficientStock.String() {
		return false, nil
	}
	if err := answered(code, err); err != nil {
		return false, err
	}
	var res reservation
	if err := json.Unmarshal(b, &res); err != nil {
		return false, fmt.Errorf("read a reservation: %w", err)
	}
	for _, step := range []string{"confirm", "fulfill"} {
		if err := r.must(step, "", res.ID, r.key(step, d.Number, res.ID), struct{}{}); err != nil {
			return false, err
		}
	}
	return true, nil
}

// writeOff takes all lines or none, as one atomic batch, since that is how the book does it.
func (r *replay) writeOff(d retail.Document) (done bool, err error) {
	var ops []map[string]any
	for i, l := range d.Lines {
		ops = append(ops, map[string]any{
			"op": "adjust", "sku": l.SKU, "location": "main", "delta": -l.Quantity, "state": "available", "reason": "shrinkage",
			"idempotency_key": r.key("writeoff", d.Number, i), "reference_document_uri": "invoice:" + d.Invoice,
		})
	}
	b, code, err := r.shop.do("batch", "", "", "", map[string]any{"error_policy": "reject_everything", "operations": ops})
	if err := answered(code, err); err != nil {
		return false, err
	}
	var res struct {
		Results []struct {
			Status int    `json:"status"`
			Code   string `json:"code"`
		} `json:"results"`
	}
	if err := json.Unmarshal(b, &res); err != nil {
		return false, fmt.Errorf("read a batch: %w", err)
	}
	for _, one := range res.Results {
		if one.Code == engine.InsufficientStock.String() || one.Code == engine.LinkedLineFailed.String() {
			return false, nil
		}
		if one.Status >= 400 {
			return false, fmt.Errorf("write off: %s", b)
		}
	}
	return true, nil
}

// must does an operation that the engine has no reason to refuse.
func (r *replay) must(op, sku, id, key string, body any) error {
	_, code, err := r.shop.do(op, sku, id, key, body)
	if err := answered(code, err); err != nil {
		return fmt.Errorf("%s %s%s: %w", op, sku, id, err)
	}
	return nil
}

func answered(code string, err error) error {
	if err == nil && code != "" {
		return errors.New(code)
	}
	return err
}
