package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// APIVersion is that of the contract, not of the program.
const APIVersion = "1.0.0"

const introduction = `Skua keeps stock: what is there, what is promised, and every change of it.

Every change carries an Idempotency-Key. The same key with the same command gets the same answer, also after a crash; with another
command it is refused. Every refusal is application/problem+json (RFC 9457) with a stable ` + "`code`" + ` and changes nothing. Bodies are
strict: unknown members, other types and fractions are refused. Null is the same as leaving a member out.`

// Document returns the OpenAPI document as JSON.
func Document() ([]byte, error) {
	b, err := json.Marshal(document())
	if err != nil {
		return nil, fmt.Errorf("write the OpenAPI document: %w", err)
	}
	return b, nil
}

func document() object {
	s := &schemas{named: make(map[string]object)}
	paths := paths(s)
	s.structure(reflect.TypeFor[gateway.ProblemBody]())
	s.structure(reflect.TypeFor[gateway.Movement]())
	var components object
	for _, name := range slices.Sorted(slices.Values(s.order)) {
		components = components.with(name, s.named[name])
	}
	return object{
		{"openapi", "3.1.0"},
		{"info", object{
			{"title", "Skua"},
			{"version", APIVersion},
			{"description", introduction},
			{"license", object{{"name", "Apache 2.0"}, {"identifier", "Apache-2.0"}}},
		}},
		{"servers", []object{{{"url", "/"}}}},
		// A server without tokens, which listens on loopback alone, asks for none.
		{"security", []object{{{"token", []string{}}}, {}}},
		{"tags", []object{
			{{"name", "items"}, {"description", "Items and their levels."}},
			{{"name", "reservations"}, {"description", "Holds and orders."}},
			{{"name", "batch"}, {"description", "Many operations at once."}},
			{{"name", "events"}, {"description", "Every change, as it happens."}},
			{{"name", "health"}, {"description", "For operators."}},
		}},
		{"paths", paths},
		{"components", object{
			{"parameters", sharedParameters}, {"headers", sharedHeaders}, {"schemas", components}, {"securitySchemes", securitySchemes},
		}},
	}
}

var securitySchemes = object{{"token", object{
	{"type", "http"},
	{"scheme", "bearer"},
	{"bearerFormat", "skua_<id>_<secret>"},
	{"description", "An API token of `skua token new`. What an operation needs is its `x-scopes`, any one of them; `admin` is enough for all."},
}}}

// scoped adds which scopes an operation needs.
func scoped(op object, needed access.Scopes) object { return op.with("x-scopes", needed.Names()) }

func paths(s *schemas) object {
	var all object
	add := func(path, method string, operation object) {
		method = strings.ToLower(method)
		for i := range all {
			if all[i].name == path {
				all[i].value = all[i].value.(object).with(method, operation)
				return
			}
		}
		all = all.with(path, object{{method, operation}})
	}
	for _, o := range gateway.Operations() {
		add(o.Path, o.Method, operation(s, o))
	}
	add("/v1/events", http.MethodGet, events())
	for _, h := range health() {
		add(h.name, http.MethodGet, h.value.(object))
	}
	return all
}

func tagOf(o *gateway.Operation) string {
	switch {
	case o == gateway.Batch:
		return "batch"
	case strings.HasPrefix(o.Path, "/v1/items"):
		return "items"
	}
	return "reservations"
}

func operation(s *schemas, o *gateway.Operation) object {
	op := object{
		{"operationId", o.Name}, {"summary", o.Summary}, {"tags", []string{tagOf(o)}}, {"parameters", parameters(o)},
	}
	if o.Request != nil {
		body := object{{"content", content("application/json", s.of(o.Request, ""))}}
		if needsBody(o.Request) {
			body = body.with("required", true)
		}
		op = op.with("requestBody", body)
	}
	return scoped(op, o.Scopes()).with("responses", responses(s, o))
}

func needsBody(t reflect.Type) bool {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("required") != "" {
			return true
		}
	}
	return false
}

func content(mediaType string, schema object) object {
	return object{{mediaType, object{{"schema", schema}}}}
}

func parameter(in, name, description string, required bool, schema object) object {
	p := object{{"name", name}, {"in", in}}
	if required {
		p = p.with("required", true)
	}
	return p.with("description", description).with("schema", schema)
}

func aString(more ...member) object { return append(object{{"type", "string"}}, more...) }

// sharedParameters are written once and referred to by their names.
var sharedParameters = object{
	{"sku", parameter("path", "sku", "The item. A slash in it is written %2F.", true,
		aString(member{"minLength", 1}, member{"maxLength", engine.NameBytesMax}))},
	{"id", parameter("path", "id", "The reservation.", true, aString())},
	{"limit", parameter("query", "limit", "How many at most.", false, object{
		{"type", "integer"}, {"minimum", 1}, {"maximum", gateway.PageMax}, {"default", gateway.PageDefault},
	})},
	{"cursor", parameter("query", "cursor", "Where to go on: next_cursor of the page before.", false, aString())},
	{gateway.KeyHeader, parameter("header", gateway.KeyHeader,
		"Names the intended change; a retry has the same. Bare, or in quotes as a string of RFC 9651.", true,
		aString(member{"minLength", 1}, member{"maxLength", engine.KeyBytesMax}))},
	{gateway.MatchHeader, parameter("header", gateway.MatchHeader,
		"The ETag that the item must have, or * for any that exists; else VERSION_CONFLICT.", false, aString())},
	{"X-Request-Id", parameter("header", "X-Request-Id", "Names the request in logs and problems; made up when absent.", false,
		aString(member{"maxLength", gateway.RequestIDBytesMax}))},
}

func shared(kind, name string) object { return object{{"$ref", "#/components/" + kind + "/" + name}} }

func parameters(o *gateway.Operation) []object {
	ps := []object{}
	add := func(when bool, names ...string) {
		for _, name := range names {
			if when {
				ps = append(ps, shared("parameters", name))
			}
		}
	}
	add(strings.Contains(o.Path, "{sku}"), "sku")
	add(strings.Contains(o.Path, "{id}"), "id")
	add(o == gateway.ListItems || o == gateway.HistoryOf, "limit", "cursor")
	add(o.Mutates(), gateway.KeyHeader)
	add(o.Item(), gateway.MatchHeader)
	switch o {
	case gateway.PutItem:
		ps = append(ps, parameter("header", "If-None-Match", "Only *: create the item, never replace its settings.", false, aString(member{"const", "*"})))
	case gateway.GetItem:
		ps = append(ps, parameter("header", "If-None-Match", "ETags that the client has; 304 when the item has one of them.", false, aString()))
	}
	add(true, "X-Request-Id")
	return ps
}

func header(description string, schema object) object {
	return object{{"description", description}, {"schema", schema}}
}

// sharedHeaders are written once and referred to by their names.
var sharedHeaders = object{
	{"X-Request-Id", header("Names the request.", aString())},
	{"ETag", header("The sequence of the item, as a strong tag.", aString())},
	{gateway.ReplayedHeader, header("true when the key was known and this is the answer of the first time.", aString())},
	{"Location", header("Where to read it.", aString())},
	{"Link", header(`The next page, with rel="next", when there is one.`, aString())},
	{"Retry-After", header("Seconds to wait before a retry.", object{{"type", "integer"}})},
}

func headers(names ...string) (hs object) {
	for _, name := range names {
		hs = hs.with(name, shared("headers", name))
	}
	return hs
}

func responses(s *schemas, o *gateway.Operation) object {
	names := []string{"X-Request-Id"}
	if o.Item() || o == gateway.GetItem {
		names = append(names, "ETag")
	}
	if o.Mutates() {
		names = append(names, gateway.ReplayedHeader)
	}
	if o == gateway.ListItems || o == gateway.HistoryOf {
		names = append(names, "Link")
	}
	answer := func(description string, names ...string) object {
		return object{
			{"description", description}, {"headers", headers(names...)}, {"content", content("application/json", s.of(o.Answer, ""))},
		}
	}
	var rs object
	if !o.Created || o == gateway.PutItem {
		rs = rs.with("200", answer("Done.", names...))
	}
	if o.Created {
		rs = rs.with("201", answer("Created.", append(names, "Location")...))
	}
	if o == gateway.GetItem {
		rs = rs.with("304", object{{"description", "The client has it already."}, {"headers", headers(names...)}})
	}
	return append(rs, problems(kindsOf(o))...)
}

// kindsOf lists the problems that an operation can have.
func kindsOf(o *gateway.Operation) []*gateway.ProblemKind {
	kinds := []*gateway.ProblemKind{gateway.Unauthenticated, gateway.PermissionDenied, gateway.KindOf(engine.InvalidRequest)}
	if o.Mutates() {
		for _, c := range []engine.Code{
			engine.IdempotencyKeyRequired, engine.InvalidReason, engine.InvalidReferenceDocument, engine.IdempotencyKeyParameterMismatch,
		} {
			kinds = append(kinds, gateway.KindOf(c))
		}
	}
	if o.Request != nil {
		kinds = append(kinds, gateway.PayloadTooLarge, gateway.UnsupportedMediaType)
	}
	for _, c := range o.Codes {
		kinds = append(kinds, gateway.KindOf(c))
	}
	if o == gateway.HistoryOf {
		kinds = append(kinds, gateway.HistoryGone)
	}
	return append(kinds, gateway.Overloaded, gateway.Unavailable, gateway.AnswerTimeout, gateway.Internal)
}

// problems are the responses of some kinds: one for each status, with the codes that it can be.
func problems(kinds []*gateway.ProblemKind) (rs object) {
	byStatus := make(map[int][]*gateway.ProblemKind)
	for _, k := range kinds {
		byStatus[k.Status] = append(byStatus[k.Status], k)
	}
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		var lines []string
		names := []string{"X-Request-Id"}
		for _, k := range byStatus[status] {
			lines = append(lines, "`"+k.Code+"`: "+k.Title+".")
			if k.Retry && len(names) == 1 {
				names = append(names, "Retry-After")
			}
		}
		rs = rs.with(strconv.Itoa(status), object{
			{"description", strings.Join(lines, "\n\n")},
			{"headers", headers(names...)},
			{"content", content("application/problem+json", object{{"$ref", "#/components/schemas/Problem"}})},
		})
	}
	return rs
}

func events() object {
	return object{
		{"operationId", "events"},
		{"x-scopes", gateway.EventsScope.Names()},
		{"summary", "Follow every change as Server-Sent Events"},
		{"tags", []string{"events"}},
		{"description", "Each event has an opaque `id`, its type as `event`, and a Movement as `data`. Comments keep a quiet stream alive. " +
			"A stream that is resumed with the id of an event tells exactly what came after it."},
		{"parameters", []object{
			parameter("query", "sku", "Only this item.", false, aString()),
			parameter("query", "location", "Only these locations; may be repeated.", false, object{{"type", "array"}, {"items", aString()}}),
			parameter("query", "from", "`now` (the default), `oldest`, or the id of an event, for clients that cannot send Last-Event-ID.", false, aString()),
			parameter("header", "Last-Event-ID", "The id of the last event that the client had.", false, aString()),
		}},
		{"responses", append(object{{"200", object{
			{"description", "The stream. It ends when the server stops; reconnect then."},
			{"content", content("text/event-stream", aString())},
		}}}, problems([]*gateway.ProblemKind{
			gateway.Unauthenticated, gateway.PermissionDenied, gateway.KindOf(engine.InvalidRequest), gateway.EventsGone, gateway.Overloaded, gateway.Unavailable, gateway.Internal,
		})...)},
	}
}

func health() object {
	status := func(id, summary string, kinds ...*gateway.ProblemKind) object {
		schema := object{{"type", "object"}, {"required", []string{"status"}}, {"properties", object{{"status", aString()}}}}
		return object{
			{"operationId", id},
			{"summary", summary},
			{"tags", []string{"health"}},
			{"responses", append(object{{"200", object{
				{"description", "Yes."}, {"content", content("application/json", schema)},
			}}}, problems(kinds)...)},
		}
	}
	text := func(id, summary, mediaType string, kinds ...*gateway.ProblemKind) object {
		return object{
			{"operationId", id},
			{"summary", summary},
			{"tags", []string{"health"}},
			{"responses", append(object{{"200", object{
				{"description", "It."}, {"content", content(mediaType, object{})},
			}}}, problems(kinds)...)},
		}
	}
	open := func(op object) object { return op.with("security", []object{}) }
	return object{
		{"/livez", open(status("livez", "Does the process answer?"))},
		{"/readyz", open(status("readyz", "Are changes taken?", gateway.Unavailable))},
		{"/metrics", scoped(text("metrics", "The metrics, for Prometheus", "text/plain",
			gateway.Unauthenticated, gateway.PermissionDenied), gateway.MetricsScope)},
		{"/openapi.json", open(text("openapi", "This document", "application/json"))},
	}
}
