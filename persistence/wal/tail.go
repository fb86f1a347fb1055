package wal

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"
)

// Tail reads durable records in order and waits for more. One goroutine uses it; Close may be
// called from another.
type Tail struct {
	l      *Log
	next   uint64        // the record to hand out next
	wake   chan struct{} // one slot
	asleep bool          // on the list of sleepers; guarded by Log.mu
	closed atomic.Bool

	seg     *segment // where reader is; nil at first
	reader  frameReader
	payload []byte // what is left of the current frame
	left    uint32 // records in payload
	index   uint64 // index of the first of them
}

// Tail returns a reader of the durable records from the given index on. If that was cut already
// the first call of Next says ErrCut; if it was not appended yet Next waits for it.
func (l *Log) Tail(from uint64) *Tail {
	return &Tail{l: l, next: from, wake: make(chan struct{}, 1), reader: frameReader{ahead: ReadAheadBytes}}
}

// Next returns the next record, waiting until there is one. The record is valid until the next
// call. A Tail that has fallen behind CutBefore gets ErrCut.
func (t *Tail) Next(ctx context.Context) (uint64, []byte, error) {
	for {
		index, record, ok, err := t.TryNext()
		if ok || err != nil {
			return index, record, err
		}
		if !t.l.sleep(t) {
			continue
		}
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case <-t.wake:
		}
	}
}

// TryNext is Next without the waiting: ok is false if the record is not durable yet.
func (t *Tail) TryNext() (index uint64, record []byte, ok bool, err error) {
	for {
		switch {
		case t.closed.Load() || t.l.closed.Load():
			return 0, nil, false, ErrClosed
		case t.next < t.l.First():
			return 0, nil, false, ErrCut
		case t.next > t.l.Durable():
			return 0, nil, false, t.l.failure()
		}
		if t.left == 0 {
			if err := t.fill(); err != nil {
				return 0, nil, false, err
			}
			continue
		}
		if record, t.payload, err = nextRecord(t.payload); err != nil {
			return 0, nil, false, t.damaged(t.reader.at, err)
		}
		index = t.index
		t.index++
		t.left--
		if index == t.next {
			t.next++
			return index, record, true, nil
		}
	}
}

// Close makes the Tail, and a Next that waits, answer ErrClosed. A Tail holds no resources that
// would leak without it.
func (t *Tail) Close() error {
	t.closed.Store(true)
	notify(t.wake)
	return nil
}

// fill reads the frame that comes next.
func (t *Tail) fill() error {
	if !t.place() {
		return ErrCut
	}
	f, ok, err := t.seg.acquire(t.l.o.FS)
	if err != nil {
		return err
	}
	if !ok {
		if t.l.closed.Load() {
			return ErrClosed
		}
		return ErrCut
	}
	t.reader.f = f
	at := t.reader.at
	h, payload, err := t.reader.next()
	if closeErr := t.seg.release(); closeErr != nil {
		return closeErr
	}
	switch {
	case isBadFrame(err):
		return t.damaged(at, err)
	case err != nil:
		return fmt.Errorf("read segment %d: %w", t.seg.number, err)
	case t.index != 0 && h.first != t.index, h.first > t.next:
		return t.damaged(at, fmt.Errorf("the frame begins with record %d", h.first))
	}
	t.payload, t.left, t.index = payload, h.count, h.first
	return nil
}

// place finds the segment of the next record, and in it a frame at or before it, unless the reader
// stands there already. The next record is durable, so the bytes up to segment.end hold it. False
// says that it was cut meanwhile.
func (t *Tail) place() bool {
	t.l.segMu.RLock()
	defer t.l.segMu.RUnlock()
	if t.seg != nil && t.reader.at < t.seg.end {
		t.reader.limit = t.seg.end
		return true
	}
	segments := t.l.segments
	i := sort.Search(len(segments), func(i int) bool { return segments[i].first > t.next })
	if i == 0 {
		return false
	}
	t.seg = segments[i-1]
	from := t.seg.near(t.next)
	t.reader = frameReader{
		salt: t.seg.salt, at: from, limit: t.seg.end, ahead: t.reader.ahead, buf: t.reader.buf[:0],
	}
	t.index = 0
	return true
}

func (t *Tail) damaged(at int64, reason error) error {
	return &CorruptionError{File: t.seg.path, Offset: at, Index: t.next, Reason: reason.Error()}
}

// sleep puts t on the list of those who are woken when the watermark moves. False says that there
// is something to hear already.
func (l *Log) sleep(t *Tail) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.next <= l.durable.Load() || l.err != nil || l.closed.Load() || t.closed.Load() {
		return false
	}
	if !t.asleep {
		t.asleep = true
		l.sleepers = append(l.sleepers, t)
	}
	return true
}

// wakeTails wakes every Tail that waits. mu is held.
func (l *Log) wakeTails() {
	for i, t := range l.sleepers {
		t.asleep = false
		notify(t.wake)
		l.sleepers[i] = nil
	}
	l.sleepers = l.sleepers[:0]
}

func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Read returns a copy of one durable record.
func (l *Log) Read(index uint64) ([]byte, error) {
	if index > l.Durable() {
		return nil, fmt.Errorf("%w: %d, the watermark is %d", ErrNotDurable, index, l.Durable())
	}
	t, _ := l.readers.Get().(*Tail)
	if t == nil {
		t = &Tail{l: l, reader: frameReader{ahead: IndexEveryBytes + FrameBytesMax}}
	}
	t.next, t.seg, t.left = index, nil, 0
	_, record, ok, err := t.TryNext()
	if err != nil {
		return nil, fmt.Errorf("read record %d: %w", index, err)
	}
	if !ok {
		return nil, errors.New("wal: the watermark went back")
	}
	record = append(make([]byte, 0, len(record)), record...)
	if cap(t.reader.buf) <= ReadAheadBytes {
		l.readers.Put(t)
	}
	return record, nil
}
