package soak

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// operate does one operation that was due at a time.
func (w *worker) operate(due time.Time) {
	switch k := w.rng.IntN(100); {
	case k < 30:
		w.reserve(1, due)
	case k < 38:
		w.reserve(3, due)
	case k < 52:
		w.step("confirm", due)
	case k < 64:
		w.ship("fulfill", due)
	case k < 66:
		w.ship("cancel", due)
	case k < 76:
		w.step("release", due)
	case k < 82:
		w.receive(due)
	default:
		w.read(k, due)
	}
}

// problemLines is what a refusal says of lines.
type problemLines struct {
	Lines []struct{ SKU string }
}

func (w *worker) reserve(lines int, due time.Time) {
	type bodyLine struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity"`
		Location string `json:"location"`
	}
	var body struct {
		Lines []bodyLine `json:"lines"`
		TTL   int64      `json:"ttl_ms"`
	}
	body.TTL = (ttlMin + time.Duration(w.rng.Int64N(int64(ttlMax-ttlMin)))).Milliseconds()
	h := hold{}
	for len(h.lines) < lines {
		l := line{w.item(), 1 + w.rng.IntN(2)}
		if slices.ContainsFunc(h.lines, func(o line) bool { return o.item == l.item }) {
			continue
		}
		h.lines = append(h.lines, l)
		body.Lines = append(body.Lines, bodyLine{itemName(l.item), l.quantity, "main"})
	}
	answer, code, _ := w.insist(w.request("reserve", &body), due)
	switch code {
	case "":
		var r struct {
			ID        string    `json:"id"`
			ExpiresAt time.Time `json:"expires_at"`
		}
		if err := json.Unmarshal(answer, &r); err != nil || r.ID == "" || r.ExpiresAt.IsZero() {
			w.defect("reserve was answered %s: %v", answer, err)
			return
		}
		h.id, h.expires = r.ID, r.ExpiresAt
		w.books.reserved(h)
	case "INSUFFICIENT_STOCK":
		var p problemLines
		if err := json.Unmarshal(answer, &p); err != nil || len(p.Lines) == 0 {
			w.defect("reserve was refused with %s: %v", answer, err)
		}
		for _, l := range p.Lines {
			if i, ok := itemOf(l.SKU); ok {
				w.books.ranOut(i)
			}
		}
	default:
		w.defect("reserve was refused with %s: %s", code, answer)
	}
}

// step confirms or releases a reservation that is held. It may be over by then, and must be when
// its time was over before it was sent; but not before.
func (w *worker) step(op string, due time.Time) {
	h, ok := w.books.take(time.Now())
	if !ok {
		w.reserve(1, due)
		return
	}
	r := w.request(op, nil)
	r.ID = h.id
	sent := time.Now()
	answer, code, first := w.insist(r, due)
	switch {
	case code == "RESERVATION_EXPIRED":
		if now := time.Now(); now.Before(h.expires) {
			w.defect("%s of %s was told at %v that it expired, which is to be at %v", op, h.id, now.UTC(), h.expires)
		}
		w.books.over()
	case code != "":
		w.defect("%s of %s was refused with %s: %s", op, h.id, code, answer)
	case first && sent.After(h.expires.Add(time.Millisecond)):
		w.defect("%s of %s went well at %v, and it expired at %v", op, h.id, sent.UTC(), h.expires)
	case op == "confirm":
		w.books.confirmed(h)
	}
}

// ship fulfils an order, or cancels it.
func (w *worker) ship(op string, due time.Time) {
	h, ok := w.books.takeCommitted()
	if !ok {
		w.step("confirm", due)
		return
	}
	r := w.request(op, nil)
	r.ID = h.id
	answer, code, _ := w.insist(r, due)
	switch {
	case code != "":
		w.defect("%s of %s was refused with %s: %s", op, h.id, code, answer)
	case op == "fulfill":
		w.books.fulfilled(h)
	default:
		w.books.cancelled(h)
	}
}

// receive stocks what ran out; a scarce item gets a few units only.
func (w *worker) receive(due time.Time) {
	item, ok := w.books.takeWanted()
	if !ok {
		item = w.item()
	}
	quantity := 20 + w.rng.IntN(openingUnits)
	if item < scarce {
		quantity = 1 + w.rng.IntN(8)
	}
	r := w.request("receive", map[string]any{"location": "main", "quantity": quantity})
	r.SKU = itemName(item)
	answer, code, _ := w.insist(r, due)
	if code != "" {
		w.defect("receive was refused with %s: %s", code, answer)
		return
	}
	w.books.received(item, int64(quantity))
}

// read reads an item, a page of history, or a reservation. It is not tried again.
func (w *worker) read(k int, due time.Time) {
	op := "get_item"
	var body any
	if k >= 97 {
		op = "history"
	}
	r := w.request(op, body)
	r.SKU = itemName(w.item())
	if h, ok := w.peek(); ok && k >= 93 && op == "get_item" {
		r.Op, r.SKU, r.ID = "get_reservation", "", h.id
	}
	d := w.door.Load()
	if d == nil {
		w.counts.readsLost.Add(1)
		return
	}
	answer, code, err := d.Send(context.Background(), r)
	switch {
	case err != nil:
		w.counts.readsLost.Add(1)
		if !w.dying.Load() && w.door.Load() == d {
			w.trouble(r.Op, err)
		}
	case Later(code):
		w.counts.overloaded.Add(1)
	case code != "":
		w.defect("%s of %s%s was refused with %s: %s", r.Op, r.SKU, r.ID, code, answer)
	default:
		w.counts.answered.Add(1)
		w.latency.add(time.Since(due))
		if r.Op == "get_item" {
			w.balanced(answer)
		}
	}
}

// peek returns a reservation that was confirmed.
func (w *worker) peek() (hold, bool) {
	w.books.mu.Lock()
	defer w.books.mu.Unlock()
	r := &w.books.committed
	if r.n == 0 {
		return hold{}, false
	}
	return r.all[r.first], true
}

// levels are the quantities of an item.
type levels struct {
	OnHand    int64 `json:"on_hand"`
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
	Committed int64 `json:"committed"`
	Backorder int64 `json:"backordered"`
}

// item is what the server says of one.
type item struct {
	SKU      string
	Sequence uint64
	Totals   levels
}

// balanced checks what must always be so.
func (w *worker) balanced(answer []byte) {
	var it item
	if err := json.Unmarshal(answer, &it); err != nil {
		w.defect("an item is %s: %v", answer, err)
		return
	}
	t := it.Totals
	if t.OnHand != t.Available+t.Reserved+t.Committed || min(t.OnHand, t.Available, t.Reserved, t.Committed) < 0 || t.Backorder != 0 {
		w.defect("the item does not balance: %s", answer)
	}
}
