package gateway

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/skua-stock/skua/engine"
)

// strict refuses what the types do not know. That names are compared byte for byte, that a name
// may come once, that strings are UTF-8 and that nothing follows the value are the defaults.
var strict = json.JoinOptions(json.RejectUnknownMembers(true))

// decode reads one JSON object into a request. An empty body is an empty object.
func decode(body []byte, into any) *Problem {
	switch first := firstByte(body); first {
	case 0:
		return nil
	case '{':
	default:
		if kind, ok := kindNames[jsontext.Kind(first)]; ok && jsontext.Value(body).IsValid() {
			return Invalid("", "the body must be a JSON object, is %s", kind)
		}
	}
	if err := json.Unmarshal(body, into, strict); err != nil {
		return explain(body, err)
	}
	return nil
}

// firstByte is the first byte that is no white space, with digits as '0', or 0.
func firstByte(body []byte) byte {
	for _, c := range body {
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c == '-' || '0' <= c && c <= '9':
			return '0'
		default:
			return max(c, 1)
		}
	}
	return 0
}

// explain says in words what is wrong with a body, and where.
func explain(body []byte, err error) *Problem {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	var rule *ruleError
	switch {
	case errors.As(err, &syntax):
		return explainSyntax(body, syntax)
	case errors.As(err, &semantic) && errors.As(err, &rule):
		return explainRule(fieldAt(semantic.JSONPointer), rule)
	case errors.As(err, &semantic) && errors.Is(semantic.Err, json.ErrUnknownName):
		field := fieldAt(semantic.JSONPointer)
		return Invalid(field, "the operation takes no member %q", field)
	case errors.As(err, &semantic):
		field := fieldAt(semantic.JSONPointer)
		return Invalid(field, "%s must be %s, is %s", named(field), wanted(semantic.GoType), kindNames[semantic.JSONKind])
	}
	return Invalid("", "the body cannot be read: %s", err)
}

func explainSyntax(body []byte, err *jsontext.SyntacticError) *Problem {
	field := fieldAt(err.JSONPointer)
	switch {
	case errors.Is(err.Err, jsontext.ErrDuplicateName):
		return Invalid(field, "%s is given twice", named(field))
	case !utf8.Valid(body):
		return Invalid(field, "the body is not valid UTF-8, at or after byte %d", err.ByteOffset)
	}
	return Invalid(field, "the body is not JSON, at or after byte %d: %s", err.ByteOffset,
		strings.TrimPrefix(err.Err.Error(), "jsontext: "))
}

func explainRule(field string, rule *ruleError) *Problem {
	kind := engine.InvalidRequest
	last := field[strings.LastIndexByte(field, '.')+1:]
	switch {
	case rule == errTooHigh && last == "ttl_ms":
		kind = engine.TTLTooLong
	case last == "ttl_ms" || last == "limit" || last == "if_match":
	case rule == errTooHigh:
		kind = engine.InvalidQuantityTooHigh
	case rule == errTooLow:
		kind = engine.InvalidQuantityTooLow
	}
	return newProblem(KindOf(kind), field, "%s %s", named(field), rule.rule)
}

func named(field string) string {
	if field == "" {
		return "the body"
	}
	return field
}

func wanted(t reflect.Type) string {
	if t != nil {
		switch t.Kind() {
		case reflect.Slice, reflect.Array:
			return "an array"
		case reflect.Struct, reflect.Map:
			return "an object"
		}
	}
	return "of another type"
}

// arrayMembers are the members that are arrays: what follows them in a pointer is an index.
var arrayMembers = map[string]bool{"lines": true, "location_order": true, "operations": true}

// fieldAt spells a place in a body as the engine does: "lines[2].quantity".
func fieldAt(p jsontext.Pointer) string {
	var b strings.Builder
	array := false
	for token := range p.Tokens() {
		switch {
		case array:
			fmt.Fprintf(&b, "[%s]", token)
		case b.Len() > 0:
			b.WriteString("." + token)
		default:
			b.WriteString(token)
		}
		array = !array && arrayMembers[token]
		if b.Len() > fieldBytesMax {
			return strings.ToValidUTF8(b.String()[:fieldBytesMax], "")
		}
	}
	return b.String()
}

func lineField(i int, name string) string { return fmt.Sprintf("lines[%d].%s", i, name) }

// missing gathers the required fields that a request lacks, so that all are named at once.
type missing struct {
	names []string
}

func (m *missing) unless(there bool, name string) {
	if !there {
		m.names = append(m.names, name)
	}
}

func (m *missing) unlessAt(there bool, line int, name string) {
	if !there {
		m.names = append(m.names, lineField(line, name))
	}
}

// missingNamedMax bounds how many missing fields one problem names.
const missingNamedMax = 20

// or returns the problem of the missing fields, or else another one.
func (m *missing) or(other *Problem) *Problem {
	switch n := len(m.names); {
	case n == 0:
		return other
	case n == 1:
		return Invalid(m.names[0], "%s is required", m.names[0])
	case n > missingNamedMax:
		return Invalid(m.names[0], "%s and %d more are required", strings.Join(m.names[:missingNamedMax], ", "), n-missingNamedMax)
	default:
		return Invalid(m.names[0], "%s and %s are required", strings.Join(m.names[:n-1], ", "), m.names[n-1])
	}
}
