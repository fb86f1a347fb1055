package httpapi

import (
	"strings"
	"testing"
)

func TestItems(t *testing.T) {
	d := open(t)
	r := d.must(201, "PUT", "/v1/items/A", `{"backorder_limit":2,"safety_stock":{"main":3,"back":0},"reorder_point":4,"location_order":["back","main"]}`)
	r.has(t, `{"sku":"A","sequence":1,"settings":{"backorder_limit":2,"reorder_point":4,"safety_stock":{"main":3},"location_order":["back","main"]}}`)
	if r.Header().Get("ETag") != `"1"` || r.Header().Get("Location") != "/v1/items/A" {
		t.Errorf("headers %v", r.Header())
	}
	r = d.must(200, "PUT", "/v1/items/A", `{"safety_stock":{"main":1}}`)
	r.has(t, `{"sequence":2,"settings":{"backorder_limit":0,"reorder_point":0,"safety_stock":{"main":1},"location_order":[]}}`)

	r = d.must(200, "POST", "/v1/items/A/receive", `{"location":"main","quantity":100,"reason":"received","reference_document_uri":"po:7","actor":"ann"}`)
	r.has(t, `{"sku":"A","sequence":3,"location":"main","level":{"on_hand":100,"available":99,"reserved":0,"committed":0,
		"safety_stock":1,"damaged":0,"quality_control":0,"other":0,"backordered":0}}`)
	if r.Header().Get("ETag") != `"3"` || r.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("headers %v", r.Header())
	}
	d.must(200, "POST", "/v1/items/A/adjust", `{"location":"main","delta":-3,"state":"available","reason":"damaged"}`).
		has(t, `{"sequence":4,"location":"main"}`)
	d.must(200, "POST", "/v1/items/A/set", `{"location":"main","quantity":50,"change_from_quantity":97,"reason":"correction"}`).
		has(t, `{"sequence":5}`)
	d.must(200, "POST", "/v1/items/A/set", `{"location":"main","quantity":51,"change_from_quantity":null}`)
	d.must(200, "POST", "/v1/items/A/move", `{"location":"main","quantity":2,"from":"available","to":"damaged"}`)
	d.must(200, "POST", "/v1/items/A/restock", `{"location":"back","quantity":1,"reason":"restock"}`)

	r = d.must(200, "GET", "/v1/items/A", "")
	r.has(t, `{"sku":"A","sequence":8,
		"totals":{"on_hand":52,"available":49,"reserved":0,"committed":0,"safety_stock":1,"damaged":2,"quality_control":0,"other":0,"backordered":0},
		"levels":[
			{"location":"back","on_hand":1,"available":1,"reserved":0,"committed":0,"safety_stock":0,"damaged":0,"quality_control":0,"other":0,"backordered":0},
			{"location":"main","on_hand":51,"available":48,"reserved":0,"committed":0,"safety_stock":1,"damaged":2,"quality_control":0,"other":0,"backordered":0}]}`)
	if r.Header().Get("ETag") != `"8"` {
		t.Errorf("ETag %q", r.Header().Get("ETag"))
	}
	d.refused(404, "ITEM_NOT_FOUND", "sku", "GET", "/v1/items/nope", "")
	d.refused(404, "ITEM_NOT_FOUND", "sku", "GET", "/v1/items/nope/history", "")
	d.refused(404, "ITEM_NOT_FOUND", "sku", "POST", "/v1/items/nope/receive", `{"location":"main","quantity":1}`)
}

func TestConditions(t *testing.T) {
	d := stocked(t)
	const receive = `{"location":"main","quantity":1}`
	for _, tag := range []string{`"2"`, `W/"2"`, `"1", "2"`, "*"} {
		if r := d.must(304, "GET", "/v1/items/A", "", "If-None-Match: "+tag); r.Body.Len() != 0 || r.Header().Get("ETag") != `"2"` {
			t.Errorf("If-None-Match %s: %v %s", tag, r.Header(), r.Body)
		}
	}
	d.must(200, "GET", "/v1/items/A", "", `If-None-Match: "1"`)
	d.refused(412, "VERSION_CONFLICT", "If-Match", "POST", "/v1/items/A/receive", receive, `If-Match: "1"`).
		has(t, `{"current":2}`)
	d.must(200, "POST", "/v1/items/A/receive", receive, `If-Match: "2"`)
	d.must(200, "POST", "/v1/items/A/receive", receive, `If-Match: *`)
	for _, none := range []string{`W/"4"`, `"04"`, `"x"`, `""`, `"-1"`, `"99999999999999999999"`} {
		d.refused(412, "VERSION_CONFLICT", "If-Match", "POST", "/v1/items/A/receive", receive, `If-Match: `+none).
			has(t, `{"current":4}`)
	}
	d.refused(412, "VERSION_CONFLICT", "If-Match", "POST", "/v1/items/A/receive", receive, `If-Match: W/"4"`).
		has(t, `{"detail":"the item is at sequence 4, which is not the one asked for"}`)
	for _, bad := range []string{`4`, `"1","4"`, `"`} {
		d.refused(400, "INVALID_REQUEST", "If-Match", "POST", "/v1/items/A/receive", receive, `If-Match: `+bad)
	}
	d.refused(412, "VERSION_CONFLICT", "If-Match", "PUT", "/v1/items/B", `{}`, `If-Match: *`).has(t, `{"current":0}`)
	d.refused(412, "VERSION_CONFLICT", "If-None-Match", "PUT", "/v1/items/A", `{}`, `If-None-Match: *`).
		has(t, `{"current":4,"detail":"the item exists, at sequence 4"}`)
	d.must(201, "PUT", "/v1/items/B", `{}`, `If-None-Match: *`)
	d.must(200, "PUT", "/v1/items/B", `{}`, `If-Match: *`)
	d.refused(400, "INVALID_REQUEST", "If-None-Match", "PUT", "/v1/items/B", `{}`, `If-None-Match: "1"`)
	id := d.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":1}]}`).body["id"].(string)
	d.refused(400, "INVALID_REQUEST", "If-Match", "POST", "/v1/reservations/"+id+"/confirm", "", `If-Match: "1"`)
	const batch = `{"operations":[{"op":"receive","idempotency_key":"b","sku":"A","location":"main","quantity":1}]}`
	before := d.shop.Records()
	for _, condition := range []string{"If-Match", "If-None-Match"} {
		d.refused(400, "INVALID_REQUEST", condition, "POST", "/v1/batch", batch, condition+": *")
	}
	if d.shop.Records() != before {
		t.Error("a batch with a condition changed something")
	}
}

func TestReservations(t *testing.T) {
	d := stocked(t)
	d.must(201, "PUT", "/v1/items/B", "")
	d.must(200, "POST", "/v1/items/B/receive", `{"location":"main","quantity":5}`)

	r := d.must(201, "POST", "/v1/reservations",
		`{"lines":[{"sku":"B","quantity":1,"location":"main"},{"sku":"A","quantity":4}],"ttl_ms":900000,"owner":"cart-7"}`)
	id := r.body["id"].(string)
	r.has(t, `{"state":"active","owner":"cart-7","expires_at":"2026-01-01T00:15:00.000Z","lines":[
		{"sku":"B","location":"main","quantity":1,"reserved":1,"committed":0,"fulfilled":0,"sequence":3},
		{"sku":"A","location":"main","quantity":4,"reserved":4,"committed":0,"fulfilled":0,"sequence":3}]}`)
	if got := r.Header().Get("Location"); got != "/v1/reservations/"+id {
		t.Errorf("Location %q", got)
	}
	d.must(200, "GET", "/v1/reservations/"+id, "").has(t, `{"state":"active","id":"`+id+`"}`)
	d.shop.Advance(1000)
	d.must(200, "POST", "/v1/reservations/"+id+"/extend", `{"ttl_ms":60000}`).has(t, `{"state":"active","expires_at":"2026-01-01T00:01:01.000Z"}`)
	d.must(200, "POST", "/v1/reservations/"+id+"/extend", "").has(t, `{"expires_at":"2026-01-01T00:15:01.000Z"}`)
	d.refused(409, "RESERVATION_NOT_CONFIRMED", "id", "POST", "/v1/reservations/"+id+"/fulfill", "")
	d.refused(409, "EXCEEDS_RESERVED_QUANTITY", "lines[0]", "POST", "/v1/reservations/"+id+"/confirm", `{"lines":[{"sku":"A","quantity":5}]}`)

	r = d.must(200, "POST", "/v1/reservations/"+id+"/confirm", `{"lines":[{"sku":"A","quantity":3},{"sku":"B","quantity":1,"location":"main"}]}`)
	r.has(t, `{"state":"confirmed","lines":[
		{"sku":"A","location":"main","quantity":4,"reserved":0,"committed":3,"fulfilled":0,"sequence":6},
		{"sku":"B","location":"main","quantity":1,"reserved":0,"committed":1,"fulfilled":0,"sequence":6}]}`)
	if _, there := r.body["expires_at"]; there {
		t.Error("a confirmed reservation has expires_at")
	}
	d.refused(409, "RESERVATION_ALREADY_CONFIRMED", "id", "POST", "/v1/reservations/"+id+"/confirm", "")
	d.refused(409, "RESERVATION_ALREADY_CONFIRMED", "id", "POST", "/v1/reservations/"+id+"/release", "{}")
	d.must(200, "POST", "/v1/reservations/"+id+"/fulfill", `{"lines":[{"sku":"A","quantity":2}]}`).
		has(t, `{"state":"partially_fulfilled","lines":[
		{"sku":"A","location":"main","quantity":4,"reserved":0,"committed":1,"fulfilled":2,"sequence":7},
		{"sku":"B","location":"main","quantity":1,"reserved":0,"committed":1,"fulfilled":0}]}`)
	d.must(200, "POST", "/v1/reservations/"+id+"/cancel", `{"lines":[{"sku":"A","quantity":1}]}`)
	d.must(200, "POST", "/v1/reservations/"+id+"/fulfill", "").has(t, `{"state":"fulfilled"}`)
	d.refused(409, "RESERVATION_ALREADY_FULFILLED", "id", "POST", "/v1/reservations/"+id+"/cancel", "")

	id = d.must(201, "POST", "/v1/reservations", `{"lines":[{"sku":"A","quantity":8}],"ttl_ms":500}`).body["id"].(string)
	d.refused(409, "INSUFFICIENT_STOCK", "lines", "POST", "/v1/commitments", `{"lines":[{"sku":"A","quantity":3,"location":"main"},{"sku":"B","quantity":50}]}`).
		has(t, `{"status":409,"lines":[
			{"sku":"A","location":"main","requested":3,"available":0,"next_expiry_at":"2026-01-01T00:00:01.500Z"},
			{"sku":"B","requested":50,"available":4}]}`)
	d.shop.Advance(500)
	d.do("GET", "/v1/items/A", "") // Some turn finds the hold due; the expiry is a record of its own.
	r = d.do("POST", "/v1/reservations/"+id+"/confirm", "")
	if r.Code != 410 || r.body["code"] != "RESERVATION_EXPIRED" {
		t.Errorf("confirm after expiry: %d %s", r.Code, r.Body)
	}
	id = d.must(201, "POST", "/v1/commitments", `{"lines":[{"sku":"A","quantity":8}],"owner":"order-1","reason":"sale"}`).body["id"].(string)
	d.must(200, "POST", "/v1/reservations/"+id+"/cancel", "{}").has(t, `{"state":"cancelled"}`)
	d.refused(404, "RESERVATION_NOT_FOUND", "id", "GET", "/v1/reservations/made-up", "")
	d.refused(404, "RESERVATION_NOT_FOUND", "id", "POST", "/v1/reservations/made-up/confirm", "")
}

func TestIdempotency(t *testing.T) {
	d := stocked(t)
	for _, path := range []string{"/v1/items/A/receive", "/v1/reservations", "/v1/commitments", "/v1/reservations/x/confirm"} {
		d.refused(400, "IDEMPOTENCY_KEY_REQUIRED", "Idempotency-Key", "POST", path, "", "Idempotency-Key:")
		d.refused(400, "IDEMPOTENCY_KEY_REQUIRED", "Idempotency-Key", "POST", path, "nonsense", `Idempotency-Key: ""`)
	}
	d.refused(400, "IDEMPOTENCY_KEY_REQUIRED", "Idempotency-Key", "PUT", "/v1/items/C", "", "Idempotency-Key:")
	d.refused(400, "INVALID_REQUEST", "Idempotency-Key", "PUT", "/v1/items/C", "", "Idempotency-Key: "+strings.Repeat("x", 256))
	d.refused(400, "INVALID_REQUEST", "Idempotency-Key", "PUT", "/v1/items/C", "", `Idempotency-Key: "a`)
	d.must(201, "PUT", "/v1/items/C", "", "Idempotency-Key: "+strings.Repeat("x", 255))

	const receive = `{"location":"main","quantity":1}`
	first := d.must(200, "POST", "/v1/items/A/receive", receive, "Idempotency-Key: one")
	for _, spelled := range []string{"one", `"one"`} {
		again := d.must(200, "POST", "/v1/items/A/receive", receive, "Idempotency-Key: "+spelled)
		if again.Body.String() != first.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" ||
			again.Header().Get("ETag") != first.Header().Get("ETag") {
			t.Errorf("replay as %s: %v %s, want %s", spelled, again.Header(), again.Body, first.Body)
		}
	}
	d.refused(422, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH", "Idempotency-Key", "POST", "/v1/items/A/receive",
		`{"location":"main","quantity":2}`, "Idempotency-Key: one")

	const reserve = `{"lines":[{"sku":"A","quantity":1}]}`
	first = d.must(201, "POST", "/v1/reservations", reserve, "Idempotency-Key: two")
	again := d.must(201, "POST", "/v1/reservations", reserve, "Idempotency-Key: two")
	if again.Body.String() != first.Body.String() || again.Header().Get("Location") != first.Header().Get("Location") {
		t.Errorf("replay: %v %s, want %s", again.Header(), again.Body, first.Body)
	}
}

func TestNamesInPaths(t *testing.T) {
	d := open(t)
	for path, sku := range map[string]string{
		"a%2Fb": "a/b", "50%25": "50%", "%2541": "%41", "x%20y": "x y", "%E2%82%AC": "€", "a+b": "a+b", "%2e": "", "..": "",
		"%00": "", "%ff": "", "a%2Freceive": "a/receive", strings.Repeat("n", 128): strings.Repeat("n", 128),
		strings.Repeat("n", 129): "", "a:b": "a:b",
	} {
		if sku == "" {
			d.refused(400, "INVALID_REQUEST", "sku", "PUT", "/v1/items/"+path, "{}")
			d.refused(400, "INVALID_REQUEST", "sku", "GET", "/v1/items/"+path, "")
			d.refused(400, "INVALID_REQUEST", "sku", "GET", "/v1/items/"+path+"/history", "")
			d.refused(400, "INVALID_REQUEST", "sku", "POST", "/v1/items/"+path+"/receive", `{"location":"main","quantity":1}`)
			continue
		}
		r := d.must(201, "PUT", "/v1/items/"+path, "{}")
		if r.body["sku"] != sku {
			t.Errorf("PUT %s: sku %q, want %q", path, r.body["sku"], sku)
		}
		d.must(200, "GET", r.Header().Get("Location"), "")
		d.must(200, "POST", "/v1/items/"+path+"/receive", `{"location":"main","quantity":1}`)
	}
}
