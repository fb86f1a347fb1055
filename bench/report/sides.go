package report

import (
	"fmt"
	"slices"

	"github.com/skua-stock/skua/bench"
)

// Side is Skua beside a peer: the peer's fastest row of a workload, and how Skua does by comparison.
type Side struct {
	Workload string `json:"workload"`
	Peer     string `json:"peer"`
	// PeerInFlight, PeerRate and PeerCPU are those of the row: in flight, operations a second, and
	// CPU microseconds an operation of its server.
	PeerInFlight int     `json:"peer_in_flight"`
	PeerRate     float64 `json:"peer_rate"`
	PeerCPU      float64 `json:"peer_server_cpu_us"`
	// Skua is the rows of Skua's ways by comparison, of each the fewest in flight first.
	Skua []Ratio `json:"skua"`
}

// Ratio is Skua over a way with so many in flight, as multiples of the peer.
type Ratio struct {
	Way      string  `json:"way"`
	InFlight int     `json:"in_flight"`
	Rate     float64 `json:"rate_ratio"`
	CPU      float64 `json:"server_cpu_ratio"`
}

// SideBySide holds some ways in, with the fewest in flight beside one alone and with the most, against
// the fastest row of each peer that keeps what it acknowledges, for each workload that both did.
func SideBySide(rows []bench.Row, ways ...string) (sides []Side) {
	var workloads []string
	ours, theirs := map[[2]string][]bench.Row{}, map[string][]bench.Row{}
	for _, r := range rows {
		if r.Offered > 0 || r.Wrong != "" || r.Lossy {
			continue
		}
		if !slices.Contains(workloads, r.Workload) {
			workloads = append(workloads, r.Workload)
		}
		switch {
		case r.Peer:
			theirs[r.Workload] = append(theirs[r.Workload], r)
		case slices.Contains(ways, r.Way) && r.InFlight > 1:
			at := [2]string{r.Workload, r.Way}
			ours[at] = append(ours[at], r)
		}
	}
	for _, w := range workloads {
		var mine []bench.Row
		for _, way := range ways {
			mine = append(mine, ends(ours[[2]string{w, way}])...)
		}
		if len(mine) == 0 {
			continue
		}
		for _, p := range best(theirs[w]) {
			s := Side{Workload: w, Peer: p.Way, PeerInFlight: p.InFlight, PeerRate: p.Rate, PeerCPU: p.ServerCPU}
			for _, m := range mine {
				s.Skua = append(s.Skua, Ratio{m.Way, m.InFlight, over(m.Rate, p.Rate), over(m.ServerCPU, p.ServerCPU)})
			}
			sides = append(sides, s)
		}
	}
	return sides
}

// ends are the rows with the fewest and with the most in flight.
func ends(rows []bench.Row) []bench.Row {
	slices.SortFunc(rows, func(a, b bench.Row) int { return a.InFlight - b.InFlight })
	if len(rows) > 2 {
		return []bench.Row{rows[0], rows[len(rows)-1]}
	}
	return rows
}

// over is a ratio, or nothing where it would make no sense.
func over(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

// Summary shows Skua beside its peers, if there are any.
func Summary(sides []Side) []Section {
	if len(sides) == 0 {
		return nil
	}
	s := Section{
		Title: "Side by side: Skua against what was found here",
		Text: []string{"Skua by comparison with each peer's fastest row that loses nothing: how many times the operations a second, and how much " +
			"of the server's CPU time an operation, by way in and how many were in flight. Batches are there for the peers that take many requests at once."},
	}
	t := Table{Columns: []string{"-workload", "-against", "in flight", "ops/s", "server CPU µs/op"}}
	columns := columnsOf(sides)
	for _, c := range columns {
		name := fmt.Sprintf("%s, %s", c.Way, count(float64(c.InFlight)))
		t.Columns = append(t.Columns, name+": times the ops/s", "of the CPU")
	}
	for _, side := range sides {
		row := []string{side.Workload, side.Peer, count(float64(side.PeerInFlight)), count(side.PeerRate), digits(side.PeerCPU)}
		for _, c := range columns {
			i := slices.IndexFunc(side.Skua, func(r Ratio) bool { return r.Way == c.Way && r.InFlight == c.InFlight })
			if i < 0 {
				row = append(row, "", "")
				continue
			}
			row = append(row, times(side.Skua[i].Rate), times(side.Skua[i].CPU))
		}
		t.add(row...)
	}
	s.Tables = []Table{t}
	return []Section{s}
}

// columnsOf are the ways in with what was in flight that are in any of the sides, in the order of the
// one that has the most, and then of the others.
func columnsOf(sides []Side) (columns []Ratio) {
	widest := slices.MaxFunc(sides, func(a, b Side) int { return len(a.Skua) - len(b.Skua) })
	for _, side := range append([]Side{widest}, sides...) {
		for _, r := range side.Skua {
			if !slices.ContainsFunc(columns, func(c Ratio) bool { return c.Way == r.Way && c.InFlight == r.InFlight }) {
				columns = append(columns, r)
			}
		}
	}
	return columns
}

// times writes a ratio.
func times(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2g", f)
}
