package main

import (
	"fmt"
	"os"
	"strings"
)

const (
	pageBegin = "<!-- mutants: begin -->"
	pageEnd   = "<!-- mutants: end -->"
)

// write puts the table between the markers of a page.
func write(path string, findings []finding) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	before, rest, begins := strings.Cut(string(b), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return fmt.Errorf("write the table: %s has no %s and %s", path, pageBegin, pageEnd)
	}
	var t strings.Builder
	t.WriteString("\n\n| mutant | what it does | found by | after | by the simulation after |\n|---|---|---|--:|--:|\n")
	for _, f := range findings {
		by, after := fmt.Sprintf("`%s` in `%s`", strings.ReplaceAll(f.by.run, "|", "`, `"), strings.TrimPrefix(f.by.pkg, "./")), fmt.Sprintf("%.1f s", f.took.Seconds())
		if !f.found {
			by, after = "**nobody**", ""
		}
		simulated := ""
		switch {
		case f.simFound:
			simulated = fmt.Sprintf("%.1f s", f.simTook.Seconds())
		case f.lived:
			simulated = "not found"
		}
		fmt.Fprintf(&t, "| `%s` | %s | %s | %s | %s |\n", f.name, f.what, by, after, simulated)
	}
	t.WriteString("\n")
	if err := os.WriteFile(path, []byte(before+pageBegin+t.String()+pageEnd+after), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
