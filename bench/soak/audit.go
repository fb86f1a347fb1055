package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"time"
)

// audit reads the history of one watched item after the other while the load goes on.
func (s *soak) audit() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		rng := rand.New(rand.NewPCG(s.c.Seed, 1<<40))
		every := time.NewTicker(auditEvery)
		defer every.Stop()
		for {
			select {
			case <-s.stopped:
				return
			case <-every.C:
			}
			d := s.door.Load()
			if d == nil {
				continue
			}
			if err := s.auditItem(d, watchedItem(rng.IntN(watchedItems))); err != nil && s.door.Load() == d && !s.dying.Load() {
				s.trouble("audit", err)
			}
		}
	}()
	return done
}

// auditItem reads an item and the newest part of its history: its movements are without a gap, each
// begins where the one before ended, one ends where the item is, and each is as its events were.
func (s *soak) auditItem(d *Door, i int) error {
	name := itemName(i)
	var it struct {
		Sequence uint64
		Levels   []map[string]any
	}
	if err := d.Get(context.Background(), "/v1/items/"+name, &it); err != nil {
		return err
	}
	var page struct{ Movements []map[string]any }
	if err := d.Get(context.Background(), fmt.Sprintf("/v1/items/%s/history?limit=%d", name, watchedEvents), &page); err != nil {
		return err
	}
	if len(page.Movements) == 0 || len(it.Levels) != 1 {
		s.defect("%s has %d movements and %d levels", name, len(page.Movements), len(it.Levels))
		return nil
	}
	s.counts.audits.Add(1)
	delete(it.Levels[0], "location")
	byNumber := make(map[uint64]map[string]any)
	for k, m := range page.Movements {
		sequence := uint64(m["sequence"].(float64))
		byNumber[sequence] = m
		if sequence == it.Sequence && m["location"] == "main" && !reflect.DeepEqual(m["after"], any(it.Levels[0])) {
			s.defect("%s: movement %d ends at %v, the item is at %v", name, sequence, m["after"], it.Levels[0])
		}
		if k == 0 {
			continue
		}
		newer := page.Movements[k-1]
		if newer["sequence"] != float64(sequence+1) {
			s.defect("%s: movement %v follows %d in the history", name, newer["sequence"], sequence)
		}
		if m["location"] == "main" && newer["location"] == "main" && !reflect.DeepEqual(newer["before"], m["after"]) {
			s.defect("%s: movement %d ends at %v, the next begins at %v", name, sequence, m["after"], newer["before"])
		}
	}
	for _, r := range s.readers {
		if err := s.compareEvents(r, i, byNumber); err != nil {
			return err
		}
	}
	return nil
}

// compareEvents compares movements of the history with the events that a reader has kept.
func (s *soak) compareEvents(r *reader, i int, movements map[uint64]map[string]any) error {
	r.mu.Lock()
	events := r.watched[i].list()
	r.mu.Unlock()
	for _, e := range events {
		m := movements[e.sequence]
		if m == nil {
			continue
		}
		var data map[string]any
		if err := json.Unmarshal(e.data, &data); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		s.counts.compared.Add(1)
		for field, want := range m {
			if !reflect.DeepEqual(data[field], want) {
				s.defect("%s: event %d of %s has %s %v, the history %v", r.name, e.sequence, itemName(i), field, data[field], want)
			}
		}
	}
	return nil
}

// compare compares everything, once nothing is under way any more and all holds are over.
func (s *soak) compare() error {
	s.progress("the load has ended; waiting for %v until the last hold is over", ttlMax)
	for from := time.Now(); time.Since(from) < ttlMax+time.Second; time.Sleep(100 * time.Millisecond) {
		if ended, err := s.process.Ended(); ended {
			s.defect("the server ended by itself: %v; see its log", err)
			return fmt.Errorf("the server ended by itself: %w", errors.Join(errEnded, err))
		}
	}
	d := s.door.Load()
	sequences, err := s.compareBooks(d)
	if err != nil {
		return err
	}
	for _, r := range s.readers {
		s.caughtUp(r, sequences)
	}
	for k := range watchedItems {
		if err := s.auditItem(d, watchedItem(k)); err != nil {
			return err
		}
	}
	s.progress("compared %d items with the books and with their last events", len(sequences))
	return nil
}

// compareBooks reads all items and returns their sequences.
func (s *soak) compareBooks(d *Door) (sequences map[int]uint64, err error) {
	sequences = make(map[int]uint64)
	for cursor := ""; ; {
		var page struct {
			Items      []item
			NextCursor string `json:"next_cursor"`
		}
		if err := d.Get(context.Background(), "/v1/items?limit=1000"+cursor, &page); err != nil {
			return nil, err
		}
		for _, it := range page.Items {
			i, ok := itemOf(it.SKU)
			if !ok {
				s.defect("there is an item %q that nobody made", it.SKU)
				continue
			}
			sequences[i] = it.Sequence
			b := s.books.items[i]
			want := levels{OnHand: b.onHand, Available: b.onHand - b.committed, Committed: b.committed}
			if it.Totals != want {
				s.defect("%s has %+v, by what was acknowledged it must have %+v", it.SKU, it.Totals, want)
			}
		}
		if page.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + page.NextCursor
	}
	if len(sequences) != catalogue {
		s.defect("there are %d items instead of %d", len(sequences), catalogue)
	}
	return sequences, nil
}

// caughtUp waits until a reader has the last event of every item.
func (s *soak) caughtUp(r *reader, sequences map[int]uint64) {
	for from := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		missing, example := 0, ""
		r.mu.Lock()
		for i, want := range sequences {
			if r.last[i] != want {
				missing++
				example = fmt.Sprintf("%s is at %d, its last event was %d", itemName(i), want, r.last[i])
			}
		}
		r.mu.Unlock()
		if missing == 0 {
			return
		}
		if time.Since(from) > catchUpWait {
			s.defect("%s: %d items lack events after %v: %s", r.name, missing, catchUpWait, example)
			return
		}
	}
}
