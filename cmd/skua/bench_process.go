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
	"syscall"
	"time"
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
	// A group of its own, so that what is typed at this program's terminal does not stop it under the
	// load: this program stops it when the load is over.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	p := &process{cmd: cmd}
	lines, said := bufio.NewReader(errs), ""
	for {
		text, err := lines.ReadString('\n')
		var line struct{ Msg, HTTP, NATS string }
		if json.Unmarshal([]byte(text), &line) == nil && line.Msg == "ready" {
			p.http, p.nats = strings.TrimPrefix(line.HTTP, "http://"), line.NATS
			break
		}
		said += text
		said = said[max(0, len(said)-saidMax):]
		if err != nil {
			p.stop()
			return nil, fmt.Errorf("start a server: it ended before it was ready, and said: %s", strings.TrimSpace(said))
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // Its log must not fill the pipe.
	return p, nil
}

// stop asks the server to stop and waits for it, so long and no longer.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(serverStopMax, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
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
