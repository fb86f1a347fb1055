package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/engine"
)

// benchCmd measures on this machine, with the same durability throughout: every reservation is
// fsynced before it is acknowledged, has a key, and expires.
type benchCmd struct {
	Ways      []string      `help:"Ways in: inprocess, nats, http." default:"inprocess,nats,http"`
	Workloads []string      `help:"Workloads: uniform, hot, order." default:"uniform,hot,order"`
	Length    time.Duration `help:"Length of one run." default:"4s"`
	Warmup    time.Duration `help:"Time before it that does not count." default:"1s"`
	Runs      int           `help:"Runs of each; the median is shown." default:"3"`
	Dir       string        `help:"Where the data of the runs goes; removed afterwards." default:"" placeholder:"DIR"`
	Profile   string        `help:"Write a CPU profile of this process here." placeholder:"FILE"`
	Served    string        `name:"server-profile" help:"Write a CPU profile of the server here, when there is one." placeholder:"FILE"`
	JSON      bool          `name:"json" help:"Print JSON."`
}

// row is one line of the result: the median run of a workload over a way in.
type row struct {
	Workload string `json:"workload"`
	Way      string `json:"way"`
	InFlight int    `json:"in_flight"`
	bench.Result
	// ServerCPU and ClientCPU are CPU microseconds an operation, user and system, of the server
	// and of the load generator; in one process they cannot be told apart.
	ServerCPU float64 `json:"server_cpu_us"`
	ClientCPU float64 `json:"client_cpu_us"`
	// Allocs is allocations an operation, in process only.
	Allocs float64 `json:"allocs,omitempty"`
}

// windows are how many operations are in flight, by way in: one, many clients, and a long pipe.
var windows = map[string][]int{"inprocess": {1, 1024, 8192}, "nats": {1, 256, 4096}, "http": {1, 64}}

func (c *benchCmd) Run(o output) (err error) {
	dir, err := os.MkdirTemp(c.Dir, "skua-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	end, err := startProfile(c.Profile)
	if err != nil {
		return err
	}
	return errors.Join(c.measure(o, dir), end())
}

func (c *benchCmd) measure(o output, dir string) error {
	var rows []row
	for _, name := range c.Workloads {
		w, err := workload(name)
		if err != nil {
			return err
		}
		for _, way := range c.Ways {
			got, err := c.way(o, filepath.Join(dir, way+"-"+name), way, w)
			rows = append(rows, got...)
			if err != nil {
				return fmt.Errorf("bench %s over %s: %w", name, way, err)
			}
		}
	}
	if c.JSON {
		enc := json.NewEncoder(o.out)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	disk, err := bench.SyncTime(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.out, "%s, %d cores, %s; 4 KiB and an fsync take %.0f µs (median)\n",
		runtime.GOOS+"/"+runtime.GOARCH, runtime.GOMAXPROCS(0), runtime.Version(), float64(disk.Nanoseconds())/1e3)
	return printRows(o, rows)
}

func workload(name string) (bench.Workload, error) {
	for _, w := range bench.Workloads() {
		if w.Name == name {
			return w, nil
		}
	}
	return bench.Workload{}, fmt.Errorf("there is no workload %q", name)
}

// target is an engine to measure.
type target struct {
	driver bench.Driver
	pid    int    // of the server; 0 for one in this process
	http   string // of the server
	close  func()
}

// settleWait bounds the wait for the events of what came before a measurement.
const settleWait = 2 * time.Minute

// settle waits until the server has published all events, so that one measurement does not pay
// for another.
func (t *target) settle() error {
	if t.http == "" {
		return nil
	}
	for end := time.Now().Add(settleWait); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		resp, err := http.Get("http://" + t.http + "/metrics")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return err
		}
		if strings.Contains(string(b), "\nskua_outbox_lag_records 0\n") {
			return nil
		}
	}
	return errors.New("the server's events are not published")
}

func (c *benchCmd) way(o output, dir, way string, w bench.Workload) (rows []row, err error) {
	t, err := openTarget(dir, way, c.Served)
	if err != nil {
		return nil, err
	}
	defer t.close()
	if err := bench.Prepare(t.driver, w, "seed"); err != nil {
		return nil, fmt.Errorf("make the items: %w", err)
	}
	for _, window := range windows[way] {
		var runs []row
		for n := range c.Runs {
			if err := t.settle(); err != nil {
				return rows, err
			}
			r, err := c.once(t, bench.Plan{
				Workload: w, Window: window, Workers: min(window, 2*runtime.GOMAXPROCS(0)),
				Warmup: c.Warmup, Length: c.Length, Name: fmt.Sprint("w", window, "r", n),
			})
			if err != nil {
				return rows, err
			}
			r.Workload, r.Way, r.InFlight = w.Name, way, window
			runs = append(runs, r)
			if !c.JSON {
				fmt.Fprintf(o.err, "%s %s, %d in flight, run %d of %d: %.0f/s\n", w.Name, way, window, n+1, c.Runs, r.Rate)
			}
		}
		sort.Slice(runs, func(i, j int) bool { return runs[i].ServerCPU+runs[i].ClientCPU < runs[j].ServerCPU+runs[j].ClientCPU })
		rows = append(rows, runs[len(runs)/2])
	}
	return rows, nil
}

// once does one run and adds what it cost.
func (c *benchCmd) once(t *target, p bench.Plan) (r row, err error) {
	var server, client, allocs [2]float64
	res, err := bench.Run(context.Background(), t.driver, p, func(begins bool) {
		i := 1
		if begins {
			i = 0
		}
		if t.pid != 0 {
			d, e := bench.CPUTime(t.pid)
			server[i], err = float64(d.Microseconds()), errors.Join(err, e)
		}
		d, e := bench.CPUTime(os.Getpid())
		client[i], err = float64(d.Microseconds()), errors.Join(err, e)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		allocs[i] = float64(m.Mallocs)
	})
	n := float64(max(1, res.Operations))
	r = row{Result: res, ServerCPU: (server[1] - server[0]) / n, ClientCPU: (client[1] - client[0]) / n}
	if t.pid == 0 {
		r.ServerCPU, r.ClientCPU = r.ClientCPU, 0
		r.Allocs = (allocs[1] - allocs[0]) / n
	}
	return r, err
}

func openTarget(dir, way, profile string) (*target, error) {
	if way == "inprocess" {
		n, err := node.Open(node.Config{Dir: dir})
		if err != nil {
			return nil, err
		}
		return &target{driver: inProcess{n}, close: func() { _ = n.Shut(context.Background(), nil) }}, nil
	}
	p, err := spawn(dir, "--profile", profile)
	if err != nil {
		return nil, err
	}
	t := &target{pid: p.cmd.Process.Pid, http: p.http, close: p.stop}
	switch way {
	case "nats":
		nc, err := nats.Connect(p.nats)
		if err != nil {
			p.stop()
			return nil, err
		}
		t.close = func() { nc.Close(); p.stop() }
		t.driver, err = bench.NewNATS(nc)
		return t, err
	case "http":
		d, err := bench.NewHTTP(p.http, 64)
		t.driver = d
		return t, err
	}
	p.stop()
	return nil, fmt.Errorf("there is no way in %q", way)
}

// inProcess is the actors' port as a driver.
type inProcess struct{ node *node.Node }

func (d inProcess) Start(c *engine.Command, done func(error)) {
	d.node.Submit(c, func(a *engine.Answer) {
		switch {
		case a.Err != nil:
			done(a.Err)
		case a.Refusal.Refused():
			done(errors.New(a.Refusal.Code.String()))
		default:
			done(nil)
		}
	})
}

// process is a server of the same program.
type process struct {
	cmd        *exec.Cmd
	http, nats string
}

// spawn starts a server with everything embedded on free ports and waits until it is ready.
func spawn(dir string, more ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log", "json"}
	cmd := exec.Command(exe, append(args, more...)...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	p := &process{cmd: cmd}
	dec := json.NewDecoder(errs)
	for {
		var line struct{ Msg, HTTP, NATS, Error string }
		if err := dec.Decode(&line); err != nil {
			p.stop()
			return nil, fmt.Errorf("wait for the server: %w", err)
		}
		if line.Msg == "ready" {
			p.http, p.nats = strings.TrimPrefix(line.HTTP, "http://"), line.NATS
			break
		}
	}
	go func() {
		for dec.Decode(&struct{}{}) == nil { // Its log must not fill the pipe.
		}
	}()
	return p, nil
}

// stop asks the server to stop and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	_ = p.cmd.Wait()
}

func printRows(o output, rows []row) error {
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "workload\tway\tin flight\tops/s\tp50 ms\tp99 ms\tserver CPU µs/op\tclient CPU µs/op\tallocs/op\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%.0f\t%.3f\t%.3f\t%.2f\t%.2f\t%.1f\t\n", r.Workload, r.Way, r.InFlight, r.Rate,
			r.P50us/1e3, r.P99us/1e3, r.ServerCPU, r.ClientCPU, r.Allocs)
	}
	return w.Flush()
}
