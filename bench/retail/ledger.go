// Package retail reads the ledger of a real shop as the documents that a stock engine sees:
// orders, returns and write-offs. It also has a book of its own, written apart from the engine, to
// compare with at the end.
package retail

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// Kind is what a document does.
type Kind int

// The kinds of documents.
const (
	Order    Kind = iota // goods go out
	Return               // goods come back
	WriteOff             // goods are gone
)

// Line is so many units of an item.
type Line struct {
	SKU      string
	Quantity int64
}

// Document is one invoice, or the part of one that is of one kind.
type Document struct {
	Kind    Kind
	Invoice string
	// Number is the document's place in the ledger, from 0.
	Number int
	Lines  []Line
}

// Read reads a CSV with the columns invoice, sku, qty, time, price (and more) and calls yield with
// every document in order. skipped counts lines that move no goods.
func Read(r io.Reader, yield func(Document) error) (lines, skipped int, err error) {
	in := csv.NewReader(r)
	in.ReuseRecord = true
	in.FieldsPerRecord = -1
	var doc Document
	number := 0
	flush := func() error {
		if len(doc.Lines) == 0 {
			return nil
		}
		doc.Number = number
		number++
		err := yield(doc)
		doc = Document{}
		return err
	}
	for {
		rec, err := in.Read()
		if errors.Is(err, io.EOF) {
			return lines, skipped, flush()
		}
		if err != nil {
			return lines, skipped, fmt.Errorf("read the ledger: %w", err)
		}
		if len(rec) < 5 {
			return lines, skipped, fmt.Errorf("read the ledger: line %d has %d fields, want 5 or more", lines+1, len(rec))
		}
		if rec[0] == "invoice" {
			continue
		}
		lines++
		quantity, err := strconv.ParseInt(rec[2], 10, 64)
		if err != nil {
			return lines, skipped, fmt.Errorf("read the ledger: line %d: quantity: %w", lines, err)
		}
		if quantity == math.MinInt64 { // What comes back of it could not be counted.
			return lines, skipped, fmt.Errorf("read the ledger: line %d: quantity %d is too low", lines, quantity)
		}
		sku := strings.TrimSpace(rec[1])
		if sku == "" || quantity == 0 || strings.HasPrefix(rec[0], "A") {
			skipped++
			continue
		}
		kind := Order
		switch {
		case strings.HasPrefix(rec[0], "C"):
			kind = Return
		case quantity < 0:
			kind = WriteOff
		}
		if rec[0] != doc.Invoice || kind != doc.Kind {
			if err := flush(); err != nil {
				return lines, skipped, err
			}
			doc.Kind, doc.Invoice = kind, strings.Clone(rec[0])
		}
		doc.Lines = append(doc.Lines, Line{strings.Clone(sku), max(quantity, -quantity)})
	}
}

// Opening is the stock to begin with: a share of what all orders ask for, so that some of them
// must be refused. Every item has one unit at least.
func Opening(docs []Document, share float64) Book {
	b := make(Book)
	for _, d := range docs {
		for _, l := range d.Lines {
			n := int64(0)
			if d.Kind == Order {
				n = l.Quantity
			}
			b[l.SKU] += n
		}
	}
	for sku, n := range b {
		b[sku] = max(1, int64(float64(n)*share))
	}
	return b
}

// Book is what is on hand of each item, kept as simply as can be.
type Book map[string]int64

// Can reports whether a document can be booked: an order or a write-off needs all its units there.
func (b Book) Can(d Document) bool {
	if d.Kind == Return {
		return true
	}
	need := make(map[string]int64)
	for _, l := range d.Lines {
		need[l.SKU] += l.Quantity
	}
	for sku, n := range need {
		if b[sku] < n {
			return false
		}
	}
	return true
}

// Add books a document.
func (b Book) Add(d Document) {
	for _, l := range d.Lines {
		if d.Kind == Return {
			b[l.SKU] += l.Quantity
		} else {
			b[l.SKU] -= l.Quantity
		}
	}
}

// Split cuts a document into parts of at most so many lines, as an engine may want it.
func (d Document) Split(most int) []Document {
	var parts []Document
	for lines := d.Lines; len(lines) > 0; {
		n := min(most, len(lines))
		part := d
		part.Lines = lines[:n]
		parts = append(parts, part)
		lines = lines[n:]
	}
	return parts
}
