package soak

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// reader follows the events of all items through all lives of the server.
type reader struct {
	*soak
	name string
	// repeats says that after a restart events may come again.
	repeats bool
	follow  func(ctx context.Context, r *reader, d *Door) error

	mu       sync.Mutex
	last     []uint64 // the last sequence of each item
	watched  map[int]*ring[event]
	events   int64
	repeated int64
	place    string // where to go on: the id of the last event, or its sequence in the stream
}

// event is one that is kept for comparison: data is its movement as JSON.
type event struct {
	sequence uint64
	data     []byte
}

func newReaders(s *soak) [2]*reader {
	all := [2]*reader{{name: "server-sent events", follow: followSSE}, {name: "JetStream", follow: followStream, repeats: true}}
	for _, r := range all {
		r.soak, r.last, r.watched = s, make([]uint64, catalogue), make(map[int]*ring[event])
		for k := range watchedItems {
			w := newRing[event](watchedEvents)
			r.watched[watchedItem(k)] = &w
		}
	}
	return all
}

// watchedItem is the item of a number below watchedItems: a third of them are scarce.
func watchedItem(k int) int {
	if k < watchedItems/3 {
		return k
	}
	return scarce + k*((catalogue-scarce)/watchedItems)
}

// run follows until ctx ends, and goes on where it was after each end of the server.
func (r *reader) run(ctx context.Context) {
	for ctx.Err() == nil {
		d, err := r.await(ctx)
		if err != nil {
			return
		}
		err = r.follow(ctx, r, d)
		if ctx.Err() == nil && err != nil && !r.dying.Load() && r.door.Load() == d {
			r.trouble("follow "+r.name, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// take takes an event: the movement of an item, and where the reader is after it.
func (r *reader) take(data []byte, place string) {
	name, rest, ok := cutAfter(data, `"sku":"`, '"')
	number, _, ok2 := cutAfter(rest, `"sequence":`, ',')
	i, ok3 := itemOf(string(name))
	sequence, err := strconv.ParseUint(string(number), 10, 64)
	if !ok || !ok2 || !ok3 || err != nil {
		r.defect("%s: an event is %s", r.name, data)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.place = place
	r.events++
	switch last := r.last[i]; {
	case sequence == last+1:
		r.last[i] = sequence
		if w := r.watched[i]; w != nil {
			w.push(event{sequence, bytes.Clone(data)})
		}
	case sequence <= last && r.repeats:
		r.repeated++
	case sequence <= last:
		go r.defect("%s: event %d of %s came again, after %d", r.name, sequence, name, last)
	default:
		r.last[i] = sequence
		go r.defect("%s: event %d of %s follows %d", r.name, sequence, name, last)
	}
}

// cutAfter is what stands between a text and a byte that ends it, and what follows.
func cutAfter(b []byte, text string, end byte) (value, rest []byte, ok bool) {
	_, after, ok := bytes.Cut(b, []byte(text))
	if !ok {
		return nil, nil, false
	}
	i := bytes.IndexByte(after, end)
	if i < 0 {
		return nil, nil, false
	}
	return after[:i], after[i:], true
}

// followSSE follows one life over HTTP.
func followSSE(ctx context.Context, r *reader, d *Door) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/v1/events?from=oldest", nil)
	if err != nil {
		return err
	}
	if r.place != "" {
		req.Header.Set("Last-Event-ID", r.place)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		return nil
	default:
		r.defect("%s: going on after %q is answered %s", r.name, r.place, resp.Status)
		return errors.New(resp.Status)
	}
	lines := bufio.NewReaderSize(resp.Body, 256<<10)
	id := ""
	for {
		text, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		if v, ok := bytes.CutPrefix(text, []byte("id: ")); ok {
			id = string(bytes.TrimSpace(v))
		} else if v, ok := bytes.CutPrefix(text, []byte("data: ")); ok {
			r.take(bytes.TrimSpace(v), id)
		}
	}
}

// followStream follows one life from JetStream.
func followStream(ctx context.Context, r *reader, d *Door) error {
	js, err := jetstream.New(d.ncs[0])
	if err != nil {
		return err
	}
	c := jetstream.OrderedConsumerConfig{}
	next := uint64(1)
	if r.place != "" {
		if next, err = strconv.ParseUint(r.place, 10, 64); err != nil {
			return err
		}
		next++
		c.DeliverPolicy, c.OptStartSeq = jetstream.DeliverByStartSequencePolicy, next
	}
	consumer, err := js.OrderedConsumer(ctx, "STOCK_EVENTS", c)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil // It is about to be made.
	}
	if err != nil {
		return fmt.Errorf("follow the stream: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("follow the stream: %w", err)
	}
	defer messages.Stop()
	for {
		short, cancel := context.WithTimeout(ctx, time.Second)
		m, err := messages.Next(jetstream.NextContext(short))
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded) && r.door.Load() == d:
			continue
		case err != nil:
			return fmt.Errorf("read the stream: %w", err)
		}
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("read the stream: %w", err)
		}
		if at := meta.Sequence.Stream; at > next && next > 1 {
			r.trouble("follow "+r.name, fmt.Errorf("messages %d to %d are not in the stream any more", next, at-1))
		}
		next = meta.Sequence.Stream + 1
		_, data, ok := bytes.Cut(m.Data(), []byte(`"data":`))
		if !ok {
			r.defect("%s: an event is %s", r.name, m.Data())
			continue
		}
		r.take(data[:len(data)-1], strconv.FormatUint(meta.Sequence.Stream, 10))
	}
}
