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
	// Skua is the rows of Skua's way by comparison, the fewest in flight first.
	Skua []Ratio `json:"skua"`
}

// Ratio is Skua with so many in flight, as multiples of the peer.
type Ratio struct {
	InFlight int     `json:"in_flight"`
	Rate     float64 `json:"rate_ratio"`
	CPU      float64 `json:"server_cpu_ratio"`
}

// SideBySide holds one way in, with the fewest in flight beside one alone and with the most, against
// the fastest row of each peer that keeps what it acknowledges, for each workload that both did.
func SideBySide(rows []bench.Row, way string) (sides []Side) {
	var workloads []string
	ours, theirs := map[string][]bench.Row{}, map[string][]bench.Row{}
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
		case r.Way == way && r.InFlight > 1:
			ours[r.Workload] = append(ours[r.Workload], r)
		}
	}
	for _, w := range workloads {
		mine := ours[w]
		if len(mine) == 0 {
			continue
		}
		slices.SortFunc(mine, func(a, b bench.Row) int { return a.InFlight - b.InFlight })
		if len(mine) > 2 {
			mine = []bench.Row{mine[0], mine[len(mine)-1]}
		}
		for _, p := range best(theirs[w]) {
			s := Side{Workload: w, Peer: p.Way, PeerInFlight: p.InFlight, PeerRate: p.Rate, PeerCPU: p.ServerCPU}
			for _, m := range mine {
				s.Skua = append(s.Skua, Ratio{m.InFlight, over(m.Rate, p.Rate), over(m.ServerCPU, p.ServerCPU)})
			}
			sides = append(sides, s)
		}
	}
	return sides
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
		Text: []string{"Skua over NATS, one operation a message, by comparison with each peer's fastest row that loses nothing: how many " +
			"times the operations a second, and how much of the server's CPU time an operation. As many in flight as clients, and pipelined."},
	}
	widest := 0
	for _, side := range sides {
		widest = max(widest, len(side.Skua))
	}
	t := Table{Columns: []string{"-workload", "-against", "in flight", "ops/s", "server CPU µs/op"}}
	for range widest {
		t.Columns = append(t.Columns, "Skua in flight", "times the ops/s", "of the CPU")
	}
	for _, side := range sides {
		row := []string{side.Workload, side.Peer, count(float64(side.PeerInFlight)), count(side.PeerRate), digits(side.PeerCPU)}
		for _, r := range side.Skua {
			row = append(row, count(float64(r.InFlight)), times(r.Rate), times(r.CPU))
		}
		for len(row) < len(t.Columns) {
			row = append(row, "")
		}
		t.add(row...)
	}
	s.Tables = []Table{t}
	return []Section{s}
}

// times writes a ratio.
func times(f float64) string {
	if f >= 10 {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprintf("%.2g", f)
}
