package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

// testFlags are the flags of short runs.
func testFlags() *benchFlags {
	return &benchFlags{Connections: 2, Batch: 7, SnapshotEvery: time.Second}
}

// TestBenchDoesWhatItSays: over every way in, what the load did is in the books.
func TestBenchDoesWhatItSays(t *testing.T) {
	f := testFlags()
	for _, con := range f.contenders() {
		if con.ways[0].peer != nil || con.ways[0].floor != "" {
			continue // They have tests of their own.
		}
		for _, name := range []string{"order", "life", "mixed", "read"} {
			w, err := bench.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			w.SKUs, w.Lapsed = 5, 0
			t.Run(con.name+" "+name, func(t *testing.T) {
				s, err := con.open(t.Context(), filepath.Join(t.TempDir(), "data"), w)
				if err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := s.shut(); err != nil {
						t.Error(err)
					}
				}()
				first, shut, err := s.target(con.ways[0].name, 1)
				if err != nil {
					t.Fatal(err)
				}
				defer shut()
				if err := bench.Prepare(t.Context(), first, w); err != nil {
					t.Fatal(err)
				}
				for _, way := range con.ways {
					if way.takes(w) {
						do(t, s, way.name, w)
					}
				}
			})
		}
	}
}

// operations is how many of a workload a test does.
const operations = 300

// do does operations over a way and compares with the books what they did.
func do(t *testing.T, s site, way string, w bench.Workload) {
	t.Helper()
	target, shut, err := s.target(way, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer shut()
	before := reserved(t, s, w)
	if err := bench.Do(t.Context(), target.Driver, w, "test-"+way, operations, 40); err != nil {
		t.Fatalf("%s: %v", way, err)
	}
	after := reserved(t, s, w)
	held, left := after.held-before.held, before.onHand-after.onHand
	switch w.Name {
	case "order":
		if held != operations*3 || left != 0 {
			t.Errorf("%s: %d units are held and %d left, want %d and 0", way, held, left, operations*3)
		}
	case "read":
		if held != 0 || left != 0 {
			t.Errorf("%s: reading held %d units", way, held)
		}
	default: // By the shares of the workload, and what is under way at the end.
		if left == 0 || held == 0 || held+left >= operations {
			t.Errorf("%s: %d units are held and %d left of %d operations", way, held, left, operations)
		}
	}
}

type books struct{ held, onHand int64 }

// reserved reads the sums of all items, at the place where the site is.
func reserved(t *testing.T, s site, w bench.Workload) (b books) {
	t.Helper()
	for i := range w.SKUs {
		switch s := s.(type) {
		case *inProcessSite:
			done := make(chan struct{})
			s.node.Submit(&engine.Command{Op: engine.OpGetItem, SKU: bench.SKU(i)}, func(a *engine.Answer) {
				b.held += a.Item.Total(engine.Reserved) + a.Item.Total(engine.Committed)
				b.onHand += a.Item.Total(engine.OnHand)
				close(done)
			})
			<-done
		case *servedSite:
			var item struct {
				Totals struct {
					Reserved  int64 `json:"reserved"`
					Committed int64 `json:"committed"`
					OnHand    int64 `json:"on_hand"`
				} `json:"totals"`
			}
			resp, err := http.Get("http://" + s.http + "/v1/items/" + bench.SKU(i))
			if err != nil {
				t.Fatal(err)
			}
			err = json.NewDecoder(resp.Body).Decode(&item)
			if err = errors.Join(err, resp.Body.Close()); err != nil {
				t.Fatal(err)
			}
			b.held += item.Totals.Reserved + item.Totals.Committed
			b.onHand += item.Totals.OnHand
		}
	}
	return b
}

// TestBenchCommand runs the command with very short runs, and reads what it writes.
func TestBenchCommand(t *testing.T) {
	if testing.Short() {
		t.Skip("it makes 100,000 items")
	}
	dir := t.TempDir()
	data, html := filepath.Join(dir, "out.json"), filepath.Join(dir, "out.html")
	var out, errs bytes.Buffer
	exit := run([]string{
		"bench", "--ways", "inprocess,http", "--workloads", "hot", "--length", "300ms", "--warmup", "10ms", "--runs", "2", "--in-flight", "4",
		"--dir", dir, "--json", data, "--html", html,
	}, &out, &errs)
	if exit != exitOK || !strings.Contains(out.String(), wayHTTP) {
		t.Fatalf("exit %d\n%s%s", exit, &out, &errs)
	}
	b, err := os.ReadFile(data)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Machine bench.Machine
		Compare struct{ Rows []bench.Row }
	}
	if err := json.Unmarshal(b, &found); err != nil {
		t.Fatal(err)
	}
	if found.Machine.Sync == 0 || len(found.Compare.Rows) != 2 {
		t.Fatalf("%s", b)
	}
	for _, r := range found.Compare.Rows {
		// A disk may stand still for all of one short run, so one of them may be empty.
		if r.Highest == 0 || r.Failed != 0 || r.Runs != 2 {
			t.Errorf("%+v", r)
		}
	}
	if page, err := os.ReadFile(html); err != nil || !bytes.Contains(page, []byte("<svg")) {
		t.Error("no report with plots", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "skua-bench-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind", left)
	}
}

// TestBenchPeerThatIsAbsent: what is not installed is left out, and said.
func TestBenchPeerThatIsAbsent(t *testing.T) {
	con := peerContender(bench.Peer{
		Name: "nothing", Windows: []int{4}, Open: func(context.Context, string, bench.Workload) (*bench.Target, error) { return nil, bench.ErrAbsent },
	})
	var out, errs bytes.Buffer
	c := &benchCompareCmd{benchFlags: *testFlags(), Runs: 1}
	w, err := bench.Find("hot")
	if err != nil {
		t.Fatal(err)
	}
	r := &comparison{runner: runner{flags: &c.benchFlags, dir: t.TempDir(), bar: &bar{}}}
	if err := c.visit(t.Context(), output{&out, &errs}, r, &con, w, 0); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(errs.String(), "nothing") || len(r.rows) != 0 {
		t.Errorf("it says %q and has %d rows", &errs, len(r.rows))
	}
}
