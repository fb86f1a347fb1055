package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// process is a server of the same program.
type process struct {
	cmd        *exec.Cmd
	http, nats string
}

// spawn starts a server with everything embedded on free ports and waits until it is ready.
func spawn(dir string, more ...string) (*process, error) {
	args := []string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log", "json"}
	return launch(append(args, more...)...)
}

// launch starts this program as another process and waits until it is ready.
func launch(args ...string) (*process, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return launchAs(exe, args...)
}

func launchAs(exe string, args ...string) (*process, error) {
	cmd := exec.Command(exe, args...)
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

// metric reads one metric of the server.
func (p *process) metric(name string) (int64, error) {
	resp, err := http.Get("http://" + p.http + "/metrics")
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	b, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			f, err := strconv.ParseFloat(value, 64)
			return int64(f), err
		}
	}
	return 0, fmt.Errorf("the server has no metric %s", name)
}
