package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Page writes the report into a Markdown page, between the markers of a name, which have to be
// there, and its plots into the directory that has the page's name without its ending.
func (r *Report) Page(path, name string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("write the benchmarks into their page: %w", err)
	}
	begin, end := fmt.Sprintf("<!-- skua bench %s: begin -->\n", name), fmt.Sprintf("<!-- skua bench %s: end -->\n", name)
	before, rest, ok := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s lacks the lines %q and %q", path, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	dir := strings.TrimSuffix(path, filepath.Ext(path))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the plots: %w", err)
	}
	for _, s := range r.Sections {
		for i := range s.Plots {
			if err := s.Plots[i].file(filepath.Join(dir, s.Plots[i].Name+".svg")); err != nil {
				return fmt.Errorf("write the plots: %w", err)
			}
		}
	}
	text := before + begin + r.Markdown(filepath.Base(dir)) + end + after
	return os.WriteFile(path, []byte(text), 0o644)
}

func (pl *Plot) file(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pl.SVG(f), f.Close())
}

// Markdown is the report as Markdown, with its plots in a directory.
func (r *Report) Markdown(plots string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n**On what.** %s.\n", r.On())
	for _, s := range r.Sections {
		fmt.Fprintf(&b, "\n### %s\n", s.Title)
		for _, t := range s.Text {
			fmt.Fprintf(&b, "\n%s\n", t)
		}
		for _, t := range s.Tables {
			b.WriteByte('\n')
			t.markdown(&b)
		}
		for _, p := range s.Plots {
			fmt.Fprintf(&b, "\n![%s](%s/%s.svg)\n", p.Title, plots, p.Name)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func (t *Table) markdown(b *strings.Builder) {
	var names, rule []string
	for _, c := range t.Columns {
		name, words := column(c)
		names = append(names, name)
		if words {
			rule = append(rule, "---")
		} else {
			rule = append(rule, "--:")
		}
	}
	fmt.Fprintf(b, "| %s |\n|%s|\n", strings.Join(names, " | "), strings.Join(rule, "|"))
	for _, row := range t.Rows {
		fmt.Fprintf(b, "| %s |\n", strings.ReplaceAll(strings.Join(row, " | "), "\n", " "))
	}
}
