package report

// Plot is a picture of figures: lines over an axis, or bars.
type Plot struct {
	// Name is the name of its file, without an ending.
	Name  string
	Title string
	// X and Y name the axes; LogX and LogY make them logarithmic.
	X, Y       string
	LogX, LogY bool
	// XTicks, when set, are the only ticks of the x axis.
	XTicks []Tick
	Lines  []Line
	// Marks are places on the x axis where something happened: a line goes up there.
	Marks []float64
	// Bars, when set, are shown instead of lines, and X names their length.
	Bars []Bar
}

// Line is one line of a plot. Points have ascending x.
type Line struct {
	Name   string
	Points []Point
}

// Point is a place in a plot.
type Point struct{ X, Y float64 }

// Tick is a mark on an axis.
type Tick struct {
	At   float64
	Name string
}

// Bar is a bar, and what is on top of it: the parts of a whole.
type Bar struct {
	Name  string
	Parts []float64
	// Ours marks the bars that are not those of peers.
	Ours bool
}
