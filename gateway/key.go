package gateway

import (
	"strconv"
	"strings"

	"github.com/skua-stock/skua/engine"
)

// The headers of both doors.
const (
	KeyHeader      = "Idempotency-Key"
	MatchHeader    = "If-Match"
	NoneHeader     = "If-None-Match"
	ReplayedHeader = "Idempotent-Replayed"
)

// Key reads an idempotency key as a client spells it: bare, or in quotes as a string of RFC 9651.
// Both spellings are the same key. That it is there, and its length, is for the engine to check.
func Key(header string) (string, *Problem) {
	if header == "" || header[0] != '"' {
		return header, nil
	}
	bad := func() (string, *Problem) {
		return "", Invalid(KeyHeader, `an idempotency key that begins with a quote must be a string of RFC 9651, such as "8e03-77c1"`)
	}
	if len(header) < 2 || header[len(header)-1] != '"' {
		return bad()
	}
	inner := header[1 : len(header)-1]
	if strings.IndexByte(inner, '"') < 0 && strings.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var key strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return bad()
		case '\\':
			if i++; i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return bad()
			}
		}
		key.WriteByte(inner[i])
	}
	return key.String(), nil
}

// Match reads If-Match: one tag, which is the sequence of the item, or * for any that exists. A tag
// that none of ours can be, as a weak one, is no mistake of form: it does not match.
func Match(header string) (sequence uint64, any bool, p *Problem) {
	if header == "*" {
		return 0, true, nil
	}
	opaque, weak := strings.CutPrefix(header, "W/")
	inner, ok := strings.CutPrefix(opaque, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	if !ok || !closed || strings.Contains(inner, `"`) {
		return 0, false, Invalid(MatchHeader, `If-Match must be one tag as the header ETag has it, such as "12", or *`)
	}
	sequence, err := strconv.ParseUint(inner, 10, 64)
	if ours := err == nil && !weak && strconv.FormatUint(sequence, 10) == inner; !ours {
		sequence = engine.MatchesNothing
	}
	return sequence, false, nil
}

// NoConditions refuses conditions in the headers of a batch, where they would be of no item in particular.
func NoConditions(headers map[string][]string) *Problem {
	for _, name := range []string{MatchHeader, NoneHeader} {
		if len(headers[name]) > 0 {
			return Invalid(name, "%s is for one item; an operation of a batch has a member if_match", name)
		}
	}
	return nil
}

// AppendTag writes the strong ETag of a sequence.
func AppendTag(b []byte, sequence uint64) []byte {
	b = append(b, '"')
	b = strconv.AppendUint(b, sequence, 10)
	return append(b, '"')
}
