package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/skua-stock/skua/gateway"
)

// walk reads a list page by page and returns one member of each row.
func walk(d *door, path, list, member string) (rows []string, pages int) {
	d.Helper()
	next := path
	for next != "" {
		r := d.must(200, "GET", next, "")
		pages++
		for _, row := range r.body[list].([]any) {
			rows = append(rows, fmt.Sprint(row.(map[string]any)[member]))
		}
		cursor, there := r.body["next_cursor"]
		if !there {
			d.Fatalf("%s: no next_cursor: %s", next, r.Body)
		}
		link := r.Header().Get("Link")
		if (cursor == nil) != (link == "") {
			d.Fatalf("%s: next_cursor %v, Link %q", next, cursor, link)
		}
		next = ""
		if link != "" {
			next = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
	}
	return rows, pages
}

func TestListOfItems(t *testing.T) {
	d := open(t)
	if rows, _ := walk(d, "/v1/items", "items", "sku"); rows != nil {
		t.Errorf("no items: %v", rows)
	}
	want := []string{"A", "B/b", "C", "D", "E", "ü"}
	for _, sku := range []string{"%C3%BC", "C", "A", "E", "D", "B%2Fb"} {
		d.must(201, "PUT", "/v1/items/"+sku, "")
	}
	for limit := 1; limit <= 7; limit++ {
		rows, pages := walk(d, fmt.Sprintf("/v1/items?limit=%d", limit), "items", "sku")
		if diff := cmp.Diff(want, rows); diff != "" || pages != (6+limit-1)/limit {
			t.Errorf("limit %d: %d pages\n%s", limit, pages, diff)
		}
	}
}

func TestHistory(t *testing.T) {
	d := stocked(t)
	id := d.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":10}],"owner":"cart","ttl_ms":50}`).body["id"].(string)
	d.must(200, "POST", "/v1/items/A/move", `{"location":"main","quantity":1,"from":"on_hand","to":"damaged","actor":"ann","reference_document_uri":"count:1"}`)
	d.shop.Advance(50)
	d.do("GET", "/v1/items/A", "")
	d.must(200, "POST", "/v1/items/A/set", `{"location":"main","quantity":8}`)
	for limit := 1; limit <= 7; limit++ {
		rows, _ := walk(d, fmt.Sprintf("/v1/items/A/history?limit=%d", limit), "movements", "sequence")
		if diff := cmp.Diff([]string{"6", "5", "4", "3", "2", "1"}, rows); diff != "" {
			t.Errorf("limit %d:\n%s", limit, diff)
		}
	}
	types, _ := walk(d, "/v1/items/A/history", "movements", "type")
	if diff := cmp.Diff([]string{"stock.set", "stock.reservation_expired", "stock.moved", "stock.reserved", "stock.received", "stock.item_created"}, types); diff != "" {
		t.Error(diff)
	}
	var page gateway.MovementPage
	if err := json.Unmarshal(d.do("GET", "/v1/items/A/history", "").Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	for i := range page.Movements[:4] {
		if page.Movements[i].Before != page.Movements[i+1].After {
			t.Errorf("movement %d does not follow on the one before:\n%s", page.Movements[i].Sequence,
				cmp.Diff(page.Movements[i+1].After, page.Movements[i].Before))
		}
	}
	want := gateway.Movement{
		SKU: "A", Sequence: 5, Type: "stock.reservation_expired", At: "2026-01-01T00:00:00.050Z", Location: "main", Quantity: 10,
		Before: gateway.States{OnHand: 10, Reserved: 10, Damaged: 1, Backordered: 1},
		After:  gateway.States{OnHand: 10, Available: 9, Damaged: 1},
		Cause:  "expire", Reason: "expiry", ReservationID: id, Owner: "cart", ExpiresAt: "2026-01-01T00:00:00.050Z",
		Alerts: []string{"stock.back_in_stock", "stock.backorder_filled"},
	}
	if diff := cmp.Diff(want, page.Movements[1]); diff != "" {
		t.Error(diff)
	}
	want = gateway.Movement{
		SKU: "A", Sequence: 4, Type: "stock.moved", At: "2026-01-01T00:00:00.000Z", Location: "main", Quantity: 1,
		From: "on_hand", To: "damaged",
		Before: gateway.States{OnHand: 10, Reserved: 10}, After: gateway.States{OnHand: 10, Reserved: 10, Damaged: 1, Backordered: 1},
		Cause: "move", Reason: "other", Actor: "ann", Reference: "count:1", Alerts: []string{"stock.backordered"},
	}
	if diff := cmp.Diff(want, page.Movements[2]); diff != "" {
		t.Error(diff)
	}
}

func TestHealthAndMetrics(t *testing.T) {
	var why error
	reg := prometheus.NewRegistry()
	d := open(t, func(c *Config) {
		c.Ready = func() error { return why }
		c.Metrics = gateway.NewMetrics(reg)
		c.MetricsHandler = promhttp.HandlerFor(reg, promhttp.HandlerOpts{})
	})
	d.must(200, "GET", "/livez", "").has(t, `{"status":"live"}`)
	d.must(200, "GET", "/readyz", "").has(t, `{"status":"ready"}`)
	why = errors.New("replaying the log: 43%")
	d.must(200, "GET", "/livez", "")
	d.refused(503, "SERVICE_UNAVAILABLE", "", "GET", "/readyz", "").has(t, `{"detail":"replaying the log: 43%"}`)
	why = nil
	d.must(201, "PUT", "/v1/items/A", "")
	d.refused(404, "ITEM_NOT_FOUND", "sku", "GET", "/v1/items/B", "")
	page := d.do("GET", "/metrics", "").Body.String()
	for _, line := range []string{
		`skua_door_requests_total{code="OK",door="http",operation="put_item"} 1`,
		`skua_door_requests_total{code="ITEM_NOT_FOUND",door="http",operation="get_item"} 1`,
		`skua_door_reply_seconds_count{door="http",operation="put_item"} 1`,
		`skua_door_requests_in_flight{door="http"} 0`,
		`skua_door_event_streams 0`,
	} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("/metrics lacks %s", line)
		}
	}
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: %v %v", problems, err)
	}
	for _, k := range gateway.Kinds() {
		if r := d.do("GET", k.Type(), ""); r.Code != 200 || !strings.Contains(r.Body.String(), k.Cause) {
			t.Errorf("GET %s: %d %s", k.Type(), r.Code, r.Body)
		}
	}
}
