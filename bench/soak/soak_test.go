package soak

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func newTestSoak() (*soak, *bytes.Buffer) {
	var out bytes.Buffer
	return &soak{c: Config{Out: &out}, began: time.Now(), books: newBooks(), latency: newLatencies(), result: &Result{}}, &out
}

// TestReaderFinds: an event that is missing or comes again is a defect, except that a stream may
// repeat itself.
func TestReaderFinds(t *testing.T) {
	for _, tc := range []struct {
		sequences []int
		repeats   bool
		defects   int
	}{
		{[]int{1, 2, 3}, false, 0},
		{[]int{1, 3}, false, 1},
		{[]int{1, 3}, true, 1},
		{[]int{1, 2, 2}, false, 1},
		{[]int{1, 2, 1, 2, 3}, true, 0},
		{[]int{2}, false, 1},
	} {
		s, _ := newTestSoak()
		r := newReaders(s)[0]
		r.repeats = tc.repeats
		for _, n := range tc.sequences {
			r.take(fmt.Appendf(nil, `{"sku":"HOT-00","sequence":%d,"type":"stock.received"}`, n), "place")
		}
		for from := time.Now(); s.result.defects(s) < tc.defects && time.Since(from) < 10*time.Second; {
			time.Sleep(time.Millisecond) // They are told by another goroutine.
		}
		if got := s.result.defects(s); got != tc.defects {
			t.Errorf("%v, repeats %v: %d defects, want %d", tc.sequences, tc.repeats, got, tc.defects)
		}
	}
}

// TestBalanced: an item that does not balance is a defect.
func TestBalanced(t *testing.T) {
	for text, defects := range map[string]int{
		`{"totals":{"on_hand":10,"available":5,"reserved":3,"committed":2}}`:                  0,
		`{"totals":{"on_hand":10,"available":5,"reserved":3,"committed":3}}`:                  1,
		`{"totals":{"on_hand":10,"available":-1,"reserved":9,"committed":2}}`:                 1,
		`{"totals":{"on_hand":10,"available":0,"reserved":8,"committed":2,"backordered":1}}`:  1,
		`{"totals":{"on_hand":10,"available":11,"reserved":-1,"committed":0}}`:                1,
		`{"totals":{"on_hand":"10","available":11,"reserved":-1,"committed":0,"x":{"y":[]}}}`: 1,
	} {
		s, _ := newTestSoak()
		s.newWorker(0).balanced([]byte(text))
		if s.result.DefectCount != defects {
			t.Errorf("%s: %d defects, want %d", text, s.result.DefectCount, defects)
		}
	}
}

// TestBooks: what was acknowledged adds up.
func TestBooks(t *testing.T) {
	b := newBooks()
	h := hold{id: "a", lines: []line{{1, 2}, {7, 3}}, expires: time.Now().Add(time.Hour)}
	b.received(1, 10)
	b.received(7, 10)
	b.reserved(hold{id: "over", expires: time.Now().Add(-time.Second)})
	b.reserved(h)
	got, ok := b.take(time.Now())
	if !ok || got.id != "a" || b.expired != 1 {
		t.Fatalf("took %v, %v; %d were over", got, ok, b.expired)
	}
	b.confirmed(got)
	if b.items[1] != (account{10, 2}) || b.items[7] != (account{10, 3}) {
		t.Errorf("after confirm: %v %v", b.items[1], b.items[7])
	}
	got, _ = b.takeCommitted()
	b.fulfilled(got)
	if b.items[1] != (account{8, 0}) || b.items[7] != (account{7, 0}) {
		t.Errorf("after fulfil: %v %v", b.items[1], b.items[7])
	}
}

// TestRing: a queue of a fixed size loses its oldest.
func TestRing(t *testing.T) {
	r := newRing[int](3)
	for i := range 5 {
		r.push(i)
	}
	if got := fmt.Sprint(r.list()); got != "[2 3 4]" {
		t.Error(got)
	}
	for _, want := range []int{2, 3, 4} {
		if got, ok := r.pop(); !ok || got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	if _, ok := r.pop(); ok {
		t.Error("there was one more")
	}
}

// hour is samples of an hour of lives of two minutes and one of twenty, with something that grows.
func hour(grow func(s *Sample)) []Sample {
	var all []Sample
	life, from := 0, 0.0
	for at := 5.0; at < 3600; at += 5 {
		s := Sample{At: at, Rate: 1, RSS: 500 << 20, Heap: 200 << 20, Goroutines: 200, Files: 30, Sockets: 70, Log: 300 << 20, State: 200 << 20, P99: 5}
		if at-from > 120 && (at < 1440 || at > 2640) {
			life, from = life+1, at
		}
		s.Life, s.Age = life, at-from
		grow(&s)
		all = append(all, s)
	}
	return all
}

// TestJudge: what grows is found, in the long life, over lives, or on disk; what does not grow is not.
func TestJudge(t *testing.T) {
	for what, grow := range map[string]func(s *Sample){
		"":                           func(*Sample) {},
		"heap, MiB":                  func(s *Sample) { s.Heap += int64(s.Age * (256 << 10)) },
		"open files":                 func(s *Sample) { s.Files += int64(s.At / 30) },
		"goroutines":                 func(s *Sample) { s.Goroutines += int64(s.Age / 10) },
		"snapshots and history, MiB": func(s *Sample) { s.State += int64(s.At * (128 << 10)) },
	} {
		var grew []string
		for _, f := range judge(hour(grow)) {
			if !f.Known {
				t.Errorf("%s, %s: not known after an hour", f.What, f.How)
			}
			if f.Grew {
				grew = append(grew, f.What)
			}
		}
		if (what == "") != (len(grew) == 0) || what != "" && !strings.Contains(strings.Join(grew, ";"), what) {
			t.Errorf("%q grows, found: %q", what, grew)
		}
	}
}
