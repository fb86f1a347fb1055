package gateway

import (
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// agreePlainBatch checks that a batch that is read plainly is one for the strict decoder too, with
// the same operations.
func agreePlainBatch(t *testing.T, raw string) (plainly bool) {
	t.Helper()
	var b batch
	policy, ok := b.plainly([]byte(raw))
	if !ok {
		return false
	}
	var req BatchRequest
	if p := decode([]byte(raw), &req); p != nil {
		t.Fatalf("plain takes what the strict decoder refuses: %v: %s", p, raw)
	}
	want, p := checkBatch(&req)
	if p != nil || policy != want || len(req.Operations) != len(b.members) {
		t.Fatalf("%v; policies %q and %q, %d and %d operations: %s", p, policy, want, len(b.members), len(req.Operations), raw)
	}
	for i, one := range req.Operations {
		var named opMember
		if err := json.Unmarshal(one, &named); err != nil {
			t.Fatal(err)
		}
		o := batchable[named.Op.S]
		if o == nil || o != b.members[i].operation {
			t.Fatalf("operation %d is %q: %s", i, named.Op.S, raw)
		}
		got := b.members[i].message
		want, ok := o.readWith(t, string(one), false, false)
		if !ok {
			t.Fatalf("plain takes operation %d, which the strict decoder refuses: %s", i, raw)
		}
		want.Command.Key = want.Key.S
		if got.lines = nil; !reflect.DeepEqual(got, want) {
			t.Fatalf("operation %d: %s\nplainly %+v\nstrictly %+v", i, raw, got, want)
		}
	}
	return true
}

const plainBatch = ` {"error_policy":"reject_failed_rows", "operations":[{"op":"reserve","idempotency_key":"k1","lines":[{"sku":"A","quantity":1}]},
	{"idempotency_key":"k2","id":"r1","op":"confirm"} ,{"op":"receive","sku":"A","location":"m","quantity":5}]} `

var notPlainBatches = []struct{ old, new string }{
	{`"confirm"`, `"put_item"`},
	{`"confirm"`, `"get_item"`},
	{`"confirm"`, `"list_items"`},
	{`"confirm"`, `7`},
	{`"op":"confirm"`, `"reason":"sale"`},
	{`"reject_failed_rows"`, `"whatever"`},
	{`"reject_failed_rows"`, `null`},
	{`,{"op":"receive"`, `,7,{"op":"receive"`},
	{`} ,{`, `} {`},
	{`]}`, `]},`},
	{`5}]}`, `5}]`},
	{`5}]}`, `5}],"operations":[]}`},
	{`5}]}`, `5}],"error_policy":"ignore_failed"}`},
	{`{"error_policy"`, `{"policy":1,"error_policy"`},
	{`"k2"`, `"\u006b"`},
	{`5}]}`, `5},]}`},
	{`[{"op":"reserve"`, `[[{"op":"reserve"`},
}

func TestPlainBatch(t *testing.T) {
	if !agreePlainBatch(t, plainBatch) {
		t.Error("the batch is not plain")
	}
	for _, change := range notPlainBatches {
		spoiled := strings.Replace(plainBatch, change.old, change.new, 1)
		if spoiled == plainBatch {
			t.Fatalf("%q changes nothing", change)
		}
		if agreePlainBatch(t, spoiled) {
			t.Errorf("%q is taken for plain", spoiled)
		}
	}
	many := func(n int) string {
		return `{"operations":[` + strings.Repeat(`{"op":"release","id":"r"},`, n-1) + `{"op":"release","id":"r"}]}`
	}
	if !agreePlainBatch(t, many(BatchOperationsMax)) || agreePlainBatch(t, many(BatchOperationsMax+1)) {
		t.Error("the most operations are plain, one more is not")
	}
	if agreePlainBatch(t, `{"operations":[]}`) || agreePlainBatch(t, `{}`) || agreePlainBatch(t, ``) {
		t.Error("a batch without operations is plain")
	}
}

// FuzzPlainBatchAgrees holds the reader of plain batches to the strict decoder.
func FuzzPlainBatchAgrees(f *testing.F) {
	f.Add(plainBatch)
	for _, change := range notPlainBatches {
		f.Add(strings.Replace(plainBatch, change.old, change.new, 1))
	}
	f.Fuzz(func(t *testing.T, raw string) { agreePlainBatch(t, raw) })
}
