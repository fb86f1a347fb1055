package httpapi

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/skua-stock/skua/gateway"
)

// TestMalformed holds every way to get a request wrong against its exact refusal. None of them
// may change anything.
func TestMalformed(t *testing.T) {
	d := stocked(t)
	const (
		receive = "/v1/items/A/receive"
		adjust  = "/v1/items/A/adjust"
		set     = "/v1/items/A/set"
		move    = "/v1/items/A/move"
		reserve = "/v1/reservations"
	)
	id := d.must(201, "POST", reserve, `{"lines":[{"sku":"A","quantity":1}]}`).body["id"].(string)
	confirm, extend := reserve+"/"+id+"/confirm", reserve+"/"+id+"/extend"
	long := strings.Repeat("x", 129)
	for _, c := range []struct{ path, body, code, field string }{
		// What is no JSON, or not one object of it.
		{receive, ``, "INVALID_REQUEST", "location"},
		{receive, " \n", "INVALID_REQUEST", "location"},
		{receive, `{`, "INVALID_REQUEST", ""},
		{receive, `nonsense`, "INVALID_REQUEST", ""},
		{receive, `null`, "INVALID_REQUEST", ""},
		{receive, `[]`, "INVALID_REQUEST", ""},
		{receive, `"x"`, "INVALID_REQUEST", ""},
		{receive, `12`, "INVALID_REQUEST", ""},
		{receive, `{"location":"main","quantity":1}{}`, "INVALID_REQUEST", ""},
		{receive, `{"location":"main","quantity":1} x`, "INVALID_REQUEST", ""},
		{receive, "\ufeff" + `{"location":"main","quantity":1}`, "INVALID_REQUEST", ""},
		{receive, `{"location":"main","quantity":1,}`, "INVALID_REQUEST", ""},
		{receive, `{'location':"main"}`, "INVALID_REQUEST", ""},
		{receive, "{\"location\":\"m\xff\",\"quantity\":1}", "INVALID_REQUEST", "location"},
		{receive, `{"location":"\ud800","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"` + "a\nb" + `","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, strings.Repeat(`{"a":`, 20_000), "INVALID_REQUEST", "a"},
		// Members.
		{receive, `{"location":"main","quantity":1,"colour":"red"}`, "INVALID_REQUEST", "colour"},
		{receive, `{"location":"main","Quantity":1}`, "INVALID_REQUEST", "Quantity"},
		{receive, `{"location":"main","quantity":1,"quantity":2}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":1,"op":"receive"}`, "INVALID_REQUEST", "op"},
		{receive, `{"location":"main","quantity":1,"sku":"A"}`, "INVALID_REQUEST", "sku"},
		{receive, `{}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"main"}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":null}`, "INVALID_REQUEST", "quantity"},
		{move, `{"location":"main","quantity":1,"from":"available"}`, "INVALID_REQUEST", "to"},
		{reserve, `{"lines":[{"sku":"A","quantity":1,"lot":"x"}]}`, "INVALID_REQUEST", "lines[0].lot"},
		{reserve, `{"lines":[{"sku":"A","quantity":1},{"sku":"A"}]}`, "INVALID_REQUEST", "lines[1].quantity"},
		{reserve, `{"lines":[null]}`, "INVALID_REQUEST", "lines[0].sku"},
		// Types.
		{receive, `{"location":7,"quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":["main"],"quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"main","quantity":"1"}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":true}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":{}}`, "INVALID_REQUEST", "quantity"},
		{reserve, `{"lines":{}}`, "INVALID_REQUEST", "lines"},
		{reserve, `{"lines":"A"}`, "INVALID_REQUEST", "lines"},
		{reserve, `{"lines":["A"]}`, "INVALID_REQUEST", "lines[0]"},
		{reserve, `{"lines":[{"sku":1,"quantity":1}]}`, "INVALID_REQUEST", "lines[0].sku"},
		// Numbers.
		{receive, `{"location":"main","quantity":NaN}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":Infinity}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":1.5}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":1.0}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":1e3}`, "INVALID_REQUEST", "quantity"},
		{receive, `{"location":"main","quantity":01}`, "INVALID_REQUEST", ""},
		{receive, `{"location":"main","quantity":0x10}`, "INVALID_REQUEST", ""},
		{receive, `{"location":"main","quantity":0}`, "INVALID_QUANTITY_TOO_LOW", "quantity"},
		{receive, `{"location":"main","quantity":-1}`, "INVALID_QUANTITY_TOO_LOW", "quantity"},
		{receive, `{"location":"main","quantity":-9223372036854775809}`, "INVALID_QUANTITY_TOO_LOW", "quantity"},
		{receive, `{"location":"main","quantity":4611686018427387904}`, "INVALID_QUANTITY_TOO_HIGH", "quantity"},
		{receive, `{"location":"main","quantity":4611686018427387903}`, "INVALID_QUANTITY_TOO_HIGH", "quantity"},
		{receive, `{"location":"main","quantity":9223372036854775808}`, "INVALID_QUANTITY_TOO_HIGH", "quantity"},
		{receive, `{"location":"main","quantity":1` + strings.Repeat("0", 400) + `}`, "INVALID_QUANTITY_TOO_HIGH", "quantity"},
		{adjust, `{"location":"main","delta":0,"reason":"other"}`, "INVALID_QUANTITY_TOO_LOW", "delta"},
		{set, `{"location":"main","quantity":-1}`, "INVALID_QUANTITY_TOO_LOW", "quantity"},
		{set, `{"location":"main","quantity":1,"change_from_quantity":-1}`, "INVALID_QUANTITY_TOO_LOW", "change_from_quantity"},
		{set, `{"location":"main","quantity":1,"change_from_quantity":1}`, "CHANGE_FROM_QUANTITY_STALE", "change_from_quantity"},
		{set, `{"location":"main","quantity":1,"change_from_quantity":"1"}`, "INVALID_REQUEST", "change_from_quantity"},
		{reserve, `{"lines":[{"sku":"A","quantity":-1}]}`, "INVALID_QUANTITY_TOO_LOW", "lines[0].quantity"},
		{reserve, `{"lines":[{"sku":"A","quantity":1.5}]}`, "INVALID_REQUEST", "lines[0].quantity"},
		// Words.
		{adjust, `{"location":"main","delta":1}`, "INVALID_REASON", "reason"},
		{receive, `{"location":"main","quantity":1,"reason":"because"}`, "INVALID_REASON", "reason"},
		{receive, `{"location":"main","quantity":1,"reason":""}`, "INVALID_REASON", "reason"},
		{adjust, `{"location":"main","delta":1,"reason":"other","state":"reserved"}`, "INVALID_STATE_NAME", "state"},
		{adjust, `{"location":"main","delta":1,"reason":"other","state":"shiny"}`, "INVALID_STATE_NAME", "state"},
		{adjust, `{"location":"main","delta":1,"reason":"other","state":""}`, "INVALID_STATE_NAME", "state"},
		{move, `{"location":"main","quantity":1,"from":"shiny","to":"damaged"}`, "INVALID_STATE_NAME", "from"},
		{move, `{"location":"main","quantity":1,"from":"available","to":"available"}`, "INVALID_STATE_NAME", "to"},
		{receive, `{"location":"main","quantity":1,"reference_document_uri":"seven"}`, "INVALID_REFERENCE_DOCUMENT", "reference_document_uri"},
		{receive, `{"location":"main","quantity":1,"reference_document_uri":"x:` + strings.Repeat("y", 512) + `"}`, "INVALID_REFERENCE_DOCUMENT", "reference_document_uri"},
		// Names and lengths.
		{receive, `{"location":"","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"..","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"a\u0000","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"` + long + `","quantity":1}`, "INVALID_REQUEST", "location"},
		{receive, `{"location":"main","quantity":1,"actor":"` + strings.Repeat("x", 256) + `"}`, "INVALID_REQUEST", "actor"},
		{reserve, `{"lines":[{"sku":"` + long + `","quantity":1}]}`, "INVALID_REQUEST", "lines[0].sku"},
		{reserve, `{"lines":[{"sku":"","quantity":1}]}`, "INVALID_REQUEST", "lines[0].sku"},
		{reserve, `{"lines":[{"sku":"A","quantity":1,"location":""}]}`, "INVALID_REQUEST", "lines[0].location"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"owner":"` + strings.Repeat("x", 256) + `"}`, "INVALID_REQUEST", "owner"},
		{"/v1/items/" + long + "/receive", `{"location":"main","quantity":1}`, "INVALID_REQUEST", "sku"},
		// Lines and lives of reservations.
		{reserve, `{}`, "INVALID_REQUEST", "lines"},
		{reserve, `{"lines":[]}`, "INVALID_REQUEST", "lines"},
		{reserve, `{"lines":[` + strings.Repeat(`{"sku":"A","quantity":1},`, 1000) + `{"sku":"A","quantity":1}]}`, "TOO_MANY_LINES", "lines"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":0}`, "INVALID_REQUEST", "ttl_ms"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":-5}`, "INVALID_REQUEST", "ttl_ms"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":1.5}`, "INVALID_REQUEST", "ttl_ms"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":2678400001}`, "TTL_TOO_LONG", "ttl_ms"},
		{reserve, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":99999999999999999999}`, "TTL_TOO_LONG", "ttl_ms"},
		{"/v1/commitments", `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":5}`, "INVALID_REQUEST", "ttl_ms"},
		{confirm, `{"lines":[]}`, "INVALID_REQUEST", "lines"},
		{confirm, `{"lines":[{"sku":"A","quantity":0}]}`, "INVALID_QUANTITY_TOO_LOW", "lines"},
		{confirm, `{"owner":"x"}`, "INVALID_REQUEST", "owner"},
		{extend, `{"ttl_ms":0}`, "INVALID_REQUEST", "ttl_ms"},
		{extend, `{"lines":[]}`, "INVALID_REQUEST", "lines"},
		{"/v1/batch", `{}`, "INVALID_REQUEST", "operations"},
		{"/v1/batch", `{"operations":[]}`, "INVALID_REQUEST", "operations"},
		{"/v1/batch", `{"operations":[{}],"error_policy":"maybe"}`, "INVALID_REQUEST", "error_policy"},
	} {
		status := 400
		if c.code == "CHANGE_FROM_QUANTITY_STALE" {
			status = 409
		}
		r := d.refused(status, c.code, c.field, "POST", c.path, c.body)
		detail, _ := r.body["detail"].(string)
		last := c.field[strings.LastIndexByte(c.field, '.')+1:]
		if len(detail) < 10 || len(detail) > 600 || c.code == "INVALID_REQUEST" && len(c.body) < 200 &&
			!strings.Contains(detail, strings.TrimRight(last, "[0]s")) && !strings.Contains(detail, "the body") {
			t.Errorf("%s %.100s: the detail says not what is wrong: %.700s", c.path, c.body, detail)
		}
	}
	for _, c := range []struct{ body, code, field string }{
		{`{"backorder_limit":-1}`, "INVALID_QUANTITY_TOO_LOW", "backorder_limit"},
		{`{"backorder_limit":1.5}`, "INVALID_REQUEST", "backorder_limit"},
		{`{"safety_stock":{"main":-1}}`, "INVALID_QUANTITY_TOO_LOW", "safety_stock.main"},
		{`{"safety_stock":{"main":"1"}}`, "INVALID_REQUEST", "safety_stock.main"},
		{`{"safety_stock":{"main":null}}`, "INVALID_REQUEST", "safety_stock.main"},
		{`{"safety_stock":{"main":1,"main":2}}`, "INVALID_REQUEST", "safety_stock.main"},
		{`{"safety_stock":[1]}`, "INVALID_REQUEST", "safety_stock"},
		{`{"location_order":["a","a"]}`, "INVALID_REQUEST", "location_order[1]"},
		{`{"location_order":[1]}`, "INVALID_REQUEST", "location_order[0]"},
		{`{"reorder_point":9223372036854775807}`, "INVALID_QUANTITY_TOO_HIGH", "reorder_point"},
	} {
		d.refused(400, c.code, c.field, "PUT", "/v1/items/A", c.body)
	}
	for _, c := range []struct{ path, field string }{
		{"/v1/items?limit=0", "limit"},
		{"/v1/items?limit=1001", "limit"},
		{"/v1/items?limit=x", "limit"},
		{"/v1/items?limit=", "limit"},
		{"/v1/items?limit=1&limit=2", "limit"},
		{"/v1/items?cursor=x", "cursor"},
		{"/v1/items?cursor=" + gateway.HistoryCursor(3), "cursor"},
		{"/v1/items?offset=3", "offset"},
		{"/v1/items/A/history?cursor=" + gateway.ItemsCursor("A"), "cursor"},
		{"/v1/items/A/history?cursor=%ff", "cursor"},
		{"/v1/items/A/history?limit=-1", "limit"},
		{"/v1/items?cursor=" + strings.Repeat("A", 300), "cursor"},
		{"/v1/events?from=yesterday", "from"},
		{"/v1/events?sku=", "sku"},
		{"/v1/events?location=..", "location"},
		{"/v1/events?x=1", "x"},
		{"/v1/events?sku=a&sku=b", "sku"},
		{"/v1/items/A?limit=3", "limit"},
		{"/v1/items/A?y&x=1", "x"},
	} {
		d.refused(400, "INVALID_REQUEST", c.field, "GET", c.path, "")
	}
	for _, path := range []string{"/v1/items/A/receive", "/v1/reservations", "/v1/batch"} {
		d.refused(400, "INVALID_REQUEST", "if_match", "POST", path+"?if_match=7", `{"location":"main","quantity":1}`)
	}
	d.refused(400, "INVALID_REQUEST", "Last-Event-ID", "GET", "/v1/events", "", "Last-Event-ID: zzz")
}

func TestBodiesAndTypes(t *testing.T) {
	d := stocked(t)
	const path, receive = "/v1/items/A/receive", `{"location":"main","quantity":1}`
	d.must(200, "POST", path, receive, "Content-Type: Application/JSON; charset=utf-8")
	d.must(200, "POST", path, receive, "Content-Type:")
	d.refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Type", "POST", path, receive, "Content-Type: text/xml")
	d.must(200, "POST", path, receive, "Content-Type: application/x-www-form-urlencoded")
	d.refused(415, "UNSUPPORTED_MEDIA_TYPE", "Content-Encoding", "POST", path, receive, "Content-Encoding: gzip")
	d.must(201, "PUT", "/v1/items/B", "", "Content-Type: application/x-www-form-urlencoded")

	full := receive + strings.Repeat(" ", gateway.BodyBytesMax-len(receive))
	d.must(200, "POST", path, full)
	d.refused(413, "PAYLOAD_TOO_LARGE", "", "POST", path, full+" ")
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(full+" "))
	req.ContentLength = -1
	req.Header.Set("Idempotency-Key", "chunked")
	rec := httptest.NewRecorder()
	if d.server.Handler().ServeHTTP(rec, req); rec.Code != 413 {
		t.Errorf("a body without a length: %d %s", rec.Code, rec.Body)
	}
	d.refused(413, "PAYLOAD_TOO_LARGE", "operations", "POST", "/v1/batch",
		fmt.Sprintf(`{"operations":[%s0]}`, strings.Repeat("0,", gateway.BatchOperationsMax)))
}

func TestPathsAndMethods(t *testing.T) {
	d := open(t)
	d.refused(404, "NOT_FOUND", "", "GET", "/v2/items", "")
	d.refused(404, "NOT_FOUND", "", "GET", "/v1/items/a/b", "")
	d.refused(404, "NOT_FOUND", "", "GET", "/problems/none", "")
	r := d.refused(405, "METHOD_NOT_ALLOWED", "", "DELETE", "/v1/items/A", "")
	if allow := r.Header().Get("Allow"); !strings.Contains(allow, "GET") || !strings.Contains(allow, "PUT") {
		t.Errorf("Allow %q", allow)
	}
	d.must(200, "HEAD", "/v1/items", "")
}

func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"location":"main","quantity":1}`, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":5}`, `{"safety_stock":{"a":1}}`,
		`{"operations":[{"op":"receive","idempotency_key":"k","sku":"A","location":"m","quantity":1}]}`, "{\"a\":\"\xff\"}", `{"a":{"a":1.5}}`,
	} {
		for op := range uint8(6) {
			f.Add(op, seed)
		}
	}
	paths := []string{"/v1/items/A/receive", "/v1/reservations", "/v1/batch", "/v1/items/A/move", "/v1/items/B/set", "/v1/commitments"}
	f.Fuzz(func(t *testing.T, op uint8, body string) {
		d := stocked(t)
		before := d.shop.Records()
		r := d.do("POST", paths[int(op)%len(paths)], body)
		if r.Code >= 500 {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		if r.Code >= 400 && d.shop.Records() != before {
			t.Fatalf("refused with %s, but something changed", r.Body)
		}
	})
}

func FuzzCursorsAndIDs(f *testing.F) {
	f.Add(gateway.ItemsCursor("A"))
	f.Add(gateway.HistoryCursor(12))
	f.Add(gateway.EventCursor(3, 1))
	f.Add("r1AUE")
	f.Fuzz(func(t *testing.T, text string) {
		if after, p := gateway.ParseItemsCursor(text); p == nil && text != "" && gateway.ItemsCursor(after) != text {
			t.Fatalf("%q is a second spelling of %q", text, after)
		}
		if before, p := gateway.ParseHistoryCursor(text); p == nil && text != "" && gateway.HistoryCursor(before) != text {
			t.Fatalf("%q is a second spelling of %d", text, before)
		}
		if index, n, p := gateway.ParseEventCursor("from", text); p == nil && gateway.EventCursor(index, n) != text {
			t.Fatalf("%q is a second spelling of %d, %d", text, index, n)
		}
		d := stocked(t)
		before := d.shop.Records()
		if r := d.do("POST", "/v1/reservations/"+url.PathEscape(text)+"/confirm", ""); r.Code < 400 || r.Code >= 500 {
			t.Fatalf("an id that was never given out: %d %s", r.Code, r.Body)
		}
		if d.shop.Records() != before {
			t.Fatal("an id that was never given out changed something")
		}
	})
}
