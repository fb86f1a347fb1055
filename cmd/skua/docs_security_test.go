package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPage runs the shell blocks of the page on security in order, in a directory of their
// own. A line whose comment is a status has to be answered with it.
func TestSecurityPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/operating/security.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	s := &session{T: t}
	lines := 0
	blocks := strings.Split(string(b), "```")
	for i := 1; i < len(blocks); i += 2 {
		block, ok := strings.CutPrefix(blocks[i], "sh\n")
		if !ok {
			continue
		}
		for line := range strings.Lines(block) {
			lines++
			s.run(strings.TrimSpace(line))
		}
	}
	if lines < 10 {
		t.Errorf("%d lines, the page has more", lines)
	}
}

// session is a shell that knows what the page needs.
type session struct {
	*testing.T
	server *watched
}

var (
	catOf  = regexp.MustCompile(`\$\(cat ([^)]*)\)`)
	wordOf = regexp.MustCompile(`"[^"]*"|'[^']*'|\S+`)
)

func (s *session) run(line string) {
	s.Helper()
	text, comment, _ := strings.Cut(line, " # ")
	text = catOf.ReplaceAllStringFunc(strings.TrimSpace(text), func(m string) string {
		b, err := os.ReadFile(catOf.FindStringSubmatch(m)[1])
		if err != nil {
			s.Fatalf("%s: %v", line, err)
		}
		return strings.TrimSpace(string(b))
	})
	refused := strings.TrimSpace(comment) == "401"
	switch words := wordOf.FindAllString(text, -1); {
	case words[0] == "curl":
		s.curl(line, words[1:], refused)
	case words[1] == "serve":
		s.server = startWatched(s.T, append(words[2:], "--data", filepath.Join(s.TempDir(), "data"))...)
	default:
		s.verb(line, words[1:], refused)
	}
}

func (s *session) curl(line string, words []string, refused bool) {
	s.Helper()
	req, err := http.NewRequest(http.MethodGet, strings.Replace(words[0], "localhost:8080", s.server.http, 1), nil)
	if err != nil {
		s.Fatal(err)
	}
	if len(words) > 2 && words[1] == "-H" {
		name, value, _ := strings.Cut(strings.Trim(words[2], `"`), ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.Fatal(err)
	}
	resp.Body.Close()
	want := http.StatusOK
	if refused {
		want = http.StatusUnauthorized
	}
	if resp.StatusCode != want {
		s.Errorf("%s: %d", line, resp.StatusCode)
	}
}

func (s *session) verb(line string, words []string, refused bool) {
	s.Helper()
	into := ""
	if n := len(words); n > 2 && words[n-2] == ">" {
		into, words = words[n-1], words[:n-2]
	}
	if words[0] != "token" {
		words = append(words, "--server", s.server.http)
	}
	var out, errs bytes.Buffer
	attempt := func() bool {
		out.Reset()
		errs.Reset()
		code := run(words, &out, &errs)
		if refused {
			return code == exitRefused && strings.Contains(errs.String(), "UNAUTHENTICATED")
		}
		return code == exitOK
	}
	// A change of the tokens counts within a second.
	if words[0] == "token" && !attempt() {
		s.Fatalf("%s: %s%s", line, out.String(), errs.String())
	}
	if words[0] != "token" {
		eventually(s.T, line, attempt)
	}
	if into != "" {
		if err := os.WriteFile(into, out.Bytes(), 0o600); err != nil {
			s.Fatal(err)
		}
	}
}
