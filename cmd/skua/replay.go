package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/skua-stock/skua/bench/retail"
	"github.com/skua-stock/skua/engine"
)

// replayCmd sells a year of a real shop's orders through the public API.
type replayCmd struct {
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

// tally is what came of a replay.
type tally struct {
	Documents       int   `json:"documents"`
	LinesSkipped    int   `json:"lines_skipped"`
	Items           int   `json:"items"`
	Orders          int   `json:"orders_sold"`
	OrdersRefused   int   `json:"orders_refused"`
	UnitsSold       int64 `json:"units_sold"`
	UnitsRefused    int64 `json:"units_refused"`
	Returns         int   `json:"returns"`
	UnitsReturned   int64 `json:"units_returned"`
	WriteOffs       int   `json:"write_offs"`
	WriteOffRefused int   `json:"write_offs_refused"`
	// Mispredicted counts documents that the naive book would have decided otherwise; it is only
	// meaningful, and then zero, with one worker.
	Mispredicted int     `json:"mispredicted"`
	Mismatches   int     `json:"mismatches"`
	Seconds      float64 `json:"seconds"`
}

// replay is one run.
type replay struct {
	cfg  *replayCmd
	shop shop
	docs []retail.Document
	mu   sync.Mutex // over what follows
	book retail.Book
	sum  tally
}

// Run replays, and compares every level of every item with a book that was kept apart.
func (c *replayCmd) Run(o output) error {
	s, err := openShop(c)
	if err != nil {
		return err
	}
	defer s.Close()
	r := &replay{cfg: c, shop: s}
	if err := r.load(); err != nil {
		return err
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

func (r *replay) load() error {
	f, err := os.Open(r.cfg.File)
	if err != nil {
		return err
	}
	defer f.Close()
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
	go func() {
		defer close(items)
		for sku, units := range r.book {
			items <- item{sku, units}
		}
	}()
	r.sum.Items = len(r.book)
	return parallel(max(8, r.cfg.Workers), func() error {
		for it := range items {
			if err := r.must("put_item", it.sku, "", r.key("item", it.sku), struct{}{}); err != nil {
				return err
			}
			body := map[string]any{"location": "main", "quantity": it.units, "reason": "import"}
			if err := r.must("receive", it.sku, "", r.key("opening", it.sku), body); err != nil {
				return err
			}
		}
		return nil
	})
}

// parallel runs f on so many goroutines and returns what failed.
func parallel(n int, f func() error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *replay) key(parts ...any) string {
	return r.cfg.Run_ + "-" + strings.TrimSpace(strings.ReplaceAll(fmt.Sprintln(parts...), " ", "-"))
}

// sell sends the documents, at the chosen rate.
func (r *replay) sell(o output) error {
	bar := progress(o, len(r.docs), r.cfg.JSON)
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

func (t *tally) add(d retail.Document, done bool) {
	t.Documents++
	var units int64
	for _, l := range d.Lines {
		units += l.Quantity
	}
	switch {
	case d.Kind == retail.Order && done:
		t.Orders++
		t.UnitsSold += units
	case d.Kind == retail.Order:
		t.OrdersRefused++
		t.UnitsRefused += units
	case d.Kind == retail.Return:
		t.Returns++
		t.UnitsReturned += units
	case done:
		t.WriteOffs++
	default:
		t.WriteOffRefused++
	}
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

// verify compares every item with the book.
func (r *replay) verify(o output) error {
	for sku, want := range r.book {
		b, code, err := r.shop.do("get_item", sku, "", "", nil)
		if err := answered(code, err); err != nil {
			return fmt.Errorf("read item %s: %w", sku, err)
		}
		var it item
		if err := json.Unmarshal(b, &it); err != nil {
			return fmt.Errorf("read item %s: %w", sku, err)
		}
		t := it.Totals
		if t["on_hand"] != want || t["available"] != want || t["reserved"] != 0 || t["committed"] != 0 || len(it.Levels) != 1 {
			r.sum.Mismatches++
			fmt.Fprintf(o.err, "mismatch: %s should have %d on hand and nothing promised, has %v\n", sku, want, t)
		}
	}
	return nil
}

func (r *replay) print(o output) error {
	if r.cfg.JSON {
		enc := json.NewEncoder(o.out)
		enc.SetIndent("", "  ")
		return enc.Encode(r.sum)
	}
	t := &r.sum
	fmt.Fprintf(o.out, "sold      %d orders, %d units\n", t.Orders, t.UnitsSold)
	fmt.Fprintf(o.out, "refused   %d orders, %d units, for want of stock\n", t.OrdersRefused, t.UnitsRefused)
	fmt.Fprintf(o.out, "returned  %d documents, %d units\n", t.Returns, t.UnitsReturned)
	fmt.Fprintf(o.out, "lost      %d write-offs, %d more refused\n", t.WriteOffs, t.WriteOffRefused)
	fmt.Fprintf(o.out, "books     %d items compared, %d mismatches\n", t.Items, t.Mismatches)
	fmt.Fprintf(o.out, "took      %.1f s for %d documents\n", t.Seconds, t.Documents)
	return nil
}

// bar shows progress on a terminal, and nothing elsewhere.
type bar struct {
	all *mpb.Progress
	one *mpb.Bar
}

func progress(o output, total int, quiet bool) *bar {
	f, ok := o.err.(*os.File)
	if quiet || !ok {
		return &bar{}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return &bar{}
	}
	p := mpb.New(mpb.WithOutput(f), mpb.WithWidth(60))
	return &bar{all: p, one: p.AddBar(int64(total),
		mpb.PrependDecorators(decor.CountersNoUnit("%d of %d documents ")),
		mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))}
}

func (b *bar) Increment() {
	if b.one != nil {
		b.one.Increment()
	}
}

func (b *bar) finish() {
	if b.one != nil {
		b.one.Abort(false) // Also after a failure, when it is not full.
		b.all.Wait()
	}
}
