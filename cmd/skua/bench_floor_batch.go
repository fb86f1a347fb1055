package main

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/skua-stock/skua/gateway"
)

// batch answers a batch once what it says is on disk. The answer may be in out.
func (f *floorWork) batch(raw []byte, out *text) ([]byte, error) {
	if f.turns != nil {
		return f.decided(raw, out)
	}
	answer, n, err := f.batches.answer(raw)
	if err != nil {
		return nil, err
	}
	return answer, f.disk.await(n)
}

// decided has a batch read and answered as at the door of a server.
func (f *floorWork) decided(raw []byte, out *text) ([]byte, error) {
	answer, p := f.turns.Batch(context.Background(), &gateway.Caller{}, out.AvailableBuffer(), raw)
	if p != nil {
		return nil, fmt.Errorf("do a batch: %s", p.Detail)
	}
	out.keep(answer)
	return answer, nil
}

// floorBatches are the constants that batches are answered with, by the number of their operations:
// one that was not full when there was nothing to wait for has fewer.
type floorBatches struct {
	result []byte

	mu  sync.Mutex
	all [][]byte
}

// floorResultOf is the result of an operation in a batch.
func floorResultOf(answer []byte) []byte { return append([]byte(`{"status":201,`), answer[1:]...) }

// floorOperation begins an operation of a batch, and stands nowhere else in those of the load. A floor
// that does not understand a batch has at least to know how many records to write.
var floorOperation = []byte(`{"op":"`)

// answer finds the answer to a batch, and how many operations it has.
func (b *floorBatches) answer(raw []byte) (answer []byte, operations int, err error) {
	n := bytes.Count(raw, floorOperation)
	if n == 0 || n > gateway.BatchOperationsMax {
		return nil, 0, fmt.Errorf("a batch has %d operations", n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n >= len(b.all) {
		b.all = append(b.all, make([][]byte, n+1-len(b.all))...)
	}
	if b.all[n] == nil {
		results := bytes.Join(slices.Repeat([][]byte{b.result}, n), []byte{','})
		b.all[n] = slices.Concat([]byte(`{"results":[`), results, []byte("]}"))
	}
	return b.all[n], n, nil
}

// text is memory for a request or an answer that is used again.
type text struct{ bytes.Buffer }

var texts = sync.Pool{New: func() any { return new(text) }}

func takeText() *text { return texts.Get().(*text) }

func (t *text) free() {
	t.Reset()
	texts.Put(t)
}

// keep has the memory of what was written into the buffer's stay with it, for it may have grown.
func (t *text) keep(b []byte) { t.Buffer = *bytes.NewBuffer(b) }
