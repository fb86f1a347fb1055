package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
)

// slot is where one request waits for its answer.
type slot struct {
	answer engine.Answer
	ready  chan struct{}
	timer  *time.Timer
	// put is the method fill, bound once so that handing it over allocates nothing.
	put func(*engine.Answer)
}

var slots = sync.Pool{New: func() any {
	s := &slot{ready: make(chan struct{}, 1), timer: time.NewTimer(time.Hour)}
	s.timer.Stop()
	s.put = s.fill
	return s
}}

func (s *slot) fill(a *engine.Answer) {
	s.answer = *a
	s.ready <- struct{}{} // There is room for one, and fill is called once.
}

// wait sleeps until the answer is there. When it returns false the slot was given up, and must
// not be used again: the answer may still come.
func (s *slot) wait(ctx context.Context, atMost time.Duration) bool {
	s.timer.Reset(atMost)
	select {
	case <-s.ready:
		s.timer.Stop()
		return true
	case <-s.timer.C:
	case <-ctx.Done():
		s.timer.Stop()
	}
	return false
}

// free gives the slot back after wait returned true.
func (s *slot) free() {
	s.answer = engine.Answer{}
	slots.Put(s)
}

// buffer is memory for a body or an answer.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, 1024)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	if cap(b.b) <= bufferKeptMax {
		b.b = b.b[:0]
		buffers.Put(b)
	}
}
