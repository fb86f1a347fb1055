package soak

import (
	"fmt"
	"sync"
	"time"
)

// hold is a reservation that was acknowledged, as it is known to whoever made it.
type hold struct {
	id      string
	lines   []line
	expires time.Time
}

// line is so many units of an item.
type line struct{ item, quantity int }

// books are what every item must have, by what was acknowledged: exact once nothing is under way.
type books struct {
	mu    sync.Mutex
	items []account
	// held wait for what becomes of them, committed for being fulfilled; both oldest first.
	held, committed ring[hold]
	// wanted are items that ran out.
	wanted ring[int]
	// expired are reservations that were left alone, or that were told to be over.
	expired int64
}

// account is what one item has.
type account struct{ onHand, committed int64 }

func newBooks() *books {
	return &books{
		items: make([]account, catalogue), held: newRing[hold](heldMax), committed: newRing[hold](committedMax),
		wanted: newRing[int](catalogue),
	}
}

func itemName(i int) string {
	if i < scarce {
		return fmt.Sprintf("HOT-%02d", i)
	}
	return fmt.Sprintf("SKU-%05d", i)
}

// itemOf is the number of an item by its name.
func itemOf(name string) (int, bool) {
	n := 0
	if len(name) < 5 {
		return 0, false
	}
	for _, c := range name[4:] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n < catalogue && itemName(n) == name
}

func (b *books) received(item int, quantity int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items[item].onHand += quantity
}

func (b *books) reserved(h hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, crowded := b.held.push(h); crowded {
		b.expired++
	}
}

func (b *books) confirmed(h hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range h.lines {
		b.items[l.item].committed += int64(l.quantity)
	}
	b.committed.push(h) // One that is crowded out stays committed.
}

func (b *books) fulfilled(h hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range h.lines {
		b.items[l.item].committed -= int64(l.quantity)
		b.items[l.item].onHand -= int64(l.quantity)
	}
}

func (b *books) cancelled(h hold) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range h.lines {
		b.items[l.item].committed -= int64(l.quantity)
	}
}

func (b *books) ranOut(item int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted.push(item)
}

// take takes a reservation that is held, leaving alone what is over by now.
func (b *books) take(now time.Time) (hold, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		h, ok := b.held.pop()
		if !ok {
			return hold{}, false
		}
		if h.expires.Before(now) {
			b.expired++
			continue
		}
		return h, true
	}
}

func (b *books) takeCommitted() (hold, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.committed.pop()
}

func (b *books) takeWanted() (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wanted.pop()
}

func (b *books) over() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expired++
}

// ring is a queue of a fixed size.
type ring[T any] struct {
	all      []T
	first, n int
}

func newRing[T any](size int) ring[T] { return ring[T]{all: make([]T, size)} }

// push adds at the end, and reports whether the first had to give way.
func (r *ring[T]) push(v T) (lost T, crowded bool) {
	if crowded = r.n == len(r.all); crowded {
		lost, _ = r.pop()
	}
	r.all[(r.first+r.n)%len(r.all)] = v
	r.n++
	return lost, crowded
}

func (r *ring[T]) pop() (v T, ok bool) {
	if r.n == 0 {
		return v, false
	}
	var none T
	v, r.all[r.first] = r.all[r.first], none
	r.first = (r.first + 1) % len(r.all)
	r.n--
	return v, true
}

// list is all of it, oldest first.
func (r *ring[T]) list() []T {
	all := make([]T, 0, r.n)
	for i := range r.n {
		all = append(all, r.all[(r.first+i)%len(r.all)])
	}
	return all
}
