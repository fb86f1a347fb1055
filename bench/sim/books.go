package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
	"github.com/skua-stock/skua/gateway"
)

// books are kept from the durable log alone: the naive twin, which takes the same commands, and
// stocks to which the same events are applied. Everything that the node shows is held against them.
// The world's lock guards them.
type books struct {
	twin   *enginetest.Twin
	stocks map[string]*engine.Stock
	moves  map[string][]engine.Movement
	prints []uint64 // of the records from the first on
	times  []engine.Time
	keys   map[[16]byte]filed
	ended  map[engine.ReservationRef]engine.Time
	homes  map[uint64]engine.ReservationRef
	now    engine.Time
	// sent are all commands that were ever sent.
	sent map[[16]byte]*engine.Command
}

// filed is the command that a record has the outcome of.
type filed struct {
	index  uint64
	answer string
}

func newBooks() *books {
	return &books{
		twin: enginetest.NewTwin(), stocks: map[string]*engine.Stock{}, moves: map[string][]engine.Movement{},
		keys: map[[16]byte]filed{}, ended: map[engine.ReservationRef]engine.Time{},
		homes: map[uint64]engine.ReservationRef{}, sent: map[[16]byte]*engine.Command{},
	}
}

func (b *books) last() uint64 { return uint64(len(b.prints)) }

func (b *books) timeOf(index uint64) engine.Time { return b.times[index-1] }

// followAgain is how long the books wait before they read on after the disk has failed.
const followAgain = time.Millisecond

// follow reads the durable log as it grows, until the node is gone.
func (w *world) follow(f gateway.Follower, run int) {
	defer func() { _ = f.Close() }() // It never fails.
	for {
		index, r, err := f.Next(context.Background())
		w.mu.Lock()
		if err != nil {
			if w.run == run && w.up && errors.Is(err, errFault) {
				f = w.node.Follow(w.books.last() + 1)
				w.mu.Unlock()
				time.Sleep(followAgain) // A disk that fails once may fail for long.
				continue
			}
			if w.run == run && w.up && !w.dying {
				w.failLocked("the log cannot be followed: %v", err)
			}
			w.mu.Unlock()
			return
		}
		if w.run == run && w.up {
			w.see(index, r)
		}
		w.mu.Unlock()
	}
}

// see enters a record, or sees that one that was entered before is the same still.
func (w *world) see(index uint64, r *engine.Record) {
	defer func() {
		if p := recover(); p != nil {
			w.failLocked("record %d does not fit: %v", index, p)
		}
	}()
	b := w.books
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %q", r.Time, r.SKUs)
	for i := range r.Acts {
		fmt.Fprintf(h, "%+v", plain(&r.Acts[i]))
	}
	print := h.Sum64()
	switch {
	case index == 0 || index > b.last()+1:
		w.failLocked("record %d of the log comes after %d", index, b.last())
		return
	case index <= b.last():
		if b.prints[index-1] != print {
			w.failLocked("record %d of the log was durable, and is another now", index)
		}
		return
	}
	b.prints, b.times = append(b.prints, print), append(b.times, r.Time)
	w.trace.note(streamRecords, "record %d at %d: %016x", index, r.Time, print)
	if r.Time < b.now {
		w.failLocked("record %d is of %d, the one before of %d", index, r.Time, b.now)
	}
	b.now = r.Time
	for i := range r.Acts {
		w.enter(index, r, i)
	}
	w.ledger(index, r)
	w.count.records++
}

// plain is an act without pointers, so that it prints as what it is.
func plain(a *engine.Act) string {
	s := fmt.Sprintf("%v %x %x %q %q %q %v %v %d %d %v", a.Op, a.KeyHash, a.Fingerprint, a.Actor, a.Reference, a.Reason,
		a.Reservation, a.State, a.ExpiresAt, a.Holds, a.Others)
	for i := range a.Events {
		e := a.Events[i]
		if e.Settings != nil {
			s += fmt.Sprintf(" %+v", *e.Settings)
			e.Settings = nil
		}
		s += fmt.Sprintf(" %+v", e)
	}
	return s
}

// enter gives an act to the twin, who must take it just so.
func (w *world) enter(index uint64, r *engine.Record, act int) {
	b, a := w.books, &r.Acts[act]
	if a.State.Final() && a.Reservation.Nonce != 0 && r.SKUs[a.Events[0].Stock] == a.Reservation.Home {
		b.ended[a.Reservation] = r.Time
	}
	switch a.Op {
	case engine.OpFree:
		b.twin.Freed(r.SKUs[0], len(a.Events))
		return
	case engine.OpExpire:
		if err := b.twin.WrittenOut(r.SKUs[a.Events[0].Stock], a.Reservation.Nonce, r.Time); err != nil {
			w.failLocked("record %d: %v", index, err)
		}
		if late := r.Time - a.ExpiresAt; a.ExpiresAt > w.calmSince && late > w.weather.expiresLate() {
			w.failLocked("record %d: a hold that was due at %d expired %d ms late", index, a.ExpiresAt, late)
		}
		return
	}
	if was, ok := b.keys[a.KeyHash]; ok {
		w.failLocked("record %d does again what record %d did: %s", index, was.index, plain(a))
	}
	answer := r.Answer(act)
	b.keys[a.KeyHash] = filed{index, describe(&answer)}
	sent := b.sent[a.KeyHash]
	if sent == nil {
		w.failLocked("record %d has a command that nobody sent: %s", index, plain(a))
		return
	}
	c := *sent
	if a.Reservation.Nonce != 0 {
		if !c.Op.Step() {
			b.homes[a.Reservation.Nonce] = a.Reservation
		}
		c.Reservation = a.Reservation
	}
	o := b.twin.Do(&c, r.Time)
	if o.Code != engine.NotRefused {
		w.failLocked("record %d: the twin refuses with %v what was done: %s", index, o.Code, plain(a))
		return
	}
	if bad := differs(&c, &o, &answer); bad != "" {
		w.failLocked("record %d: %s: %s", index, plain(a), bad)
	}
}

// differs compares what a command is told with what the twin says.
func differs(c *engine.Command, o *enginetest.Outcome, a *engine.Answer) string {
	if a.Op != c.Op {
		return fmt.Sprintf("the answer is to %v, the command was %v", a.Op, c.Op)
	}
	if c.Reservation.Nonce != 0 {
		return sameReservation(o.Reservation, a.Reservation)
	}
	if a.SKU != c.SKU || a.Sequence != o.Sequence || a.Created != o.Created {
		return fmt.Sprintf("answered %q at %d, twin %q at %d", a.SKU, a.Sequence, c.SKU, o.Sequence)
	}
	if got := amounts(&a.Level.Counts); c.Op != engine.OpPutItem && got != o.Amounts {
		return fmt.Sprintf("answered %+v, twin %+v", got, o.Amounts)
	}
	return ""
}

func sameReservation(want enginetest.Reservation, v engine.ReservationView) string {
	got := enginetest.Reservation{State: v.State, Owner: v.Owner, ExpiresAt: v.ExpiresAt}
	for _, l := range v.Lines {
		got.Lines = append(got.Lines, enginetest.ReservationLine{
			SKU: l.SKU, Location: l.Location, Quantity: l.Quantity, Open: l.Open, Fulfilled: l.Fulfilled,
		})
	}
	slices.SortFunc(got.Lines, func(a, b enginetest.ReservationLine) int {
		return compareStrings(a.SKU, b.SKU, a.Location, b.Location)
	})
	if a, b := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); a != b {
		return fmt.Sprintf("the reservation is %s, twin %s", b, a)
	}
	return ""
}

func amounts(c *engine.Counts) enginetest.Amounts {
	return enginetest.Amounts{
		OnHand: c.OnHand, Available: c.Available(), Reserved: c.Reserved, Committed: c.Committed, SafetyStock: c.SafetyStock(),
		Damaged: c.Damaged, QualityControl: c.QualityControl, Other: c.Other, Backordered: c.Backordered(), Withholding: c.Safety,
	}
}

// ledger enters the movements of a record, which go on where the last ones ended, and applies it.
func (w *world) ledger(index uint64, r *engine.Record) {
	b := w.books
	stocks := make([]*engine.Stock, len(r.SKUs))
	for i, sku := range r.SKUs {
		if b.stocks[sku] == nil {
			b.stocks[sku] = engine.NewStock(sku)
		}
		stocks[i] = b.stocks[sku]
	}
	r.Movements(func(_ int, m *engine.Movement) bool {
		if want := uint64(len(b.moves[m.SKU]) + 1); m.Sequence != want {
			w.failLocked("record %d has movement %d of %q, %d should follow", index, m.Sequence, m.SKU, want)
		}
		if was, known := b.level(m.SKU, m.Level, m.Sequence-1); known && m.Before != was || !known && m.Before.OnHand != 0 {
			w.failLocked("movement %d of %q begins at %+v, the one before ended at %+v", m.Sequence, m.SKU, m.Before, was)
		}
		kept := *m
		if m.Settings != nil {
			s := *m.Settings
			s.SafetyStock, s.LocationOrder = maps.Clone(s.SafetyStock), slices.Clone(s.LocationOrder)
			kept.Settings = &s
		}
		b.moves[m.SKU] = append(b.moves[m.SKU], kept)
		return true
	})
	r.Apply(stocks)
	for _, s := range stocks {
		if err := s.Check(); err != nil {
			w.failLocked("after record %d: %v", index, err)
		}
	}
}

// level is what the movements of an item say of a level as of a sequence.
func (b *books) level(sku string, key engine.LevelKey, sequence uint64) (c engine.Counts, known bool) {
	moves := b.moves[sku]
	for i := min(int(sequence), len(moves)) - 1; i >= 0; i-- {
		if m := &moves[i]; m.Level == key && m.Level.Location != "" {
			return m.After, true
		}
	}
	return c, false
}
