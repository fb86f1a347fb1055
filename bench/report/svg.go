package report

import (
	"fmt"
	"html"
	"io"
	"strings"
)

// The sizes of a plot, in pixels.
const (
	plotWidth   = 720
	plotHeight  = 360
	marginLeft  = 70
	marginRight = 20
	marginTop   = 34
	marginFoot  = 46
	legendRow   = 18
	barHeight   = 20
	barLabel    = 250
	barFigure   = 80
)

// colours are those of the lines, told apart by all kinds of eyes (Okabe and Ito); those of bars are
// the first two, and greys for peers.
var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#666666"}

var barColours = map[bool][]string{true: {"#0072b2", "#56b4e9"}, false: {"#8a8a8a", "#c4c4c4"}}

// picture is an SVG under way.
type picture struct{ strings.Builder }

func (p *picture) add(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func (p *picture) text(x, y float64, attributes, text string) {
	p.add(`<text x="%s" y="%s"%s>%s</text>`, place(x), place(y), attributes, html.EscapeString(text))
}

func (p *picture) line(x1, y1, x2, y2 float64, class string) {
	p.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" class="%s"/>`, place(x1), place(y1), place(x2), place(y2), class)
}

func (p *picture) begin(title string, width, height float64) {
	p.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" font-family="system-ui, sans-serif" font-size="12">`,
		place(width), place(height))
	p.add(`<title>%s</title>`, html.EscapeString(title))
	p.add(`<style>.grid{stroke:#ddd}.axis{stroke:#888}</style>`)
	p.add(`<rect width="100%%" height="100%%" fill="#fff"/>`)
	p.text(12, 20, ` font-size="14" font-weight="600"`, title)
}

// SVG writes the plot as a picture that needs nothing else.
func (pl *Plot) SVG(w io.Writer) error {
	var p picture
	if len(pl.Bars) > 0 {
		pl.drawBars(&p)
	} else {
		pl.drawLines(&p)
	}
	p.add("</svg>")
	_, err := io.WriteString(w, p.String())
	return err
}

func (pl *Plot) drawLines(p *picture) {
	const right, bottom = plotWidth - marginRight, plotHeight - marginFoot
	p.begin(pl.Title, plotWidth, plotHeight+float64((len(pl.Lines)+1)/2)*legendRow)
	var xs, ys []float64
	for _, l := range pl.Lines {
		for _, pt := range l.Points {
			xs, ys = append(xs, pt.X), append(ys, pt.Y)
		}
	}
	x, y := newAxis(xs, pl.LogX, marginLeft, right), newAxis(ys, pl.LogY, bottom, marginTop)
	if pl.XTicks != nil {
		x.ticks = pl.XTicks
		x.min, x.max = pl.XTicks[0].At, pl.XTicks[len(pl.XTicks)-1].At
	}
	for _, t := range x.ticks {
		p.line(x.at(t.At), marginTop, x.at(t.At), bottom, "grid")
		p.text(x.at(t.At), bottom+16, ` text-anchor="middle"`, t.Name)
	}
	for _, t := range y.ticks {
		p.line(marginLeft, y.at(t.At), right, y.at(t.At), "grid")
		p.text(marginLeft-6, y.at(t.At)+4, ` text-anchor="end"`, t.Name)
	}
	p.line(marginLeft, bottom, right, bottom, "axis")
	p.line(marginLeft, marginTop, marginLeft, bottom, "axis")
	p.text((marginLeft+right)/2, bottom+34, ` text-anchor="middle"`, pl.X)
	p.text(0, 0, fmt.Sprintf(` transform="translate(14 %s) rotate(-90)" text-anchor="middle"`, place((marginTop+bottom)/2)), pl.Y)
	for _, m := range pl.Marks {
		p.add(`<line x1="%s" y1="%d" x2="%s" y2="%d" stroke="#d55e00" stroke-dasharray="2 3" opacity=".6"/>`,
			place(x.at(m)), marginTop, place(x.at(m)), plotHeight-marginFoot)
	}
	for i, l := range pl.Lines {
		colour := colours[i%len(colours)]
		var points []string
		for _, pt := range l.Points {
			points = append(points, place(x.at(pt.X))+","+place(y.at(pt.Y)))
		}
		p.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="%s"/>`, strings.Join(points, " "), colour, lineWidth(len(points)))
		for _, pt := range l.Points {
			if len(l.Points) > dotsMax {
				break
			}
			p.add(`<circle cx="%s" cy="%s" r="2.5" fill="%s"><title>%s: %s, %s</title></circle>`, place(x.at(pt.X)), place(y.at(pt.Y)),
				colour, html.EscapeString(l.Name), digits(pt.X), digits(pt.Y))
		}
		lx, ly := marginLeft+float64(i%2)*(plotWidth-marginLeft)/2, plotHeight+4+float64(i/2)*legendRow
		p.add(`<rect x="%s" y="%s" width="14" height="4" fill="%s"/>`, place(lx), place(ly), colour)
		p.text(lx+20, ly+7, "", l.Name)
	}
}

// dotsMax is how many points a line has that are shown as dots; of more, the line alone is shown.
const dotsMax = 60

func lineWidth(points int) string {
	if points > dotsMax {
		return "1.2"
	}
	return "2"
}

func (pl *Plot) drawBars(p *picture) {
	height := float64(marginTop + len(pl.Bars)*(barHeight+4) + marginFoot)
	p.begin(pl.Title, plotWidth, height)
	var sums []float64
	for _, b := range pl.Bars {
		sums = append(sums, sum(b.Parts))
	}
	x := newAxis(sums, false, barLabel, plotWidth-barFigure)
	bottom := height - marginFoot
	for _, t := range x.ticks {
		p.line(x.at(t.At), marginTop, x.at(t.At), bottom, "grid")
		p.text(x.at(t.At), bottom+16, ` text-anchor="middle"`, t.Name)
	}
	p.text((barLabel+plotWidth-barFigure)/2, bottom+34, ` text-anchor="middle"`, pl.X)
	for i, b := range pl.Bars {
		y := marginTop + float64(i)*(barHeight+4)
		p.text(barLabel-8, y+barHeight-6, ` text-anchor="end"`, b.Name)
		done := 0.0
		for j, part := range b.Parts {
			c := barColours[b.Ours]
			p.add(`<rect x="%s" y="%s" width="%s" height="%d" fill="%s"/>`, place(x.at(done)), place(y),
				place(max(0, x.at(done+part)-x.at(done))), barHeight, c[j%len(c)])
			done += part
		}
		p.text(x.at(done)+6, y+barHeight-6, "", digits(sums[i]))
	}
}

func sum(parts []float64) (s float64) {
	for _, f := range parts {
		s += f
	}
	return s
}
