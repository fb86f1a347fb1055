package natsapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/skua-stock/skua/gateway"
)

// FuzzMessages sends what any client of NATS might: a subject, headers and a payload. An operation
// that there is answers, with JSON; a refusal changes nothing; and nothing is our fault.
func FuzzMessages(f *testing.F) {
	for i, seed := range []string{
		`{"sku":"A","location":"main","quantity":1}`, `{"lines":[{"sku":"A","quantity":1}],"ttl_ms":5}`, `{"id":"r1"}`, `{"sku":"A"}`, "",
		`{"operations":[{"op":"receive","idempotency_key":"k","sku":"A","location":"m","quantity":1}]}`, `{"limit":1,"cursor":"x"}`, "\xff\x00",
		`{"sku":"A","if_match":1,"idempotency_key":"k"}`,
	} {
		f.Add(gateway.Operations()[i%len(gateway.Operations())].Name, "k", `"2"`, seed)
	}
	f.Add("nonsense", "k", "*", "{}")
	// One server for all: to start one takes longer than a thousand messages.
	d := open(f)
	d.do("", "put_item", `{"sku":"A"}`)
	d.do("", "receive", `{"sku":"A","location":"main","quantity":10}`)
	names := map[string]bool{}
	for _, o := range gateway.Operations() {
		names[o.Name] = true
	}
	f.Fuzz(func(t *testing.T, operation, key, match, payload string) {
		if operation == "" || strings.ContainsAny(operation, " \t\r\n\x00") || strings.ContainsAny(key+match, "\r\n") {
			t.Skip() // No subject, or no header.
		}
		before := d.shop.Records()
		m := &nats.Msg{Subject: Subject + "." + operation, Data: []byte(payload), Header: nats.Header{"Idempotency-Key": {key}, "If-Match": {match}}}
		r, err := d.client.RequestMsg(m, 20*time.Second)
		if !names[operation] {
			if err == nil {
				t.Fatalf("there is no operation %q, and it answers %s", operation, r.Data)
			}
			return
		}
		if errors.Is(err, nats.ErrBadHeaderMsg) {
			t.Skip()
		}
		if err != nil {
			t.Fatalf("%s %q: %v", operation, payload, err)
		}
		var body map[string]any
		if err := json.Unmarshal(r.Data, &body); err != nil {
			t.Fatalf("%s %q: answered %q", operation, payload, r.Data)
		}
		code := r.Header.Get(micro.ErrorCodeHeader)
		if strings.HasPrefix(code, "5") {
			t.Fatalf("%s %q: %s %s", operation, payload, code, r.Data)
		}
		if now := d.shop.Records(); code != "" && now != before {
			t.Fatalf("%s %q: refused with %s, but %d records were written", operation, payload, r.Data, now-before)
		}
	})
}
