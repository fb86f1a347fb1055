package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// audit holds what a site has written down against what it acknowledged.
type audit struct {
	workload bench.Workload
	told     bench.Ledger
}

// lapseWait is longer than holds live that are left to expire.
const lapseWait = 2 * bench.LapseTTL * time.Millisecond

// verify counts the books, when all that lapses has.
func (a *audit) verify(count func() (bench.Books, error)) error {
	if a.told.Lapsed > 0 {
		time.Sleep(lapseWait)
	}
	b, err := count()
	if err != nil {
		return fmt.Errorf("count the books: %w", err)
	}
	return a.told.Check(b, a.workload)
}

// readAtOnce is how many items are read at once while books are counted.
const readAtOnce = 1000

// books sums up the items of the workload.
func (s *inProcessSite) books() (b bench.Books, err error) {
	var mu sync.Mutex
	for from := 0; from < s.workload.SKUs; from += readAtOnce {
		var all sync.WaitGroup
		for i := from; i < min(from+readAtOnce, s.workload.SKUs); i++ {
			all.Add(1)
			s.node.Submit(&engine.Command{Op: engine.OpGetItem, SKU: bench.SKU(i)}, func(a *engine.Answer) {
				defer all.Done()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case a.Err != nil:
					err = a.Err
				case a.Item == nil:
					err = errors.New(a.Refusal.Code.String())
				default:
					b.Held += a.Item.Total(engine.Reserved) + a.Item.Total(engine.Committed)
					b.OnHand += a.Item.Total(engine.OnHand)
				}
			})
		}
		if all.Wait(); err != nil {
			return b, err
		}
	}
	return b, nil
}

// books sums up all items, a page at a time.
func (s *servedSite) books() (b bench.Books, err error) {
	for cursor := ""; ; {
		var page struct {
			Items []struct {
				Totals struct {
					Reserved  int64 `json:"reserved"`
					Committed int64 `json:"committed"`
					OnHand    int64 `json:"on_hand"`
				} `json:"totals"`
			} `json:"items"`
			Next string `json:"next_cursor"`
		}
		query := url.Values{"limit": {strconv.Itoa(readAtOnce)}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		resp, err := http.Get("http://" + s.http + "/v1/items?" + query.Encode())
		if err != nil {
			return b, err
		}
		if resp.StatusCode != http.StatusOK {
			return b, errors.Join(fmt.Errorf("the server answers %s", resp.Status), resp.Body.Close())
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return b, err
		}
		for i := range page.Items {
			totals := &page.Items[i].Totals
			b.Held += totals.Reserved + totals.Committed
			b.OnHand += totals.OnHand
		}
		if cursor = page.Next; cursor == "" {
			return b, nil
		}
	}
}

// savedMetric tells of snapshots.
const savedMetric = "skua_snapshot_through"

// gathered reads one gauge.
func gathered(metrics *prometheus.Registry, name string) (int64, error) {
	all, err := metrics.Gather()
	if err != nil {
		return 0, err
	}
	for _, family := range all {
		if family.GetName() == name {
			return int64(family.GetMetric()[0].GetGauge().GetValue()), nil
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}
