package soak

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is a server that runs.
type Process struct {
	cmd *exec.Cmd
	// HTTP and NATS are the addresses of its doors.
	HTTP, NATS string
	// Ready is how long it took from the start until both doors were open.
	Ready time.Duration
	ended chan error
}

// Start starts a program as a server, with arguments that make it log JSON to its standard error,
// and waits until it says that it is ready. All that it logs is copied to log.
func Start(exe string, args []string, log io.Writer) (*Process, error) {
	began := time.Now()
	cmd := exec.Command(exe, args...)
	errs, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a server: %w", err)
	}
	p := &Process{cmd: cmd, ended: make(chan error, 1)}
	type door struct{ HTTP, NATS string }
	ready := make(chan door, 1)
	go func() {
		lines := bufio.NewReader(errs)
		for {
			text, err := lines.ReadBytes('\n')
			_, _ = log.Write(text) // A log that cannot be kept is not what this is about.
			var line struct{ Msg, HTTP, NATS string }
			if json.Unmarshal(text, &line) == nil && line.Msg == "ready" {
				ready <- door{line.HTTP, line.NATS}
			}
			if err != nil {
				break
			}
		}
		p.ended <- cmd.Wait()
	}()
	select {
	case d := <-ready:
		p.HTTP, p.NATS, p.Ready = strings.TrimPrefix(d.HTTP, "http://"), d.NATS, time.Since(began)
		return p, nil
	case err := <-p.ended:
		return nil, fmt.Errorf("the server ended before it was ready: %w", errors.Join(errEnded, err))
	case <-time.After(startWait):
		return nil, errors.Join(fmt.Errorf("the server is not ready after %v", startWait), cmd.Process.Kill(), <-p.ended)
	}
}

var errEnded = errors.New("see its log")

// PID is the id of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Ended says how the process ended; it does not wait.
func (p *Process) Ended() (bool, error) {
	select {
	case err := <-p.ended:
		p.ended <- err
		return true, err
	default:
		return false, nil
	}
}

// End sends a signal and waits for the end. A graceful stop must end well.
func (p *Process) End(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal the server: %w", err)
	}
	wait := time.After(stopWait)
	select {
	case err := <-p.ended:
		p.ended <- err
		if sig == syscall.SIGTERM && err != nil {
			return fmt.Errorf("a graceful stop ended with %w", err)
		}
		return nil
	case <-wait:
		return errors.Join(fmt.Errorf("the server is there still %v after %v", stopWait, sig), p.cmd.Process.Kill(), <-p.ended)
	}
}
