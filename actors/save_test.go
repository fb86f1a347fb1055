package actors_test

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// A gentle save writes what any other does, and somebody who wants to save does not wait for its rests.
func TestSaveGently(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g)
	const items = 1000
	for i := range items {
		b.stocked(fmt.Sprint("item ", i), 1)
	}
	g.set(func() { g.onSave = func(string) error { time.Sleep(10 * time.Microsecond); return nil } })
	gentle := make(chan error, 1)
	go func() { gentle <- b.SaveGently(context.Background(), time.Hour, nil) }()
	if err := b.Save(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-gentle; err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	if len(g.rows) != items || g.commits != 2 {
		t.Errorf("%d items were written, by %d saves", len(g.rows), g.commits)
	}
	g.mu.Unlock()
	b.close()
}
