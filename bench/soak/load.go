package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// fill makes the items and gives each its opening stock.
func (s *soak) fill(ctx context.Context) error {
	const piece = 1000
	for from := 0; from < catalogue; from += piece {
		var ops []map[string]any
		for i := from; i < min(from+piece, catalogue); i++ {
			units := openingUnits
			if i < scarce {
				units = scarceUnits
			}
			name := itemName(i)
			ops = append(ops,
				map[string]any{"op": "put_item", "sku": name, "idempotency_key": "put-" + name},
				map[string]any{"op": "receive", "sku": name, "idempotency_key": "open-" + name, "location": "main", "quantity": units})
			s.books.received(i, int64(units))
		}
		body, err := json.Marshal(map[string]any{"operations": ops})
		if err != nil {
			return err
		}
		answer, code, err := s.door.Load().Send(ctx, &Request{Op: "batch", Body: body})
		if err != nil || code != "" {
			return errors.Join(fmt.Errorf("create items: %s %.300s", code, answer), err)
		}
		var a struct{ Results []struct{ Status int } }
		if err := json.Unmarshal(answer, &a); err != nil {
			return err
		}
		for _, r := range a.Results {
			if r.Status >= 400 {
				return fmt.Errorf("create items: %.300s", answer)
			}
		}
	}
	return nil
}

// calibrate finds the rate: a closed loop of the same mix is run for a while.
func (s *soak) calibrate(ctx context.Context) error {
	if s.c.Rate > 0 {
		return nil
	}
	const window = 256
	from, to := time.Now().Add(calibrateWarmup), time.Now().Add(calibrateWarmup+calibrateFor)
	var n atomic.Int64
	var all sync.WaitGroup
	for i := range window {
		w := s.newWorker(workers + i)
		all.Go(func() {
			for time.Now().Before(to) && ctx.Err() == nil {
				w.operate(time.Now())
				if now := time.Now(); now.After(from) && now.Before(to) {
					n.Add(1)
				}
			}
		})
	}
	all.Wait()
	s.latency.take()
	s.result.Capacity = int(float64(n.Load()) / calibrateFor.Seconds())
	s.c.Rate = max(1, int(float64(s.result.Capacity)*s.c.Load))
	s.result.Rate = s.c.Rate
	s.progress("a closed loop of %d did %d operations a second", window, s.result.Capacity)
	return ctx.Err()
}

// pace has operations done at an even rate, whatever becomes of them, until the load is stopped.
// While the server is down nothing falls due.
func (s *soak) pace(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		gap := time.Duration(float64(time.Second) / float64(s.c.Rate))
		for due := time.Now(); ; {
			select {
			case <-s.stopped:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := time.Now()
			if s.door.Load() == nil {
				due = now
				continue
			}
			for ; due.Before(now); due = due.Add(gap) {
				select {
				case s.jobs <- due:
				default:
					s.counts.missed.Add(1)
				}
			}
		}
	}()
	return done
}

// work starts the workers, which end when no jobs come any more.
func (s *soak) work() <-chan struct{} {
	for i := range workers {
		w := s.newWorker(i)
		s.working.Go(func() {
			for due := range s.jobs {
				w.operate(due)
			}
		})
	}
	done := make(chan struct{})
	go func() { s.working.Wait(); close(done) }()
	return done
}

// worker does one operation at a time.
type worker struct {
	*soak
	rng  *rand.Rand
	name string
	n    int
}

func (s *soak) newWorker(i int) *worker {
	return &worker{soak: s, rng: rand.New(rand.NewPCG(s.c.Seed, uint64(i)+1)), name: "w" + strconv.Itoa(i) + "-"}
}

// item draws an item: one draw in eight wants a scarce one.
func (w *worker) item() int {
	if w.rng.IntN(8) == 0 {
		return w.rng.IntN(scarce)
	}
	return scarce + w.rng.IntN(catalogue-scarce)
}

// request makes one; a change has a key of its own.
func (w *worker) request(op string, body any) *Request {
	r := &Request{Op: op, OverNATS: w.rng.IntN(2) == 0}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			panic(err) // It is made of strings and numbers.
		}
		r.Body = b
	}
	return r
}

// insist sends a change until it is answered, and returns how. early says that the first try was.
func (w *worker) insist(r *Request, due time.Time) (answer []byte, code string, first bool) {
	w.n++
	r.Key = w.name + strconv.Itoa(w.n)
	sent := time.Now()
	for try := 0; ; try++ {
		d, err := w.await(context.Background())
		if err != nil {
			panic(err) // Its context has no end.
		}
		answer, code, err = d.Send(context.Background(), r)
		switch {
		case err != nil:
			if !w.dying.Load() && w.door.Load() == d {
				w.trouble(r.Op, err)
			}
		case Later(code):
			if code == "OVERLOADED" {
				w.counts.overloaded.Add(1)
			}
		default:
			w.counts.answered.Add(1)
			if try == 0 {
				w.latency.add(time.Since(due))
			} else if time.Since(sent) > keyWindow {
				w.defect("%s %s was answered only after %v, when its key may be forgotten", r.Op, r.Key, time.Since(sent))
			}
			if code == "" {
				w.told.add(r, answer)
			} else {
				w.counts.refused.Add(1)
			}
			return answer, code, try == 0
		}
		w.counts.retried.Add(1)
		time.Sleep(retryPause)
	}
}
