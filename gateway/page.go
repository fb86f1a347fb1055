package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway/access"
)

// Reader answers the reads that are more than one command: the list of items and the history of
// one. Both doors have one.
type Reader struct {
	Port  Port
	Books Books
	// Metrics are those of the door; nil counts nothing.
	Metrics *DoorMetrics
}

// pageSize checks a limit.
func pageSize(limit Integer) (int, *Problem) {
	switch {
	case !limit.Set:
		return PageDefault, nil
	case limit.N < 1 || limit.N > PageMax:
		return 0, Invalid("limit", "limit must be 1 to %d, is %d", PageMax, limit.N)
	}
	return int(limit.N), nil
}

// Items writes an [ItemPage].
func (r *Reader) Items(ctx context.Context, who *Caller, b []byte, limit Integer, cursor string) ([]byte, string, *Problem) {
	size, p := pageSize(limit)
	if p != nil {
		return b, "", p
	}
	after, p := ParseItemsCursor(cursor)
	if p != nil {
		return b, "", p
	}
	skus, err := r.names(ctx, who.Grant, after, size+1)
	if err != nil {
		return b, "", readFailed(ctx, err)
	}
	next := ""
	if len(skus) > size {
		skus = skus[:size]
		next = ItemsCursor(skus[size-1])
	}
	b = append(b, `{"items":[`...)
	if b, p = r.items(ctx, who, b, skus); p != nil {
		return b, "", p
	}
	return appendNext(append(b, ']'), next), next, nil
}

// items reads items, some at a time, and writes them with commas between. Each is written while
// its answer is lent, and put in its place at the end.
func (r *Reader) items(ctx context.Context, who *Caller, b []byte, skus []string) ([]byte, *Problem) {
	var views []byte
	places := make([]struct{ from, to int }, len(skus))
	var failed *Problem
	g := new(bunch)
	g.start(len(skus), r.Port, func(i int, a *engine.Answer) {
		if !g.take() {
			return
		}
		places[i].from = len(views)
		if a, p := Seen(who.Grant, engine.OpGetItem, a); p != nil {
			failed = p
		} else {
			views = AppendItem(views, a.Item)
		}
		places[i].to = len(views)
		g.filed(i)
	})
	for i, sku := range skus {
		if !g.add(ctx, i, &engine.Command{Op: engine.OpGetItem, SKU: sku}) {
			break
		}
	}
	g.awaitAll(ctx)
	switch whole := g.end(); {
	case failed != nil:
		return b, failed
	case !whole || g.late:
		return b, TimedOut(AnswerWait)
	}
	for i, place := range places {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, views[place.from:place.to]...)
	}
	return b, nil
}

// names lists items that a grant is for. Each of its prefixes is a range of names, and what lies
// between them is not read.
func (r *Reader) names(ctx context.Context, g *access.Grant, after string, n int) ([]string, error) {
	if g == nil || len(g.Prefixes) == 0 {
		return r.Books.SKUs(ctx, after, n)
	}
	var all []string
	for _, prefix := range g.Prefixes {
		from := max(after, justBefore(prefix))
		for within := true; within && len(all) < n; {
			page, err := r.Books.SKUs(ctx, from, n-len(all))
			if err != nil {
				return nil, err
			}
			within = len(page) == n-len(all)
			for _, sku := range page {
				if !strings.HasPrefix(sku, prefix) {
					within = false
					break
				}
				all, from = append(all, sku), sku
			}
		}
	}
	return all, nil
}

// justBefore is text that is before every name with a prefix, and after every name that is before
// those. A prefix has no zero byte, so that its last one has a predecessor.
func justBefore(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] - 1}) + strings.Repeat("\xff", engine.NameBytesMax)
}

// History writes a [MovementPage].
func (r *Reader) History(ctx context.Context, who *Caller, b []byte, sku string, limit Integer, cursor string) ([]byte, string, *Problem) {
	if bad := engine.ValidName(sku); bad != "" {
		return b, "", Invalid("sku", "sku %s", bad)
	}
	if p := Denied(who.Grant.Item("sku", sku)); p != nil {
		return b, "", p
	}
	size, p := pageSize(limit)
	if p != nil {
		return b, "", p
	}
	before, p := ParseHistoryCursor(cursor)
	if p != nil {
		return b, "", p
	}
	h, err := r.Books.History(ctx, sku, before, size)
	if err != nil {
		return b, "", readFailed(ctx, err)
	}
	if len(h.Movements) == 0 && before == 0 {
		// Nothing was found: because nothing is kept, or because there is no such item.
		if _, p := r.items(ctx, who, nil, []string{sku}); p != nil {
			return b, "", p
		}
	}
	next := ""
	b = append(b, `{"movements":[`...)
	first := true
	for i := range h.Movements {
		m := who.Grant.Movement(&h.Movements[i])
		if m == nil {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = AppendMovement(b, m, r.Port.AppendReservationID)
	}
	if n := len(h.Movements); h.More && n > 0 {
		next = HistoryCursor(h.Movements[n-1].Sequence)
	}
	b = append(b, ']')
	if h.Begins != 0 {
		b = appendUint(b, `,"history_begins":`, h.Begins)
	}
	return appendNext(b, next), next, nil
}

func appendNext(b []byte, cursor string) []byte {
	if cursor == "" {
		return append(b, `,"next_cursor":null}`...)
	}
	b = appendMember(b, `,"next_cursor":`, cursor)
	return append(b, '}')
}

func readFailed(ctx context.Context, err error) *Problem {
	switch {
	case errors.Is(err, ErrGone):
		return newProblem(HistoryGone, "cursor", "history at this cursor is %s", ErrGone)
	case ctx.Err() != nil:
		return TimedOut(AnswerWait)
	}
	return Failed(err)
}

// AnswerTooLarge is an answer that is longer than the door can send.
func AnswerTooLarge(size int, most int64) *Problem {
	return newProblem(TooLargeAnswer, "", "the answer has %d bytes, and a message at most %d", size, most)
}

// TimedOut is a command whose answer did not come within a time.
func TimedOut(wait time.Duration) *Problem {
	return newProblem(AnswerTimeout, "", "no answer within %s; a retry with the same key is safe", wait)
}
