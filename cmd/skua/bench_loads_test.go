package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/bench"
)

// parsedBench is `skua bench` with arguments.
func parsedBench(t *testing.T, args ...string) *benchCompareCmd {
	t.Helper()
	var p program
	k, err := kong.New(&p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(append([]string{"bench"}, args...)); err != nil {
		t.Fatal(err)
	}
	return &p.Bench.Compare
}

func TestBenchRefusesWhatMakesNoSense(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--items 2", "--items must be between 3 and 10000000"},
		{"--in-flight 256,0", "--in-flight and --runs must be more than zero"},
		{"--runs 0", "--in-flight and --runs must be more than zero"},
		{"--rate=-1", "--brief and --rate must not be less than zero"},
		{"--length 0s", "--length must be more than zero"},
		{"saturation --factors 0", "--factors must be more than zero"},
		{"saturation --in-flight 0", "--in-flight must be more than zero"},
		{"scale --only items,recover", `there is no experiment "recover"`},
		{"scale --most 0", "--most must be more than zero"},
	} {
		var out, errs strings.Builder
		if code := run(append([]string{"bench"}, strings.Fields(c.args)...), &out, &errs); code != 2 || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: ended with %d and said %q", c.args, code, errs.String())
		}
	}
}

// A server that does not start says why.
func TestLaunchSaysWhyNot(t *testing.T) {
	_, err := launch("serve", "--data", t.TempDir(), "--http", "nowhere:http:80", "--log", "json")
	if err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("%v", err)
	}
}

// planned is what a command measures of Skua and its floors with a workload, and for how long.
func planned(t *testing.T, c *benchCompareCmd, workload string) (all []string) {
	t.Helper()
	w, err := bench.Find(workload)
	if err != nil {
		t.Fatal(err)
	}
	for _, con := range c.chosen() {
		for _, way := range con.ways {
			for _, l := range c.loads(&way, w) {
				if way.peer == nil {
					all = append(all, fmt.Sprintf("%s, %d: %d of %v", way.name, l.window, c.runs(l), c.length(l)))
				}
			}
		}
	}
	return all
}

func TestLoads(t *testing.T) {
	for _, c := range []struct {
		name, workload string
		args           []string
		want           []string
	}{
		{"what is judged is measured at length", "hot", nil, []string{
			"in process, batches, 8192: 3 of 5s", "in process, 1024: 1 of 2s", "in process, 8192: 1 of 2s",
			"NATS, 256: 3 of 5s", "NATS, 4096: 3 of 5s", "HTTP, 64: 3 of 5s", "NATS, batches, 8000: 3 of 5s", "HTTP, batches, 3200: 1 of 2s",
			"in process, batches, events, 8192: 1 of 2s",
			floorNATS + ", 256: 1 of 2s", floorNATS + ", 4096: 1 of 2s",
			floorNATSDurable + ", 256: 1 of 2s", floorNATSDurable + ", 4096: 1 of 2s",
			floorHTTP + ", 64: 1 of 2s", floorHTTPDurable + ", 64: 1 of 2s", floorHTTPEvents + ", 64: 1 of 2s",
			floorNATSBatch + ", 8000: 1 of 2s", floorNATSBatchTurn + ", 8000: 1 of 2s",
			floorHTTPBatch + ", 3200: 1 of 2s", floorHTTPBatchTurn + ", 3200: 1 of 2s",
			floorLog + ", 1024: 1 of 2s", floorLog + ", 8192: 1 of 2s", floorPlain + ", 8192: 1 of 2s", floorTurns + ", 8192: 1 of 2s",
			floorTurn + ", 1024: 1 of 2s", floorTurn + ", 8192: 1 of 2s",
		}},
		{"what is not judged has its longest window, briefly", "read", nil, []string{
			"in process, batches, 8192: 1 of 2s", "in process, 8192: 1 of 2s", "NATS, 4096: 1 of 2s", "HTTP, 64: 1 of 2s",
			"NATS, batches, 8000: 1 of 2s", "HTTP, batches, 3200: 1 of 2s",
			"in process, batches, events, 8192: 1 of 2s",
		}},
		{"one client and the open loop have a floor", "uniform", []string{"--ways", "floors"}, []string{
			floorNATSDurable + ", 1: 1 of 2s", floorNATSDurable + ", 256: 1 of 2s", floorNATSDurable + ", 4096: 1 of 2s",
			fmt.Sprintf("%s, %d: 1 of 2s", floorNATSDurable, openWindow),
			floorNATSEvents + ", 1: 1 of 2s", fmt.Sprintf("%s, %d: 1 of 2s", floorNATSEvents, openWindow), floorHTTPEvents + ", 64: 1 of 2s",
			floorNATSBatch + ", 8000: 1 of 2s", floorNATSBatchTurn + ", 8000: 1 of 2s",
			floorHTTPBatch + ", 3200: 1 of 2s", floorHTTPBatchTurn + ", 3200: 1 of 2s",
			floorPlain + ", 8192: 1 of 2s", floorTurns + ", 8192: 1 of 2s", floorTurn + ", 1024: 1 of 2s", floorTurn + ", 8192: 1 of 2s",
		}},
		{"orders have a floor", "order", []string{"--ways", "floors"}, []string{
			floorNATSDurable + ", 256: 1 of 2s", floorNATSDurable + ", 4096: 1 of 2s",
			floorPlain + ", 8192: 1 of 2s", floorTurns + ", 8192: 1 of 2s", floorTurn + ", 1024: 1 of 2s", floorTurn + ", 8192: 1 of 2s",
		}},
		{"all at length", "order", []string{"--brief", "0", "--ways", "nats"}, []string{"NATS, 256: 3 of 5s", "NATS, 4096: 3 of 5s"}},
		{"a window of one's own", "zipf", []string{"--in-flight", "7", "--ways", "nats"}, []string{"NATS, 7: 3 of 5s"}},
		{"quick", "uniform", []string{"--quick"}, []string{
			"in process, batches, 8192: 1 of 2s", "in process, 8192: 1 of 2s",
			"NATS, 256: 1 of 2s", "NATS, 4096: 1 of 2s", "HTTP, 64: 1 of 2s", "NATS, batches, 8000: 1 of 2s",
		}},
		{"quick, but", "hot", []string{"--quick", "--length", "1s", "--runs", "2", "--ways", "http,floors"}, []string{
			"HTTP, 64: 2 of 1s", floorNATS + ", 4096: 2 of 1s", floorNATSDurable + ", 4096: 2 of 1s",
			floorHTTP + ", 64: 2 of 1s", floorHTTPDurable + ", 64: 2 of 1s", floorHTTPEvents + ", 64: 2 of 1s",
			floorNATSBatch + ", 8000: 2 of 1s", floorNATSBatchTurn + ", 8000: 2 of 1s",
			floorHTTPBatch + ", 3200: 2 of 1s", floorHTTPBatchTurn + ", 3200: 2 of 1s",
			floorLog + ", 8192: 2 of 1s", floorPlain + ", 8192: 2 of 1s", floorTurns + ", 8192: 2 of 1s", floorTurn + ", 8192: 2 of 1s",
		}},
	} {
		cmd := parsedBench(t, c.args...)
		if cmd.Quick {
			cmd.preferQuick()
		}
		if d := cmp.Diff(c.want, planned(t, cmd, c.workload)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// TestQuickHasOnePeerOfASystem: and none that loses what it acknowledged.
func TestQuickHasOnePeerOfASystem(t *testing.T) {
	count := func(args ...string) (n, lossy int) {
		c := parsedBench(t, args...)
		for _, con := range c.chosen() {
			if p := con.ways[0].peer; p != nil {
				n++
				if p.Lossy {
					lossy++
				}
			}
		}
		return n, lossy
	}
	if n, lossy := count(); n != len(peers()) || lossy != 1 {
		t.Errorf("%d peers, %d of them lossy", n, lossy)
	}
	if n, lossy := count("--quick"); n != 3 || lossy != 0 {
		t.Errorf("%d peers are for a quick look, %d of them lossy; want 3 and 0", n, lossy)
	}
}

// TestSavesAsOftenAsAServer: of runs of 5 s every other has a snapshot, when they come every 10 s.
func TestSavesAsOftenAsAServer(t *testing.T) {
	for _, c := range []struct {
		length time.Duration
		want   string
	}{
		{5 * time.Second, "[true false true false]"},
		{10 * time.Second, "[true true true true]"},
		{2 * time.Second, "[false false true false]"},
		{300 * time.Millisecond, "[false false false false]"},
	} {
		cmd := &benchCompareCmd{benchFlags: benchFlags{Length: c.length, SnapshotEvery: 10 * time.Second}}
		var got []bool
		for round := range 4 {
			got = append(got, cmd.saves(load{}, round))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("runs of %v: %v, want %s", c.length, got, c.want)
		}
	}
}
