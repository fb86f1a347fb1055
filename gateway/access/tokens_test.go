package access

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// file is a tokens file of a test.
type file struct {
	*testing.T
	path string
	log  bytes.Buffer
}

func newFile(t *testing.T) *file { return &file{T: t, path: filepath.Join(t.TempDir(), "tokens.json")} }

// add makes a token.
func (f *file) add(r Record) (Record, string) {
	f.Helper()
	if r.Scopes == nil {
		r.Scopes = []string{"read"}
	}
	r, token, err := NewRecord(r, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	if err := EditFile(f.path, func(all []Record) ([]Record, error) { return append(all, r), nil }); err != nil {
		f.Fatal(err)
	}
	return r, token
}

func (f *file) open() *Tokens {
	f.Helper()
	tokens, err := Open(f.path, slog.New(slog.NewTextHandler(&f.log, nil)))
	if err != nil {
		f.Fatal(err)
	}
	return tokens
}

func TestAuthenticate(t *testing.T) {
	f := newFile(t)
	r, token := f.add(Record{Name: "till-7", Scopes: []string{"sell", "read"}})
	_, other := f.add(Record{Name: "other"})
	tokens := f.open()
	now := time.Now()
	g, denial := tokens.Authenticate(token, now)
	if denial != nil || g.ID != r.ID || g.Principal() != "till-7" || g.Scopes != Read|Sell {
		t.Fatalf("%+v, %+v", g, denial)
	}
	wrongSecret := token[:len(token)-1] + string('a'+(token[len(token)-1]-'a'+1)%26)
	unknownID := "skua_" + strings.Repeat("a", idChars) + token[len("skua_")+idChars:]
	mixed := token[:len("skua_")+idChars] + other[len("skua_")+idChars:]
	for name, c := range map[string]struct {
		token string
		want  Reason
	}{
		"none": {"", NoToken}, "wrong secret": {wrongSecret, WrongSecret}, "unknown id": {unknownID, UnknownToken},
		"another's secret": {mixed, WrongSecret}, "cut": {token[:len(token)-1], MalformedToken}, "longer": {token + "a", MalformedToken},
		"no prefix": {token[1:] + "x", MalformedToken}, "upper case": {strings.ToUpper(token), MalformedToken},
		"long": {strings.Repeat("x", 1<<20), MalformedToken},
	} {
		g, denial := tokens.Authenticate(c.token, now)
		if g != nil || denial == nil || denial.Reason != c.want || !denial.Nobody() {
			t.Errorf("%s: %v, %v", name, g, denial)
		}
	}
	// Who does not know a token must not learn that there is one.
	_, a := tokens.Authenticate(wrongSecret, now)
	_, b := tokens.Authenticate(unknownID, now)
	if a.Detail != b.Detail || a.Field != b.Field {
		t.Errorf("%+v and %+v can be told apart", a, b)
	}
	for _, try := range []string{token, wrongSecret, unknownID, "", "nonsense"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = tokens.Authenticate(try, now) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// TestUnknownIsCompared: a token of no known id is compared too, with a hash that nothing fits.
func TestUnknownIsCompared(t *testing.T) {
	if dummy == hash("") || matches(strings.Repeat("a", secretChars), &dummy) || matches("", &dummy) || matches(tokenPrefix, &dummy) {
		t.Error("something fits the dummy")
	}
	secret := strings.Repeat("b", secretChars)
	sum := hash(secret)
	if !matches(secret, &sum) || matches(secret[1:], &sum) {
		t.Error("a secret does not fit its own hash, or a part does")
	}
	long := hash(secret + "c")
	if matches(secret+"c", &long) {
		t.Error("a secret of another length fits")
	}
}

func TestNoTwoTokensAlike(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id, secret := newSecret()
		if len(id) != idChars || len(secret) != secretChars || seen[id] || seen[secret] {
			t.Fatalf("%q %q", id, secret)
		}
		seen[id], seen[secret] = true, true
		gotID, gotSecret, ok := split(spell(id, secret))
		if !ok || gotID != id || gotSecret != secret {
			t.Fatalf("%q %q", id, secret)
		}
	}
}

// TestFileKeepsNoSecret: nobody but the owner reads the file, and it has nothing to log in with.
func TestFileKeepsNoSecret(t *testing.T) {
	f := newFile(t)
	_, token := f.add(Record{Name: "a"})
	b, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	_, secret, _ := split(token)
	if bytes.Contains(b, []byte(secret)) {
		t.Error("the file has the secret")
	}
	info, err := os.Stat(f.path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(f.path), ".*"))
	if err != nil || left != nil {
		t.Error(left, err)
	}
}

func TestBearer(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer x": "x", "bearer x": "x", "BEARER  x": "x", "Bearer ": "", "Bearer": "-", "Basic x": "-", "": "-", "x": "-", "Bearerx y": "-",
	} {
		token, ok := Bearer(header)
		if !ok {
			token = "-"
		}
		if token != want {
			t.Errorf("%q: %q, want %q", header, token, want)
		}
	}
}

// TestReload: what the file says counts without a restart, for better and worse; what it does not
// change goes on.
func TestReload(t *testing.T) {
	f := newFile(t)
	keep, keepToken := f.add(Record{Name: "keep"})
	gone, goneToken := f.add(Record{Name: "gone"})
	changed, changedToken := f.add(Record{Name: "changed", Scopes: []string{"admin"}})
	tokens := f.open()
	var ended []string
	tokens.OnEnd(func(g *Grant) { ended = append(ended, g.ID) })
	grant := func(token string) *Grant {
		g, _ := tokens.Authenticate(token, time.Now())
		return g
	}
	kept, revoked, wide := grant(keepToken), grant(goneToken), grant(changedToken)
	err := EditFile(f.path, func(all []Record) ([]Record, error) {
		left := all[:0]
		for _, r := range all {
			switch r.ID {
			case gone.ID:
				continue
			case changed.ID:
				r.Scopes = []string{"read"}
			}
			left = append(left, r)
		}
		return left, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, freshToken := f.add(Record{Name: "fresh"})
	tokens.poll(false)
	if grant(keepToken) != kept || grant(goneToken) != nil || grant(freshToken) == nil || grant(changedToken).Scopes != Read {
		t.Error("the file was not taken up")
	}
	over := func(g *Grant) bool {
		select {
		case <-g.Over():
			return true
		default:
			return false
		}
	}
	if over(kept) || !over(revoked) || !over(wide) || over(grant(changedToken)) {
		t.Error("what goes on for long does not end with its token, or without")
	}
	if diff := cmp.Diff(map[string]bool{gone.ID: true, changed.ID: true}, map[string]bool{ended[0]: true, ended[1]: true}); diff != "" || len(ended) != 2 {
		t.Errorf("%v %s", ended, diff)
	}
	_ = keep
}

// TestBrokenFileChangesNothing, and is told of once.
func TestBrokenFileChangesNothing(t *testing.T) {
	f := newFile(t)
	_, token := f.add(Record{Name: "a"})
	tokens := f.open()
	for name, ruin := range map[string]func() error{
		"nonsense":           func() error { return os.WriteFile(f.path, []byte("nonsense"), 0o600) },
		"a slip in a name":   func() error { return os.WriteFile(f.path, []byte(`{"tokens":[{"location":["berlin"]}]}`), 0o600) },
		"writable by others": func() error { return os.Chmod(f.path, 0o666) },
		"gone":               func() error { return os.Remove(f.path) },
	} {
		whole, err := os.ReadFile(f.path)
		if err != nil {
			t.Fatal(err)
		}
		f.log.Reset()
		if err := ruin(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			tokens.poll(true)
		}
		if g, denial := tokens.Authenticate(token, time.Now()); g == nil {
			t.Errorf("%s: %v", name, denial)
		}
		if n := strings.Count(f.log.String(), "cannot be used"); n != 1 {
			t.Errorf("%s: %d lines in the log: %s", name, n, f.log.String())
		}
		if err := os.RemoveAll(f.path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		tokens.poll(false)
	}
}

func TestOpenRefuses(t *testing.T) {
	f := newFile(t)
	if _, err := Open(f.path, slog.Default()); err == nil {
		t.Error("a file that is not there")
	}
	good := func() Record { r, _, _ := NewRecord(Record{Name: "a", Scopes: []string{"read"}}, time.Now()); return r }
	for name, change := range map[string]func(*Record){
		"no id":              func(r *Record) { r.ID = "" },
		"id":                 func(r *Record) { r.ID = "aaaaa.aaaaaa" },
		"no name":            func(r *Record) { r.Name = "" },
		"name":               func(r *Record) { r.Name = "a.b" },
		"no scope":           func(r *Record) { r.Scopes = nil },
		"scope":              func(r *Record) { r.Scopes = []string{"root"} },
		"hash":               func(r *Record) { r.Hash = "00" },
		"empty restriction":  func(r *Record) { r.Locations = []string{} },
		"empty location":     func(r *Record) { r.Locations = []string{""} },
		"empty prefix":       func(r *Record) { r.Prefixes = []string{""} },
		"control characters": func(r *Record) { r.Prefixes = []string{"a\x00"} },
		"nkey":               func(r *Record) { r.NKey = "SUAXYZ" },
	} {
		r := good()
		change(&r)
		if err := check([]Record{r}); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	r, _ := f.add(Record{Name: "a"})
	for _, restriction := range []string{`"locations":null`, `"sku_prefixes":null`, `"location":["main"]`, `"Locations":["main"]`} {
		text := fmt.Sprintf(`{"tokens":[{"id":%q,"name":"a","scopes":["read"],"secret_sha256":%q,"created_at":"2026-01-01T00:00:00Z",%s}]}`,
			r.ID, r.Hash, restriction)
		if err := os.WriteFile(f.path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(f.path, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: it is taken for no restriction", restriction)
		}
	}
	if err := check([]Record{r, r}); err == nil {
		t.Error("twice the same id")
	}
	if _, _, err := NewRecord(Record{Name: "a", Scopes: []string{"read"}, Expires: time.Now().Add(-time.Hour)}, time.Now()); err == nil {
		t.Error("expired before it was made")
	}
}

func TestExpiry(t *testing.T) {
	f := newFile(t)
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	_, token := f.add(Record{Name: "a", Expires: ends})
	tokens := f.open()
	ended := 0
	tokens.OnEnd(func(*Grant) { ended++ })
	g, denial := tokens.Authenticate(token, ends.Add(-time.Millisecond))
	if denial != nil {
		t.Fatal(denial)
	}
	if _, denial := tokens.Authenticate(token, ends); denial == nil || denial.Reason != ExpiredToken {
		t.Error(denial)
	}
	tokens.expire(ends.Add(-time.Millisecond))
	if ended != 0 {
		t.Error("it ends too early")
	}
	tokens.expire(ends)
	tokens.expire(ends)
	if ended != 1 {
		t.Errorf("it ends %d times", ended)
	}
	<-g.Over()
}

// TestWatch: a change counts soon, and a signal makes it count at once.
func TestWatch(t *testing.T) {
	f := newFile(t)
	r, token := f.add(Record{Name: "a"})
	tokens := f.open()
	g, _ := tokens.Authenticate(token, time.Now())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); tokens.Watch(ctx, make(chan os.Signal)) }()
	if err := EditFile(f.path, func(all []Record) ([]Record, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	<-g.Over()
	cancel()
	<-done
	if _, denial := tokens.Authenticate(token, time.Now()); denial == nil || denial.Reason != UnknownToken {
		t.Errorf("%v of %s", denial, r.ID)
	}
}

func BenchmarkAuthenticate(b *testing.B) {
	f := newFile(&testing.T{})
	f.path = filepath.Join(b.TempDir(), "tokens.json")
	_, token := f.add(Record{Name: "a"})
	tokens := f.open()
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, denial := tokens.Authenticate(token, now); denial != nil {
			b.Fatal(denial)
		}
	}
}

// FuzzAuthenticate: whatever a client sends, the one token that there is lets in, and nothing else.
func FuzzAuthenticate(f *testing.F) {
	keep := newFile(&testing.T{})
	keep.path = filepath.Join(f.TempDir(), "tokens.json")
	_, token := keep.add(Record{Name: "a"})
	tokens := keep.open()
	for _, header := range []string{"", "Bearer", "Bearer ", "bearer  " + token, "Bearer " + token + " ", "Basic " + token, "Bearer skua__", "Bearer skua_\x00"} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		shown, ok := Bearer(header)
		g, denial := tokens.Authenticate(shown, time.Now())
		if (g == nil) == (denial == nil) || (g != nil) != (shown == token) || ok && !strings.HasSuffix(header, shown) {
			t.Errorf("%q: %v, %v", header, g, denial)
		}
	})
}

// FuzzFile: a file is refused, or every record of it is a grant that is no wider than it says.
func FuzzFile(f *testing.F) {
	r, _, err := NewRecord(Record{Name: "a", Scopes: []string{"read"}, Locations: []string{"x"}}, time.Unix(0, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"tokens":[{"id":"` + r.ID + `","name":"a","scopes":["read"],"locations":["x"],"secret_sha256":"` + r.Hash + `","created_at":"2026-01-01T00:00:00Z"}]}`))
	f.Add([]byte(`{"tokens":[]}`))
	f.Add([]byte(`{}`))
	path := filepath.Join(f.TempDir(), "tokens.json")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		records, err := ReadFile(path)
		if err != nil {
			return
		}
		for i := range records {
			g, err := records[i].grant()
			if err != nil {
				t.Fatal(err)
			}
			if g.Scopes == 0 || len(records[i].Locations) > 0 && len(g.Locations) == 0 || len(records[i].Prefixes) > 0 && len(g.Prefixes) == 0 ||
				bytes.Contains(b, []byte(`"locations":[`)) && len(records) == 1 && !g.RestrictedToLocations() && !bytes.Contains(b, []byte(`\`)) {
				t.Errorf("%s: %+v", b, g)
			}
		}
	})
}
