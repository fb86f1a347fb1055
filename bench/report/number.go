package report

import (
	"math"
	"strconv"
)

// count writes a whole number with a comma for every thousand.
func count(f float64) string {
	s := strconv.FormatFloat(math.Abs(math.Round(f)), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if f <= -0.5 {
		return "-" + s
	}
	return s
}

// digits writes a number with about three digits that count.
func digits(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100:
		return count(f)
	case a >= 10:
		return strconv.FormatFloat(f, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(f, 'f', 2, 64)
	default:
		return strconv.FormatFloat(f, 'f', 3, 64)
	}
}

// known is digits, or nothing for zero, which is what is not known.
func known(f float64) string {
	if f == 0 {
		return ""
	}
	return digits(f)
}

// short writes a number for an axis: 1k, 2.5M.
func short(f float64) string {
	for _, u := range []struct {
		unit string
		n    float64
	}{{"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if math.Abs(f) >= u.n {
			return strconv.FormatFloat(f/u.n, 'g', 4, 64) + u.unit
		}
	}
	return strconv.FormatFloat(f, 'g', 4, 64)
}
