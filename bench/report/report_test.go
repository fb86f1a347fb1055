package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/bench"
)

var update = flag.Bool("update", false, "rewrite testdata")

// sample is a report with all kinds of parts.
func sample() *Report {
	result := func(rate, p50 float64) *bench.Result {
		return &bench.Result{
			Operations: int64(rate), Rate: rate, Seconds: 1, P50: p50, P90: 2 * p50, P99: 10 * p50, P999: 20 * p50,
			Latency: []bench.Quantile{{Percent: 50, Micros: p50}, {Percent: 99, Micros: 10 * p50}, {Percent: 99.9, Micros: 20 * p50}, {Percent: 100, Micros: 30 * p50}},
			Cost:    bench.Cost{ServerCPU: 1e6 / rate, ClientCPU: 1, Peak: 100 << 20, Published: 1}, CoreToCore: 47,
		}
	}
	row := func(workload, way string, peer bool, rate, p50 float64) bench.Row {
		return bench.Row{Workload: workload, SKUs: 100_000, Way: way, Peer: peer, InFlight: 256, Runs: 3, Result: result(rate, p50), Lowest: rate / 2, Highest: 2 * rate}
	}
	open := row("uniform", "NATS", false, 20_000, 300)
	open.Offered = 20_000
	shared := row("uniform", "in process", false, 1_234_567, 400)
	shared.Shared, shared.On = true, "snapshots"
	pipelined := row("uniform", "NATS", false, 300_000, 5000)
	pipelined.InFlight, pipelined.Snapshots, pipelined.Saves = 4096, 1, 2
	alone := row("uniform", "NATS", false, 2000, 500)
	alone.InFlight = 1
	floor := row("hot", "floor: a constant", false, 400_000, 300)
	floor.Floor, floor.Runs = "NATS", 1
	lossy := row("hot", "A peer that forgets", true, 500_000, 100)
	lossy.Lossy = true
	wrong := row("hot", "A peer that is wrong", true, 600_000, 100)
	wrong.Wrong = "the books are wrong"
	slow := row("uniform", "A <peer>", true, 100, 8000)
	rows := []bench.Row{
		shared, alone, row("uniform", "NATS", false, 150_000, 900), pipelined, slow, row("uniform", "A <peer>", true, 20_000, 8000), open,
		row("hot", "NATS", false, 150_000, 900), row("hot", "HTTP", false, 50_000, 900), floor, lossy, wrong, row("hot", "A <peer>", true, 4000, 8000),
	}
	sections := append(Compare(rows, map[string]string{"A <peer>": "fsync  = on"}), Summary(SideBySide(rows, "NATS", "HTTP"))...)
	offer := func(f float64) Offer {
		r := result(1000*min(f, 1), 100*f)
		r.Offered, r.Missed = 1000*f, int64(1000*max(0, f-1))
		return Offer{Factor: f, Result: r}
	}
	sections = append(sections, Saturated([]Saturation{{Workload: "uniform", Way: "NATS", InFlight: 1024, Capacity: 1000, Points: []Offer{offer(0.5), offer(0.8), offer(10)}}}))
	items := Growth{Name: "items", Title: "More items", What: "items", Figures: []string{"bytes", "ms"}, Plotted: []int{0}}
	items.Add(1000, 600, 1)
	items.Add(10_000, 550, 12)
	cores := Growth{Name: "cores", Title: "More cores", What: "cores", Bars: true, Figures: []string{"ops/s"}, Plotted: []int{0}}
	cores.AddCase("1", 500)
	cores.AddCase("2", 900)
	return &Report{
		Title:   "Skua benchmarks",
		Machine: bench.Machine{CPU: "A CPU", Cores: 2, Memory: 8 << 30, System: "Linux 6", Go: "go1", Disk: "sda", Sync: 88 * time.Microsecond},
		When:    time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Sections: append(sections, Scaled([]Growth{items, cores})...),
	}
}

// golden compares with a file of testdata. Rewrite them with: go test ./bench/report -update
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s: %s", name, d)
	}
}

func TestMarkdown(t *testing.T) { golden(t, "report.md", []byte(sample().Markdown("plots"))) }

// TestSideBySide: what cannot be compared is not, and of the rest the best of each.
func TestSideBySide(t *testing.T) {
	result := func(rate, cpu float64) *bench.Result {
		return &bench.Result{Rate: rate, Cost: bench.Cost{ServerCPU: cpu}}
	}
	open, lossy, wrong := result(1000, 1), bench.Row{Workload: "hot", Way: "L", Peer: true, Lossy: true, Result: result(10, 10)},
		bench.Row{Workload: "hot", Way: "W", Peer: true, Wrong: "x", Result: result(10, 10)}
	open.Offered = 1000
	got := SideBySide([]bench.Row{
		{Workload: "hot", Way: "NATS", InFlight: 4096, Result: result(800, 2)},
		{Workload: "hot", Way: "NATS", InFlight: 256, Result: result(400, 4)},
		{Workload: "hot", Way: "NATS", InFlight: 1, Result: result(4, 400)},
		{Workload: "hot", Way: "HTTP", InFlight: 64, Result: result(4, 400)},
		{Workload: "hot", Way: "A", Peer: true, InFlight: 1, Result: result(50, 1)},
		{Workload: "hot", Way: "A", Peer: true, InFlight: 256, Result: result(100, 40)},
		{Workload: "hot", Way: "A", Peer: true, InFlight: 16_384, Result: open},
		lossy, wrong,
		{Workload: "read", Way: "NATS", InFlight: 4096, Result: result(800, 2)},
	}, "NATS", "HTTP")
	want := []Side{{
		Workload: "hot", Peer: "A", PeerInFlight: 256, PeerRate: 100, PeerCPU: 40, Skua: []Ratio{{"NATS", 256, 4, 0.1}, {"NATS", 4096, 8, 0.05}, {"HTTP", 64, 0.04, 10}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Text(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", b.Bytes())
}

// TestPlots: every plot is well-formed, has a name of its own, and shows all that it should where
// it can be seen.
func TestPlots(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sample().Sections {
		for _, p := range s.Plots {
			var b bytes.Buffer
			if err := p.SVG(&b); err != nil {
				t.Fatal(err)
			}
			if seen[p.Name] {
				t.Errorf("two plots are called %s", p.Name)
			}
			seen[p.Name] = true
			if p.Name == "uniform-latency" || p.Name == "uniform-cpu" {
				golden(t, p.Name+".svg", b.Bytes())
			}
			if bad := strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf"); bad {
				t.Errorf("%s has places that are none:\n%s", p.Name, b.String())
			}
			if n := wellFormed(t, b.Bytes()); n < 10 {
				t.Errorf("%s has %d elements", p.Name, n)
			}
		}
	}
	for _, want := range []string{"uniform-rate", "hot-rate", "open-latency", "saturation-p99", "scale-items-1", "scale-cores-1"} {
		if !seen[want] {
			t.Errorf("there is no plot %s", want)
		}
	}
}

func wellFormed(t *testing.T, b []byte) (elements int) {
	t.Helper()
	for d := xml.NewDecoder(bytes.NewReader(b)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		if _, ok := token.(xml.StartElement); ok {
			elements++
		}
	}
}

// TestHTML: the file needs nothing else, escapes what it shows, and has all tables and plots.
func TestHTML(t *testing.T) {
	r := sample()
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	if strings.Contains(got, "<peer>") || !strings.Contains(got, "A &lt;peer&gt;") {
		t.Error("a name is not escaped")
	}
	for _, link := range []string{"src=", "href=", "url(", "@import"} {
		if strings.Contains(got, link) {
			t.Errorf("it links to something: %s", link)
		}
	}
	tables, plots := 0, 0
	for _, s := range r.Sections {
		tables, plots = tables+len(s.Tables), plots+len(s.Plots)
	}
	if n := strings.Count(got, "<table>"); n != tables {
		t.Errorf("%d tables, want %d", n, tables)
	}
	if n := strings.Count(got, "<svg "); n != plots {
		t.Errorf("%d plots, want %d", n, plots)
	}
	if !strings.Contains(got, "1,234,567") {
		t.Error("a figure is not there")
	}
}

// TestPage: only what is between the markers changes, and twice is as once.
func TestPage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const before, after = "# By hand\n\n<!-- skua bench x: begin -->\n", "<!-- skua bench x: end -->\n\nAlso by hand.\n"
	if err := os.WriteFile(path, []byte(before+"old\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := sample().Page(path, "x"); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before+sample().Markdown("page")+after, string(got)); d != "" {
			t.Error(d)
		}
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "page", "uniform-rate.svg")); err != nil {
		t.Error(err)
	}
	if err := sample().Page(path, "y"); err == nil {
		t.Error("a page without the markers was written to")
	}
}

func TestNumbers(t *testing.T) {
	for f, want := range map[float64]string{0: "0.000", 0.1234: "0.123", 1.234: "1.23", 12.34: "12.3", 123.4: "123", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := digits(f); got != want {
			t.Errorf("digits(%v) is %s, want %s", f, got, want)
		}
	}
	for f, want := range map[float64]string{0: "0", 1500: "1.5k", 2e6: "2M", 3e9: "3G"} {
		if got := short(f); got != want {
			t.Errorf("short(%v) is %s, want %s", f, got, want)
		}
	}
}
