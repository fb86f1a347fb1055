package gateway

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Integer is a whole number of a request. Set tells zero from absent; null is absent.
//
// It decodes itself, because what is wrong with a number ("1.5", "1e3", 2^64, "7") has to be said
// in words that name the rule.
type Integer struct {
	N   int64
	Set bool
}

// Text is a string of a request. Set tells empty from absent; null is absent.
type Text struct {
	S   string
	Set bool
}

// ruleError is a value that breaks the rule of its type. The decoder adds where it was.
type ruleError struct{ rule string }

func (e *ruleError) Error() string { return e.rule }

var (
	errNotWhole = &ruleError{"must be a whole number, without fraction or exponent"}
	errTooHigh  = &ruleError{"is too high a number"}
	errTooLow   = &ruleError{"is too low a number"}
)

var kindNames = map[jsontext.Kind]string{
	'n': "null", 't': "a boolean", 'f': "a boolean", '"': "a string", '0': "a number",
	'{': "an object", '[': "an array",
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (i *Integer) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		*i = Integer{}
		return nil
	case '0':
	default:
		return &ruleError{"must be a whole number, is " + kindNames[v.Kind()]}
	}
	if bytes.ContainsAny(v, ".eE") {
		return errNotWhole
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		if v[0] == '-' {
			return errTooLow
		}
		return errTooHigh
	}
	if err != nil {
		return errNotWhole
	}
	*i = Integer{N: n, Set: true}
	return nil
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (t *Text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	switch v.Kind() {
	case 'n':
		*t = Text{}
		return nil
	case '"':
	default:
		return &ruleError{"must be a string, is " + kindNames[v.Kind()]}
	}
	if inner := v[1 : len(v)-1]; bytes.IndexByte(inner, '\\') < 0 {
		*t = Text{S: string(inner), Set: true}
		return nil
	}
	s, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return err
	}
	*t = Text{S: string(s), Set: true}
	return nil
}
