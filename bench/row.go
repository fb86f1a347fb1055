package bench

import (
	"cmp"
	"slices"
)

// Row is one line of a comparison: what a workload took on a way in, with so many in flight.
type Row struct {
	Workload string `json:"workload"`
	SKUs     int    `json:"skus"`
	// Way is the way in, or the name of the peer.
	Way  string `json:"way"`
	Peer bool   `json:"peer,omitempty"`
	// Lossy says that what was acknowledged may be lost.
	Lossy bool `json:"lossy,omitempty"`
	// Floor is the way that this row explains: it does a part of the same and nothing else.
	Floor string `json:"floor_of,omitempty"`
	// Wrong says why the books did not agree with what was acknowledged.
	Wrong    string `json:"wrong,omitempty"`
	InFlight int    `json:"in_flight"`
	// On says what else was done meanwhile.
	On string `json:"on,omitempty"`
	// Runs is how many there were; the rest is that of the median by CPU.
	Runs int `json:"runs"`
	// Saves is how many snapshots were completed in all of them.
	Saves int `json:"snapshots_of_all"`
	*Result
	// Lowest and Highest are the rates of the slowest and the fastest run.
	Lowest  float64 `json:"rate_lowest"`
	Highest float64 `json:"rate_highest"`
}

// Median is the row of a run that took the median CPU time, for it moves least with the noise of
// a machine.
func Median(rows []Row) Row {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.CPU(), b.CPU()) })
	m := rows[len(rows)/2]
	m.Runs, m.Lowest, m.Highest = len(rows), m.Rate, m.Rate
	for _, r := range rows {
		m.Saves += r.Snapshots
		if m.Wrong == "" {
			m.Wrong = r.Wrong
		}
		m.Lowest, m.Highest = min(m.Lowest, r.Rate), max(m.Highest, r.Rate)
	}
	return m
}
