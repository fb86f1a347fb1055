package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var page string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"svg": func(p Plot) (template.HTML, error) {
		var b strings.Builder
		err := p.SVG(&b)
		return template.HTML(b.String()), err // Its texts are escaped.
	},
	"name":  func(c string) string { name, _ := column(c); return name },
	"words": func(t Table, i int) bool { _, words := column(t.Columns[i]); return words },
}).Parse(page))

// HTML writes the report as one file that needs nothing else.
func (r *Report) HTML(w io.Writer) error { return pageTemplate.Execute(w, r) }
