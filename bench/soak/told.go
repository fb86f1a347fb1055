package soak

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// told are changes that were acknowledged, with what was said: the last, and some of the older ones
// whose keys must be remembered still.
type told struct {
	mu            sync.Mutex
	n             int
	recent, older ring[answered]
}

// answered is a change and its acknowledgement.
type answered struct {
	request Request
	answer  []byte
	at      time.Time
}

func newTold() told {
	return told{recent: newRing[answered](toldRecent), older: newRing[answered](toldOlder)}
}

func (t *told) add(r *Request, answer []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := answered{*r, answer, time.Now()}
	t.recent.push(a)
	if t.n++; t.n%olderEvery == 0 {
		t.older.push(a)
	}
}

// pick returns what is to be asked again.
func (t *told) pick() []answered {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := t.recent.list()
	for _, a := range t.older.list() {
		if time.Since(a.at) < keyWindow/2 {
			all = append(all, a)
		}
	}
	return all
}

// askAgain asks for changes that were acknowledged before the server died, half of them through the
// other door, and wants the same answers.
func (s *soak) askAgain(all []answered) (asked int) {
	d := s.door.Load()
	var n atomic.Int64
	var group sync.WaitGroup
	for k := range askedAtOnce {
		group.Go(func() {
			for i := k; i < len(all); i += askedAtOnce {
				if s.same(d, &all[i], i%2 == 0) {
					n.Add(1)
				}
			}
		})
	}
	group.Wait()
	s.counts.asked.Add(n.Load())
	return int(n.Load())
}

func (s *soak) same(d *Door, was *answered, otherDoor bool) bool {
	r := was.request
	r.OverNATS = r.OverNATS != otherDoor
	for time.Since(was.at) < keyWindow {
		answer, code, err := d.Send(context.Background(), &r)
		if err != nil || Later(code) {
			if err != nil {
				s.trouble("ask again", err)
			}
			time.Sleep(retryPause)
			continue
		}
		if code != "" || !bytes.Equal(answer, was.answer) {
			s.defect("%s %s was told %s, and after a restart %s %s", r.Op, r.Key, was.answer, code, answer)
		}
		return true
	}
	return false
}
