package gateway

import (
	"reflect"
	"strings"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// read decodes as a door does, with one of the decoders.
func (o *Operation) readWith(t *testing.T, raw string, body, plainly bool) (m Message, ok bool) {
	t.Helper()
	m.Command.Op = o.Op
	shape := plainShapes[o.Op]
	if body {
		shape = shape.body()
	}
	switch {
	case plainly:
		ok = o.plainly([]byte(raw), &m, shape)
	case body:
		ok = o.body([]byte(raw), &m.Command) == nil
	default:
		ok = o.message([]byte(raw), &m) == nil
	}
	if ok && !body {
		if p := m.address(); p != nil {
			t.Fatalf("%s: %v", raw, p)
		}
	}
	m.lines = nil // Memory, no meaning.
	return m, ok
}

// agreePlain checks that what plain takes the strict decoder takes too, as the same.
func agreePlain(t *testing.T, o *Operation, raw string, body bool) (plainly bool) {
	t.Helper()
	got, ok := o.readWith(t, raw, body, true)
	if !ok {
		return false
	}
	want, ok := o.readWith(t, raw, body, false)
	if !ok {
		t.Fatalf("%s: plain takes what the strict decoder refuses: %s", o.Name, raw)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s: %s\nplainly %+v\nstrictly %+v", o.Name, raw, got, want)
	}
	return true
}

var plainRequests = map[*Operation][]string{
	Reserve: {
		`{"lines":[{"sku":"A","quantity":1}]}`,
		`{"lines":[{"sku":"A","location":"main","quantity":0},{"quantity":999999999999999999,"sku":"B"}],"ttl_ms":900000,"owner":"cart-7"}`,
		"{ \"lines\" : [ { \"sku\" : \"A b/c\" ,\n\t\"quantity\" : 10 } ] , \"owner\" : \"\" }\r\n",
		`{"reason":"sale","reference_document_uri":"order:7","actor":"anna","lines":[{"sku":"","quantity":1}]}`,
	},
	Commit:  {`{"lines":[{"sku":"A","quantity":1}],"owner":"o"}`},
	Receive: {`{"sku":"A","location":"main","quantity":5,"if_match":7}`},
	Restock: {`{"sku":"A","location":"main","quantity":5,"reason":"restock"}`},
	Adjust: {
		`{"sku":"A","location":"main","delta":-5,"reason":"damaged","state":"damaged","change_from_quantity":0}`,
		`{"sku":"A","location":"main","delta":0}`,
	},
	Set:            {`{"sku":"A","location":"main","quantity":0,"change_from_quantity":12,"state":"reserved"}`},
	Confirm:        {`{"id":"r1"}`, `{"id":"r1","lines":[{"sku":"A","quantity":0}]}`},
	Release:        {`{"id":"r1","idempotency_key":"k-1"}`},
	Extend:         {`{"id":"r1","ttl_ms":1}`, `{"id":"r1"}`},
	Fulfill:        {`{"id":"r1","op":"fulfill"}`},
	Cancel:         {`{"id":"","actor":""}`},
	GetItem:        {`{"sku":"A"}`},
	GetReservation: {`{"id":"r1"}`},
}

func TestPlainRequests(t *testing.T) {
	for o, all := range plainRequests {
		for _, raw := range all {
			if !agreePlain(t, o, raw, false) {
				t.Errorf("%s: %s is not taken", o.Name, raw)
			}
		}
	}
	for raw, o := range map[string]*Operation{
		`{}`: Release, `{"ttl_ms":5}`: Extend, `{"location":"main","quantity":1}`: Receive,
		`{"lines":[{"sku":"A","quantity":1}],"owner":"o"}`: Reserve,
	} {
		if !agreePlain(t, o, raw, true) {
			t.Errorf("%s: the body %s is not taken", o.Name, raw)
		}
	}
}

// notPlain are requests that the strict decoder has to judge, each made from a plain one.
var notPlain = []struct{ old, new string }{
	{`"A"`, `"\u0041"`},
	{`"A"`, `"Ä"`},
	{`"A"`, "\"A\x7f\""},
	{`"A"`, "\"\t\""},
	{`"A"`, `"`},
	{`"A"`, `A`},
	{`"A"`, `null`},
	{`"A"`, `7`},
	{`1}`, `1.0}`},
	{`1}`, `1e0}`},
	{`1}`, `01}`},
	{`1}`, `-1}`},
	{`1}`, `+1}`},
	{`1}`, `"1"}`},
	{`1}`, `null}`},
	{`1}`, `}`},
	{`1}`, `1234567890123456789}`},
	{`1}`, `1,}`},
	{`1}`, `1,"location":""}`},
	{`1}`, `1,"lot":"x"}`},
	{`1}`, `1,"sku":"A"}`},
	{`"quantity":1`, `"Quantity":1`},
	{`,"quantity":1`, ``},
	{`[{`, `[[{`},
	{`}]`, `}`},
	{`}]`, `},]`},
	{`}]`, `}],"lines":[]`},
	{`}]`, `}],"ttl_ms":0`},
	{`}]`, `}],"reason":""`},
	{`}]`, `}],"reason":"whim"`},
	{`}]`, `}],"sku":"A"`},
	{`}]`, `}],"id":"r"`},
	{`}]`, `}],"delta":1`},
	{`}]`, `}],"op":"whatever"`},
	{`}]`, `}],"owner":{}`},
	{`{"lines"`, `{"lines":[],"lines"`},
	{`{"lines"`, `{,"lines"`},
	{`{"lines"`, ``},
	{`{"lines"`, "\x00{\"lines\""},
	{`{"lines"`, "\xef\xbb\xbf{\"lines\""},
	{`}]}`, `}]`},
	{`}]}`, `}]}}`},
	{`}]}`, `}]} x`},
	{`}]}`, "}]}\x00"},
}

func TestNotPlain(t *testing.T) {
	const raw = `{"lines":[{"sku":"A","quantity":1}]}`
	for _, change := range notPlain {
		spoiled := strings.Replace(raw, change.old, change.new, 1)
		if spoiled == raw {
			t.Fatalf("%q changes nothing", change)
		}
		if _, ok := Reserve.readWith(t, spoiled, false, true); ok {
			t.Errorf("%q is taken for plain", spoiled)
		}
	}
	many := `{"lines":[` + strings.Repeat(`{"sku":"A","quantity":1},`, engine.LinesMax) + `{"sku":"A","quantity":1}]}`
	if _, ok := Reserve.readWith(t, many, false, true); ok {
		t.Error("one line too many is taken for plain")
	}
	most := strings.Replace(many, `{"sku":"A","quantity":1},`, "", 1)
	if !agreePlain(t, Reserve, most, false) {
		t.Error("the most lines are not plain")
	}
}

// TestMessageReset: a message that is used again has nothing of the one before.
func TestMessageReset(t *testing.T) {
	var m Message
	for o, all := range plainRequests {
		for _, raw := range all {
			m.Reset()
			if p := o.DecodeMessage([]byte(raw), &m); p != nil {
				t.Fatal(p)
			}
			var fresh Message
			if p := o.DecodeMessage([]byte(raw), &fresh); p != nil {
				t.Fatal(p)
			}
			again := m
			again.lines, fresh.lines = nil, nil
			if !reflect.DeepEqual(again, fresh) {
				t.Errorf("%s: %s\nused again %+v\nfresh %+v", o.Name, raw, again, fresh)
			}
		}
	}
}

// FuzzPlainAgrees holds the reader of plain requests to the strict decoder.
func FuzzPlainAgrees(f *testing.F) {
	operations := Operations()
	for i, o := range operations {
		for _, raw := range plainRequests[o] {
			f.Add(uint8(i), false, raw)
			f.Add(uint8(i), true, raw)
		}
	}
	for i, change := range notPlain {
		f.Add(uint8(9), i%2 == 0, strings.Replace(`{"lines":[{"sku":"A","quantity":1}]}`, change.old, change.new, 1))
	}
	f.Fuzz(func(t *testing.T, operation uint8, body bool, raw string) {
		agreePlain(t, operations[int(operation)%len(operations)], raw, body)
	})
}

func BenchmarkDecode(b *testing.B) {
	raw := []byte(`{"idempotency_key":"run-1-12345678","lines":[{"sku":"SKU-1000001","location":"main","quantity":1}],"ttl_ms":900000,"owner":"cart-12345"}`)
	b.Run("plain", func(b *testing.B) {
		var m Message
		b.ReportAllocs()
		for b.Loop() {
			m.Reset()
			if p := Reserve.DecodeMessage(raw, &m); p != nil {
				b.Fatal(p)
			}
		}
	})
	b.Run("strict", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m := new(Message)
			if p := Reserve.message(raw, m); p != nil {
				b.Fatal(p)
			}
		}
	})
}
