package wal

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// group is what one write and one fsync make durable: frames, and who waits for them. Records are
// encoded straight into buf, where they go to disk from, so Append copies once. The headers of the
// frames stay blank until the committer knows segment and watermark.
//
// buf, frames, first and last belong to Append under Log.mu until the committer takes the group,
// then to the committer alone. waiters belong to Log.mu until the group is handed to the releaser.
type group struct {
	buf    []byte
	frames []frameMark
	first  uint64 // index of the first record
	last   uint64 // index of the last record

	waiters  []waiting
	disorder bool   // waiters are not in the order of their indexes
	err      error  // what the waiters are told
	warmth   uint64 // of no meaning, see Warmer
}

// frameMark is where a frame begins in group.buf, and its first record.
type frameMark struct {
	at    int
	first uint64
}

type waiting struct {
	index uint64
	w     Waiter
}

func (g *group) empty() bool { return len(g.frames) == 0 }

// add encodes record as the one with this index, in the last frame or, if that is full, in a new one.
func (g *group) add(index uint64, record []byte) {
	need := uvarintLen(len(record)) + len(record)
	n := len(g.frames)
	if n == 0 {
		g.first = index
	}
	if n == 0 || len(g.buf)-g.frames[n-1].at+need > FrameBytesMax {
		g.frames = append(g.frames, frameMark{at: len(g.buf), first: index})
		g.buf = append(g.buf, blankFrameHeader[:]...)
	}
	g.buf = binary.AppendUvarint(g.buf, uint64(len(record)))
	g.buf = append(g.buf, record...)
	g.last = index
}

var blankFrameHeader [frameHeaderBytes]byte

// wait adds a waiter. Append's come in order; Await's may not.
func (g *group) wait(index uint64, w Waiter) {
	if n := len(g.waiters); n > 0 && g.waiters[n-1].index > index {
		g.disorder = true
	}
	g.waiters = append(g.waiters, waiting{index, w})
}

// finish fills in the frame headers.
func (g *group) finish(salt, synced uint64) {
	end := frameMark{at: len(g.buf), first: g.last + 1}
	for _, m := range slices.Backward(g.frames) {
		finishFrame(g.buf[m.at:end.at], salt, m.first, synced, uint32(end.first-m.first))
		end = m
	}
}

// release tells every waiter, in the order of their indexes.
func (g *group) release() {
	if g.disorder {
		slices.SortStableFunc(g.waiters, func(a, b waiting) int { return cmp.Compare(a.index, b.index) })
	}
	for together := range slices.Chunk(g.waiters, warmedTogether) {
		for step := range WarmSteps {
			for _, x := range together {
				if w, ok := x.w.(Warmer); ok {
					g.warmth += w.Warm(step)
				}
			}
		}
		for _, x := range together {
			x.w.Durable(g.err)
		}
	}
}

// reset makes the group ready for reuse. A buffer that one long record has blown up is not kept.
func (g *group) reset() {
	clear(g.waiters)
	*g = group{buf: g.buf[:0], frames: g.frames[:0], waiters: g.waiters[:0]}
	if cap(g.buf) > 2*GroupBytesMax {
		g.buf = nil
	}
}
