package openapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

var update = flag.Bool("update", false, "write the documents that are made from the code anew")

// golden compares a document with what is made from the code. Commit a new one only when the
// change of the contract is meant.
func golden(t *testing.T, path string, want []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(have), "\n"), strings.Split(string(want), "\n")); diff != "" {
		t.Errorf("%s is not what the code says; see the difference, then `go test ./gateway/openapi -update`:\n%s", path, diff)
	}
}

// node turns the document into YAML, in its order.
func node(t *testing.T, v any) *yaml.Node {
	t.Helper()
	n := &yaml.Node{}
	switch v := v.(type) {
	case object:
		n.Kind = yaml.MappingNode
		for _, m := range v {
			name := &yaml.Node{}
			name.SetString(m.name)
			if m.name[0] >= '0' && m.name[0] <= '9' {
				name.Style = yaml.DoubleQuotedStyle
			}
			n.Content = append(n.Content, name, node(t, m.value))
		}
		if len(v) == 0 {
			n.Style = yaml.FlowStyle
		}
	case []object:
		n.Kind = yaml.SequenceNode
		for _, o := range v {
			n.Content = append(n.Content, node(t, o))
		}
	default:
		if err := n.Encode(v); err != nil {
			t.Fatal(err)
		}
		if n.Kind == yaml.SequenceNode {
			n.Style = yaml.FlowStyle
		}
	}
	return n
}

func TestCommittedDocument(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# Made from the code by `go test ./gateway/openapi -update`; do not edit.\n")
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(node(t, document())); err != nil {
		t.Fatal(err)
	}
	golden(t, "../../docs/reference/openapi.yaml", b.Bytes())

	// The YAML says the same as what is served.
	var fromYAML any
	if err := yaml.Unmarshal(b.Bytes(), &fromYAML); err != nil {
		t.Fatal(err)
	}
	served, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var a, c any
	if err := json.Unmarshal(served, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(a, c); diff != "" {
		t.Error(diff)
	}
}

// TestReferences: every $ref leads somewhere, every operation has its own id, and every problem
// of the table is the answer of some operation.
func TestReferences(t *testing.T) {
	served, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(served, &doc); err != nil {
		t.Fatal(err)
	}
	leads := func(ref string) bool {
		at := any(doc)
		for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
			m, _ := at.(map[string]any)
			at = m[step]
		}
		return at != nil
	}
	ids := make(map[string]bool)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && !leads(ref) {
				t.Errorf("%s leads nowhere", ref)
			}
			if id, ok := v["operationId"].(string); ok {
				if ids[id] {
					t.Errorf("two operations %s", id)
				}
				ids[id] = true
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(doc)
	for _, k := range gateway.Kinds() {
		// Some are answers to what is no operation, or of NATS alone.
		if !bytes.Contains(served, []byte("`"+k.Code+"`: ")) && k != gateway.NotFound && k != gateway.MethodNotAllowed &&
			k != gateway.TooLargeAnswer && k != gateway.KindOf(engine.LinkedLineFailed) {
			t.Errorf("no operation says that it can answer %s", k.Code)
		}
	}
}

// TestRequiredIsRequired: what a schema calls required is refused by the decoder when it lacks,
// and named; an unknown member is refused as the schema says.
func TestRequiredIsRequired(t *testing.T) {
	for _, o := range gateway.Operations() {
		if !o.Mutates() {
			continue
		}
		for i := range o.Request.NumField() {
			f := o.Request.Field(i)
			if f.Anonymous {
				continue
			}
			name := strings.Split(f.Tag.Get("json"), ",")[0]
			p := o.DecodeBody([]byte("{}"), new(gateway.Message))
			named := p != nil && (strings.Contains(p.Detail, name+" ") || strings.Contains(p.Detail, name+","))
			if required := f.Tag.Get("required") != ""; required != named {
				t.Errorf("%s of %s: the schema says required: %v, the decoder: %v", name, o.Name, required, p)
			}
		}
		if p := o.DecodeBody([]byte(`{"never":1}`), new(gateway.Message)); p == nil || p.Field != "never" {
			t.Errorf("%s takes an unknown member: %v", o.Name, p)
		}
	}
}

// TestMessages: the schemas of NATS payloads have the address and the key beside the body, and
// never the member op.
func TestMessages(t *testing.T) {
	for _, o := range gateway.Operations() {
		request, answer, err := Schemas(o)
		if err != nil {
			t.Fatal(err)
		}
		var r, a struct{ Properties map[string]any }
		if err := json.Unmarshal([]byte(request), &r); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(answer), &a); err != nil || len(a.Properties) == 0 {
			t.Fatalf("%s answers %s: %v", o.Name, answer, err)
		}
		for member, want := range map[string]bool{
			"op": false, "idempotency_key": o.Mutates(), "sku": strings.Contains(o.Path, "{sku}"), "id": strings.Contains(o.Path, "{id}"),
			"if_match": o.Item(), "reason": o.Mutates(),
		} {
			if got := r.Properties[member] != nil; got != want {
				t.Errorf("the payload of %s has the member %s: %v", o.Name, member, got)
			}
		}
	}
}

func TestProblemsDocument(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`<!-- Made from the code by ` + "`go test ./gateway/openapi -update`" + `; do not edit. -->
# Problems

Every refusal and every failure is ` + "`application/problem+json`" + ` (RFC 9457). Programs look at ` + "`code`" + `, which is stable; ` + "`title`" + ` and
` + "`detail`" + ` are for people and may change. Over NATS the same JSON is the payload, with the code in the header ` + "`Nats-Service-Error`" + ` and
the status in ` + "`Nats-Service-Error-Code`" + `.

A refused request has changed nothing. A retry with the same idempotency key is always safe, whatever came back or did not.

` + "```json" + `
{
  "type": "/problems/insufficient-stock", "title": "There is not enough stock", "status": 409,
  "detail": "not enough stock for every line", "code": "INSUFFICIENT_STOCK", "request_id": "3f0c9a5be1d27a64", "field": "lines",
  "lines": [{"sku": "A", "location": "main", "requested": 3, "available": 1, "next_expiry_at": "2026-01-01T00:15:00.000Z"}]
}
` + "```" + `

When several codes apply, the one that comes first here is answered.

| code | status |
|---|---|
`)
	for _, k := range gateway.Kinds() {
		b.WriteString("| [`" + k.Code + "`](#" + k.Slug() + ") | " + statusText(k.Status) + " |\n")
	}
	for _, k := range gateway.Kinds() {
		b.WriteString("\n<a id=\"" + k.Slug() + "\"></a>\n## " + k.Code + "\n\n**" + k.Title + "** (" + statusText(k.Status))
		if k.Retry {
			b.WriteString(", with `Retry-After`")
		}
		b.WriteString(").\n" + k.Cause + "\n\n*What to do:* " + k.Remedy + "\n")
	}
	golden(t, "../../docs/reference/problems.md", b.Bytes())
}

func statusText(status int) string { return strconv.Itoa(status) + " " + http.StatusText(status) }

// TestKinds: the table has a full row for every code of the engine, and no two alike.
func TestKinds(t *testing.T) {
	seen := make(map[string]bool)
	for _, k := range gateway.Kinds() {
		if seen[k.Code] || k.Code == "" || k.Title == "" || k.Cause == "" || k.Remedy == "" || k.Status < 400 || k.Status > 599 {
			t.Errorf("the row %+v", *k)
		}
		seen[k.Code] = true
		if k.Retry != (k.Status == 503 || k.Status == 504) {
			t.Errorf("%s: retry %v with status %d", k.Code, k.Retry, k.Status)
		}
	}
	for _, c := range engine.Codes() {
		if got := gateway.KindOf(c).Code; got != c.String() {
			t.Errorf("the row of %s has the code %q", c, got)
		}
	}
}

// TestAPIDocument: the page for people names every operation, both ways, with an example.
func TestAPIDocument(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range gateway.Operations() {
		for _, want := range []string{"`" + o.Method + " " + o.Path + "`", "`stock.v1." + o.Name + "`"} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("docs/reference/api.md does not have %s", want)
			}
		}
	}
}
