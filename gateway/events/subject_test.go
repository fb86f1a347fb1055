package events

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

func TestTokens(t *testing.T) {
	for name, want := range map[string]string{
		"": "_", "_": "%5F", "__": "__", "main": "main", "SKU-1_a~b": "SKU-1_a~b", "a.b": "a%2Eb",
		"*": "%2A", ">": "%3E", "a b": "a%20b", "50%": "50%25", "größe": "gr%C3%B6%C3%9Fe", "%5F": "%255F",
		"a/b+c=d": "a%2Fb%2Bc%3Dd",
	} {
		got := string(AppendToken(nil, name))
		if got != want {
			t.Errorf("%q becomes %q, should be %q", name, got, want)
		}
		if back, ok := NameOfToken(got); !ok || back != name {
			t.Errorf("%q comes back as %q, %v", name, back, ok)
		}
	}
	for _, token := range []string{"", "a.b", "%", "%2", "%2e", "%41", "%5f", "%ZZ", "a b", "ö", "x%5F"} {
		if name, ok := NameOfToken(token); ok {
			t.Errorf("%q is taken for %q", token, name)
		}
	}
}

func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "_", "main", "a.b", "größe", "%5F", "\xff\x00", strings.Repeat(".", 128)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, location, sku string) {
		subject := SubjectPrefix + string(appendSubject(nil, location, sku))
		if !server.IsValidLiteralSubject(subject) {
			t.Fatalf("%q is no subject", subject)
		}
		tokens := strings.Split(subject, ".")
		if len(tokens) != strings.Count(SubjectPrefix, ".")+2 {
			t.Fatalf("%q has %d tokens", subject, len(tokens))
		}
		for i, want := range []string{location, sku} {
			token := tokens[len(tokens)-2+i]
			if got, ok := NameOfToken(token); !ok || got != want {
				t.Fatalf("%q becomes %q becomes %q, %v", want, token, got, ok)
			}
			if strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~%") != "" {
				t.Fatalf("%q in a token", token)
			}
		}
		// What is read must be what is written: there is one token for a name.
		if name, ok := NameOfToken(sku); ok && string(AppendToken(nil, name)) != sku {
			t.Fatalf("%q is read as %q, which is written otherwise", sku, name)
		}
	})
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"1-0-1", "4711-2-3", "", "1-1-1", "0-0-1", "01-0-1", "1--0-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := parsePlace(s); err == nil && (p.String() != s || p.index == 0 || p.n >= p.of) {
			t.Fatalf("%q is read as %+v", s, p)
		}
	})
}
