package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocs runs the curl lines of the pages that a stranger reads first, in order, against a
// server of their own.
func TestDocs(t *testing.T) {
	for _, page := range []string{"README.md", "docs/start.md"} {
		t.Run(page, func(t *testing.T) {
			p, err := spawn(filepath.Join(t.TempDir(), "data"))
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			lines := curls(t, filepath.Join("../..", page))
			if len(lines) < 6 {
				t.Fatalf("%d curl lines, the page has more", len(lines))
			}
			id := ""
			for _, line := range lines {
				if strings.Contains(line, "-N") {
					continue // A stream that never ends.
				}
				status, body := doCurl(t, p.http, strings.ReplaceAll(line, "$ID", id))
				want := status < 300
				if strings.Contains(line, `"quantity":99`) {
					want = status == http.StatusConflict
				}
				if !want {
					t.Errorf("%s\nanswers %d: %s", line, status, body)
				}
				var r reservation
				if json.Unmarshal(body, &r) == nil && r.ID != "" {
					id = r.ID
				}
			}
		})
	}
}

// curls finds the curl commands of a page's shell blocks.
func curls(t *testing.T, path string) (lines []string) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(b), "```")
	for i := 1; i < len(blocks); i += 2 {
		block, ok := strings.CutPrefix(blocks[i], "sh\n")
		if !ok {
			continue
		}
		for _, line := range strings.Split(strings.ReplaceAll(block, "\\\n", ""), "\n") {
			if line, _, _ = strings.Cut(line, " #"); strings.HasPrefix(line, "curl ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

var shellWord = regexp.MustCompile(`'[^']*'|\S+`)

// doCurl does what curl would with the few options that the pages use.
func doCurl(t *testing.T, addr, line string) (int, []byte) {
	t.Helper()
	method, url, body := http.MethodGet, "", ""
	header := http.Header{}
	words := shellWord.FindAllString(line, -1)[1:]
	for i := 0; i < len(words); i++ {
		arg := func() string { i++; return strings.Trim(words[i], "'") }
		switch words[i] {
		case "-X":
			method = arg()
		case "-H":
			name, value, _ := strings.Cut(arg(), ": ")
			header.Set(name, value)
		case "-d":
			body = arg()
			header.Set("Content-Type", "application/x-www-form-urlencoded") // As curl says.
		default:
			url = strings.Trim(words[i], "'")
		}
	}
	req, err := http.NewRequest(method, "http://"+strings.Replace(url, "localhost:8080", addr, 1), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}
