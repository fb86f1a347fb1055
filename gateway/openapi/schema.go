package openapi

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
)

// enums are the words that the tag enum names.
var enums = map[string][]string{
	"reasons":            engine.Reasons,
	"settable":           {"on_hand", "available", "damaged", "quality_control", "other"},
	"movable":            {"available", "damaged", "quality_control", "other"},
	"movable_from":       {"available", "damaged", "quality_control", "other", "on_hand"},
	"error_policies":     gateway.ErrorPolicies,
	"reservation_states": namesOf(engine.Active, engine.Cancelled),
	"event_types":        namesOf(engine.ItemCreated, engine.StockCancelled),
	"operations":         batchable(),
	"codes":              codes(),
}

// namesOf spells a range of an enumeration.
func namesOf[E interface {
	~uint8
	fmt.Stringer
}](first, last E) (names []string) {
	for e := first; e <= last; e++ {
		names = append(names, e.String())
	}
	return names
}

func batchable() (names []string) {
	for _, o := range gateway.Operations() {
		if o.Batchable() {
			names = append(names, o.Name)
		}
	}
	return names
}

func codes() (names []string) {
	for _, k := range gateway.Kinds() {
		names = append(names, k.Code)
	}
	return names
}

var (
	integerType = reflect.TypeFor[gateway.Integer]()
	textType    = reflect.TypeFor[gateway.Text]()
	valueType   = reflect.TypeFor[jsontext.Value]()
)

// schemas makes schemas of types. With named set, a struct with a name is written there once and
// referred to; without, everything is written where it is used.
type schemas struct {
	named map[string]object
	order []string
}

// of is the schema of a type, with the rules of the tags of the field that has it.
func (s *schemas) of(t reflect.Type, tag reflect.StructTag) object {
	switch {
	case t == integerType || t.Kind() == reflect.Int64 || t.Kind() == reflect.Uint64 || t.Kind() == reflect.Int:
		return integer(tag)
	case t == textType || t.Kind() == reflect.String:
		return text(tag)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.pointer(t.Elem(), tag)
	case reflect.Map:
		return object{{"type", "object"}, {"additionalProperties", s.of(t.Elem(), tag)}}
	case reflect.Slice:
		array := object{{"type", "array"}, {"items", s.items(t.Elem(), tag)}}
		return bounded(array, tag, "minitems", "minItems", "maxitems", "maxItems")
	case reflect.Struct:
		return s.structure(t)
	}
	panic("openapi: no schema for " + t.String())
}

// items is the schema of what an array has. What a batch has depends on the member op, and is said
// in words.
func (s *schemas) items(t reflect.Type, tag reflect.StructTag) object {
	if t != valueType {
		return s.of(t, "")
	}
	if tag.Get("items") == "result" {
		return object{
			{"type", "object"},
			{"required", []string{"status"}},
			{"description", "The answer or the Problem of the operation, with its status beside."},
			{"properties", object{
				{"status", object{{"type", "integer"}, {"description", "What the operation would have had as its HTTP status."}}},
				{"replayed", object{{"type", "boolean"}, {"description", "true when the key was known and this is the answer of the first time."}}},
			}},
		}
	}
	return object{
		{"type", "object"},
		{"required", []string{"op"}},
		{"description", "The members of the operation's body, with its address beside, and with its key if it changes something."},
		{"properties", object{
			{"op", object{{"type", "string"}, {"enum", enums["operations"]}}},
			{"idempotency_key", object{{"type", "string"}, {"minLength", 1}, {"maxLength", engine.KeyBytesMax}}},
			{"sku", object{{"type", "string"}, {"description", "Of the operations on one item."}}},
			{"if_match", object{{"type", "integer"}, {"description", "The sequence that the item must be at."}}},
			{"id", object{{"type", "string"}, {"description", "Of the operations on a reservation."}}},
		}},
	}
}

// pointer: a pointer to text may be null; any other is a member that may be absent.
func (s *schemas) pointer(t reflect.Type, tag reflect.StructTag) object {
	if t.Kind() == reflect.String {
		return object{{"type", []string{"string", "null"}}}
	}
	return s.of(t, tag)
}

func integer(tag reflect.StructTag) object {
	o := object{{"type", "integer"}, {"format", "int64"}}
	if tag.Get("nullable") != "" {
		o[0].value = []string{"integer", "null"}
	}
	return bounded(o, tag, "min", "minimum", "max", "maximum")
}

func text(tag reflect.StructTag) object {
	o := object{{"type", "string"}}
	if format := tag.Get("format"); format != "" {
		o = o.with("format", format)
	}
	if name := tag.Get("enum"); name != "" {
		o = o.with("enum", enums[name])
	}
	return bounded(o, tag, "", "", "maxlen", "maxLength")
}

// bounded adds the bounds that the tags give.
func bounded(o object, tag reflect.StructTag, lowTag, lowName, highTag, highName string) object {
	for _, b := range [...]struct{ tag, name string }{{lowTag, lowName}, {highTag, highName}} {
		if given := tag.Get(b.tag); given != "" {
			n, err := strconv.ParseInt(given, 10, 64)
			if err != nil {
				panic("openapi: the bound " + given + " is no number")
			}
			o = o.with(b.name, n)
		}
	}
	return o
}

func (s *schemas) structure(t reflect.Type) object {
	name := strings.TrimSuffix(t.Name(), "Body")
	if s.named == nil || strings.Contains(name, "[") {
		return s.fields(t)
	}
	if _, done := s.named[name]; !done {
		s.named[name] = nil // A type within itself would come here again.
		s.named[name] = s.fields(t)
		s.order = append(s.order, name)
	}
	return object{{"$ref", "#/components/schemas/" + name}}
}

// isRequest tells the types of requests from those of answers.
func isRequest(t reflect.Type) bool {
	name := t.Name()
	return strings.HasSuffix(name, "Request") || unicode.IsLower(rune(name[0]))
}

// fields is the schema of a struct. Requests are strict: what they do not name is refused. Of an
// answer, every member is there unless it may be left out.
func (s *schemas) fields(t reflect.Type) object {
	var properties object
	required := []string{}
	s.walk(t, isRequest(t), &properties, &required)
	o := object{{"type", "object"}}
	if len(required) > 0 {
		o = o.with("required", required)
	}
	if len(properties) > 0 {
		o = o.with("properties", properties)
	}
	if isRequest(t) {
		o = o.with("additionalProperties", false)
	}
	return o
}

// walk gathers the members of a struct and of those embedded in it.
func (s *schemas) walk(t reflect.Type, request bool, properties *object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || options == "embed" {
			s.walk(f.Type, request, properties, required)
			continue
		}
		if name == "op" {
			continue // That is for batches; over NATS the subject says it.
		}
		property := s.of(f.Type, f.Tag)
		if doc := f.Tag.Get("doc"); doc != "" {
			property = property.with("description", doc)
		}
		*properties = properties.with(name, property)
		if request && f.Tag.Get("required") != "" || !request && options != "omitempty" {
			*required = append(*required, name)
		}
	}
}

// Schemas returns the JSON Schemas of an operation over NATS: of its payload and of its answer.
func Schemas(o *gateway.Operation) (request, answer string, err error) {
	s := &schemas{}
	for _, one := range []struct {
		t    reflect.Type
		into *string
	}{{o.Message, &request}, {o.Answer, &answer}} {
		b, err := json.Marshal(s.of(one.t, ""))
		if err != nil {
			return "", "", fmt.Errorf("schema of %s: %w", one.t, err)
		}
		*one.into = string(b)
	}
	return request, answer, nil
}
