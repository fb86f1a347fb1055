package report

import (
	"fmt"
	"math"
)

// axis maps values to places along a stretch of a picture.
type axis struct {
	min, max float64
	from, to float64
	log      bool
	ticks    []Tick
}

// newAxis makes an axis that has room for all values, with round ends.
func newAxis(values []float64, log bool, from, to float64) axis {
	a := axis{min: math.Inf(1), max: math.Inf(-1), from: from, to: to, log: log}
	for _, v := range values {
		if !log || v > 0 {
			a.min, a.max = min(a.min, v), max(a.max, v)
		}
	}
	if a.min > a.max {
		a.min, a.max = 1, 10
	}
	if log {
		a.min, a.max = math.Pow(10, math.Floor(math.Log10(a.min))), math.Pow(10, math.Ceil(math.Log10(a.max)))
		if a.min == a.max {
			a.max *= 10
		}
		for v := a.min; v <= a.max*1.001; v *= 10 {
			a.ticks = append(a.ticks, Tick{v, short(v)})
		}
		return a
	}
	a.min = min(0, a.min)
	if a.max <= a.min {
		a.max = a.min + 1
	}
	step := roundStep((a.max - a.min) / 5)
	a.max = math.Ceil(a.max/step-1e-9) * step
	for v := a.min; v <= a.max+step/2; v += step {
		a.ticks = append(a.ticks, Tick{v, short(math.Round(v/step) * step)})
	}
	return a
}

// roundStep is the next of 1, 2 or 5 times a power of ten.
func roundStep(f float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(f)))
	for _, m := range []float64{1, 2, 5} {
		if f <= m*p*1.0001 {
			return m * p
		}
	}
	return 10 * p
}

// at is the place of a value.
func (a *axis) at(v float64) float64 {
	lo, hi := a.min, a.max
	if a.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, a.min))
	}
	return a.from + (v-lo)/(hi-lo)*(a.to-a.from)
}

// place writes a coordinate.
func place(f float64) string { return fmt.Sprintf("%.1f", f) }
