package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence"
)

// live is the whole life: clients come, things go wrong, and in the end everything is compared once
// more. It runs in a synctest bubble.
func (w *world) live() {
	w.start()
	w.furnish()
	var clients sync.WaitGroup
	for i := range w.weather.clients {
		c := newClient(w, i)
		clients.Go(c.live)
	}
	gone := make(chan struct{})
	go func() { clients.Wait(); close(gone) }()
	left := w.weather.faults
	for going := true; going; {
		next := time.NewTimer(w.tl.place(laneFaults, w.untilFault(left)))
		select {
		case <-gone:
			going = false
		case <-w.down:
			w.restart()
		case <-next.C:
			if w.isUpNow() && left > 0 {
				left--
				w.strike()
			}
		}
		next.Stop()
		if w.over.Load() {
			<-gone
			going = false
		}
	}
	w.finish()
}

// untilFault draws how long all goes well.
func (w *world) untilFault(left int) time.Duration {
	if left == 0 {
		return time.Hour
	}
	return time.Duration(w.dice.Int64N(int64(2*w.weather.life()/time.Duration(w.weather.faults)) + 1))
}

// furnish creates the items, and receives a few units of each.
func (w *world) furnish() {
	for i := range w.weather.items + w.weather.cold {
		sku := w.weather.sku(i)
		put := &engine.Command{Op: engine.OpPutItem, SKU: sku, Key: "put " + sku}
		if i%3 == 1 {
			put.Settings.BackorderLimit = 2
		}
		w.insist(put)
		w.insist(&engine.Command{Op: engine.OpReceive, SKU: sku, Location: "main", Quantity: w.weather.units, Key: "receive " + sku})
	}
}

// insist asks until there is an answer.
func (w *world) insist(c *engine.Command) {
	for range 100 {
		if w.over.Load() {
			return
		}
		cmd := *c
		if _, ok := w.must(&cmd); ok {
			return
		}
		if !w.isUpNow() {
			w.restart()
		}
		w.tl.sleep(laneDriver, 20*time.Millisecond)
	}
	w.fail("%v %q is never taken", c.Op, c.Key)
}

// restart waits for what the crash left, and starts the node on it.
func (w *world) restart() {
	for !w.isUpNow() {
		w.bury()
		if w.over.Load() {
			return
		}
		w.tl.sleep(laneDriver, spread(w.dice, w.weather.downFor))
		w.count.restarts++
		w.start()
		if w.over.Load() {
			return
		}
	}
}

// stop ends the node in order and starts it again. With damage, a bit of the log flips in between.
func (w *world) stop(damage bool) {
	if !w.shut() {
		w.restart()
		return
	}
	if damage {
		w.damage()
	}
	w.mu.Lock()
	w.disk = w.disk.crash(w.weather.wreck(w.dice))
	w.mu.Unlock()
	if w.over.Load() {
		return
	}
	w.tl.sleep(laneDriver, spread(w.dice, w.weather.downFor))
	w.count.restarts++
	w.start()
	if !w.isUpNow() {
		w.restart()
	}
}

// shut ends the node in order: nothing may be left in flight, and the directory must be sound. It
// reports false when the node crashed on the way.
func (w *world) shut() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	w.mu.Lock()
	n := w.node
	w.dying = true
	w.shutting = cancel
	w.mu.Unlock()
	err := n.Shut(ctx, nil)
	w.mu.Lock()
	w.node = nil
	crashed := w.next != nil
	w.up, w.doors = false, false
	w.mu.Unlock()
	w.trace.note(streamDriver, "shut down, crashed: %v", crashed)
	if crashed {
		return false
	}
	if err != nil {
		if !errors.Is(err, errFault) {
			w.fail("shut down: %v", err)
		}
		return true
	}
	w.check()
	return true
}

// check has the directory checked as `skua check` does.
func (w *world) check() {
	w.mu.Lock()
	d := w.disk.crash(wreck{process: true})
	w.mu.Unlock()
	report, err := persistence.Check(dataDir, d)
	if err != nil {
		w.fail("check: %v", err)
		return
	}
	if len(report.Damage) > 0 {
		w.fail("check: %q", report.Damage)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if want := w.books.last(); report.Last != want {
		w.failLocked("check: the log ends at record %d, %d were durable", report.Last, want)
	}
}

// compare asks for every item, every reservation and some keys, while no client is let in.
func (w *world) compare() {
	w.mu.Lock()
	skus := slices.Sorted(maps.Keys(w.books.stocks))
	nonces := slices.Sorted(maps.Keys(w.books.homes))
	keys := make([]*engine.Command, 0, 8)
	all := slices.SortedFunc(maps.Keys(w.books.keys), func(a, b [16]byte) int { return slices.Compare(a[:], b[:]) })
	for range min(len(all), 8) {
		key := all[w.dice.IntN(len(all))]
		f := w.books.keys[key]
		if w.books.timeOf(f.index)+keyWindow > w.node.Now() {
			keys = append(keys, w.books.sent[key])
		}
	}
	w.mu.Unlock()
	for _, sku := range skus {
		w.compareItem(sku)
	}
	for i := 0; i < len(nonces) && i < 30; i++ {
		w.compareReservation(nonces[w.dice.IntN(len(nonces))])
	}
	for _, sent := range keys {
		w.askAgain(sent)
	}
}

// askAgain sends a command that is in the log already: it must be answered as the first time.
func (w *world) askAgain(sent *engine.Command) {
	cmd := *sent
	key := cmd.KeyHash()
	if !cmd.Op.Step() {
		cmd.Reservation = engine.ReservationRef{}
	}
	w.mu.Lock()
	want := w.books.keys[key].answer
	w.mu.Unlock()
	if a, ok := w.must(&cmd); ok && (!a.Replayed || a.Refusal.Refused()) {
		w.fail("%v %q is in the log, and when asked again it is answered %s, not %s", cmd.Op, cmd.Key, describe(&a), want)
	}
}

func (w *world) compareItem(sku string) {
	a, ok := w.must(&engine.Command{Op: engine.OpGetItem, SKU: sku})
	if !ok {
		return
	}
	if a.Item == nil {
		w.fail("item %q is gone: %s", sku, describe(&a))
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	v, b := a.Item, w.books
	if w.node == nil || v.Sequence != b.twin.Sequence(sku) {
		return // It expired something, or others did something: claims look after that.
	}
	now := w.node.Now()
	set := b.twin.Settings(sku)
	if fmt.Sprint(v.Settings.BackorderLimit, v.Settings.ReorderPoint) != fmt.Sprint(set.BackorderLimit, set.ReorderPoint) {
		w.failLocked("item %q has the settings %+v, twin %+v", sku, v.Settings, set)
	}
	for i := range v.Levels {
		l := &v.Levels[i]
		if want, got := b.twin.Amounts(sku, l.Key.Location, now), amounts(&l.Counts); want != got && len(b.twin.Due(sku, now)) == 0 {
			w.failLocked("item %q at %q is %+v, twin %+v", sku, l.Key.Location, got, want)
		}
	}
	w.count.compared++
}

func (w *world) compareReservation(nonce uint64) {
	w.mu.Lock()
	ref := w.books.homes[nonce]
	w.mu.Unlock()
	a, ok := w.must(&engine.Command{Op: engine.OpGetReservation, Reservation: ref})
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node == nil {
		return
	}
	now := w.node.Now()
	want, _ := w.books.twin.Reservation(nonce, now)
	if a.Refusal.Refused() {
		if at, over := w.books.ended[ref]; !over || now-at < keyWindow {
			w.failLocked("reservation %v is %+v, and is not found", ref, want)
		}
		return
	}
	if before, _ := w.books.twin.Reservation(nonce, w.books.now); before.State != want.State {
		return // It falls due just now.
	}
	if a.Reservation.State.Final() {
		if a.Reservation.State != want.State {
			w.failLocked("reservation %v ended as %v, twin %v", ref, a.Reservation.State, want.State)
		}
		return
	}
	if bad := sameReservation(want, a.Reservation); bad != "" {
		w.failLocked("reservation %v: %s", ref, bad)
	}
}

// finish lets everything fall due that is due, compares all once more, also after a last restart, and
// shuts down.
func (w *world) finish() {
	w.mu.Lock()
	w.injected.armed, w.crashAt = false, 0
	w.disk.room = 1 << 40
	w.mu.Unlock()
	for range 2 {
		w.restart()
		if w.over.Load() {
			break
		}
		w.tl.sleep(laneDriver, 3*time.Second)
		w.overdue()
		w.settle()
		w.ledgers()
		if w.over.Load() || !w.shut() || w.over.Load() {
			break
		}
		w.mu.Lock()
		w.disk = w.disk.crash(wreck{})
		w.mu.Unlock()
		w.start()
	}
	w.mu.Lock()
	n := w.node
	w.node, w.up, w.doors = nil, false, false
	w.mu.Unlock()
	if n != nil {
		n.Kill() //nolint:errcheck // All is said by now.
	}
	w.settle()
}

// overdue: what fell due a while ago has been written out.
func (w *world) overdue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.node == nil {
		return
	}
	now := w.node.Now() - 2000
	for _, sku := range w.books.twin.SKUs() {
		if due := w.books.twin.Due(sku, now); len(due) > 0 {
			w.failLocked("%d holds on %q fell due before %d, and nothing is written of it", len(due), sku, now)
		}
	}
}

// ledgers reads the history of every item, page by page: it is the log's.
func (w *world) ledgers() {
	w.mu.Lock()
	skus := slices.Sorted(maps.Keys(w.books.stocks))
	w.mu.Unlock()
	for _, sku := range skus {
		seen := 0
		for before := uint64(0); ; {
			h, ok := w.readHistory(laneDriver, sku, before, 1+w.dice.IntN(100))
			if !ok {
				return
			}
			seen += len(h.Movements)
			if !h.More {
				break
			}
			before = h.Movements[len(h.Movements)-1].Sequence
		}
		w.mu.Lock()
		if want := len(w.books.moves[sku]); seen < want {
			w.failLocked("the history of %q has %d movements, the log had %d", sku, seen, want)
		}
		w.mu.Unlock()
	}
	w.settle()
}

// save writes a snapshot now.
func (w *world) save() {
	w.mu.Lock()
	n := w.node
	w.mu.Unlock()
	if n == nil {
		return
	}
	err := n.Save(context.Background())
	w.mu.Lock()
	same := w.node == n
	w.mu.Unlock()
	if err != nil && same && w.isUpNow() && !errors.Is(err, errFault) {
		w.fail("snapshot: %v", err)
	}
}
