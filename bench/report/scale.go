package report

import "fmt"

// Growth is what became of some figures as one thing grew.
type Growth struct {
	// Name is the name of its plots.
	Name  string `json:"name"`
	Title string `json:"title"`
	Text  string `json:"text"`
	// What grew; Bars says that it is no number but a list of cases, which have names.
	What string `json:"what"`
	Bars bool   `json:"bars,omitempty"`
	// Figures names what was measured; Plotted says which of them are worth a picture.
	Figures []string `json:"figures"`
	Plotted []int    `json:"plotted"`
	Steps   []Step   `json:"steps"`
}

// Step is one size, or one case, with its figures.
type Step struct {
	Case    string    `json:"case,omitempty"`
	Size    float64   `json:"size,omitempty"`
	Figures []float64 `json:"figures"`
}

// Add adds a size.
func (g *Growth) Add(size float64, figures ...float64) {
	g.Steps = append(g.Steps, Step{Size: size, Figures: figures})
}

// AddCase adds a case.
func (g *Growth) AddCase(name string, figures ...float64) {
	g.Steps = append(g.Steps, Step{Case: name, Figures: figures})
}

// Scaled shows growths, a section each.
func Scaled(all []Growth) (sections []Section) {
	for _, g := range all {
		s := Section{Title: g.Title, Text: []string{g.Text}, Tables: []Table{g.table()}}
		for i, column := range g.Plotted {
			s.Plots = append(s.Plots, g.plot(i, column))
		}
		sections = append(sections, s)
	}
	return sections
}

func (g *Growth) table() Table {
	what := g.What
	if g.Bars {
		what = "-" + what
	}
	t := Table{Columns: append([]string{what}, g.Figures...)}
	for _, st := range g.Steps {
		row := []string{st.Case}
		if !g.Bars {
			row[0] = count(st.Size)
		}
		for _, f := range st.Figures {
			row = append(row, digits(f))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (g *Growth) plot(i, column int) Plot {
	p := Plot{
		Name: fmt.Sprintf("scale-%s-%d", g.Name, i+1), Title: upper(g.Figures[column]) + " by " + g.What,
		X: g.What, Y: g.Figures[column], LogX: true,
	}
	if g.Bars {
		p.X = g.Figures[column]
	}
	l := Line{Name: g.Figures[column]}
	for _, st := range g.Steps {
		if g.Bars {
			p.Bars = append(p.Bars, Bar{st.Case, []float64{st.Figures[column]}, true})
		} else {
			l.Points = append(l.Points, Point{st.Size, st.Figures[column]})
		}
	}
	if !g.Bars {
		p.Lines = []Line{l}
	}
	return p
}
