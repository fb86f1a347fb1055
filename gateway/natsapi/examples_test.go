package natsapi

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/micro"
)

var natsLine = regexp.MustCompile(`(?m)^nats req stock\.v1\.(\w+) '([^']*)'(?: -H '([^:]*):([^']*)')?$`)

// TestExamples runs the nats lines of the API's page, in their order, on a fresh door.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/api.md")
	if err != nil {
		t.Fatal(err)
	}
	d := open(t)
	defer d.stop()
	id := ""
	lines := natsLine.FindAllStringSubmatch(string(page), -1)
	if all := strings.Count(string(page), "\nnats req "); len(lines) != all || all < 18 {
		t.Errorf("%d of %d examples were understood", len(lines), all)
	}
	for _, l := range lines {
		var headers []string
		if l[3] != "" {
			headers = append(headers, l[3]+": "+l[4])
		}
		payload := strings.ReplaceAll(l[2], "$ID", id)
		r := d.ask(l[1], payload, headers...)
		if r.Header.Get(micro.ErrorHeader) != "" {
			t.Errorf("%s\n%s", l[0], r.Data)
			continue
		}
		if body := d.check("", l[1], payload, r); body["id"] != nil {
			id = body["id"].(string)
		}
	}
}
