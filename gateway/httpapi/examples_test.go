package httpapi

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var shellWord = regexp.MustCompile(`'[^']*'|\S+`)

// TestExamples runs the curl lines of the API's page, in their order, on a fresh door.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t)
	id, ran := "", 0
	for line := range strings.SplitSeq(string(page), "\n") {
		if !strings.HasPrefix(line, "curl ") || strings.Contains(line, "curl -N") {
			continue // The stream never ends; it has tests of its own.
		}
		words := shellWord.FindAllString(strings.ReplaceAll(line, "$ID", id), -1)
		method, path, body := "GET", "", ""
		headers := []string{"Idempotency-Key:"}
		for i := 1; i < len(words); i++ {
			word := strings.Trim(words[i], "'")
			switch word {
			case "-X", "-H", "--json":
				i++
				value := strings.Trim(words[i], "'")
				switch word {
				case "-X":
					method = value
				case "-H":
					headers = append(headers, value)
				default:
					body = value
					if method == "GET" {
						method = "POST"
					}
				}
			default:
				path = strings.TrimPrefix(word, "http://127.0.0.1:8080")
			}
		}
		r := d.do(method, path, body, headers...)
		ran++
		if r.Code < 200 || r.Code > 299 {
			t.Errorf("%s\n%d %s", line, r.Code, r.Body)
		}
		if made, ok := r.body["id"].(string); ok {
			id = made
		}
	}
	if ran < 18 {
		t.Errorf("only %d examples were found", ran)
	}
}
