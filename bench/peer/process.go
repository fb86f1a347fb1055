package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a server to start.
type program struct {
	path string
	args []string
	// dir is where it runs and its log is.
	dir string
	// as is who runs it; nil is who runs this.
	as *syscall.Credential
	// quit ends it at once; its data is not needed any more.
	quit syscall.Signal
}

// process is a server that was started.
type process struct {
	cmd   *exec.Cmd
	quit  syscall.Signal
	log   string
	ended chan struct{}
}

// start starts a server and waits until the probe succeeds.
func (p *program) start(ctx context.Context, probe func(context.Context) error) (*process, error) {
	log, err := os.OpenFile(filepath.Join(p.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	defer func() { _ = log.Close() }() // The server has its own.
	cmd := exec.Command(p.path, p.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	// A group of its own, so that what is typed at this program's terminal does not stop it under
	// the load: this program stops it when the load is over.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", p.path, err)
	}
	s := &process{cmd: cmd, quit: p.quit, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // How it ended is in its log.
		close(s.ended)
	}()
	if err := s.ready(ctx, probe); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", p.path, err, s.said()), s.stop())
	}
	return s, nil
}

var errEnded = errors.New("it ended")

func (s *process) ready(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", err)
		case <-time.After(probeEvery):
		}
	}
}

// said is the end of the log.
func (s *process) said() string {
	b, err := os.ReadFile(s.log)
	if err != nil || len(b) == 0 {
		return ""
	}
	return ", and said: " + strings.TrimSpace(string(b[max(0, len(b)-logShown):]))
}

func (s *process) pid() int { return s.cmd.Process.Pid }

// stop ends the server, by force if it has to be.
func (s *process) stop() error {
	if err := s.cmd.Process.Signal(s.quit); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop %s: %w", s.cmd.Path, err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(stopWait):
	}
	err := s.cmd.Process.Kill()
	<-s.ended
	return errors.Join(fmt.Errorf("stop %s: it did not end by itself", s.cmd.Path), err)
}

// find finds a program where programs are, or where the patterns say.
func find(name string, patterns ...string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, pattern := range patterns {
		if paths, err := filepath.Glob(pattern); err == nil && len(paths) > 0 {
			return paths[len(paths)-1], nil // The newest version is the last by name.
		}
	}
	return "", absent(name)
}

// version is what a program says of itself.
func version(ctx context.Context, path string) string {
	b, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return path
	}
	return strings.TrimSpace(string(b))
}

// unprivileged is who runs a server that refuses to be run by root: nil when this is not root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %s: %w", name, err)
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("there is no user postgres or nobody to run a server as, which root must not")
}

// own makes a directory that belongs to who runs a server.
func own(dir string, as *syscall.Credential) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if as == nil {
		return nil
	}
	return os.Chown(dir, int(as.Uid), int(as.Gid))
}

// letThrough lets everybody pass through a directory, without seeing what is in it: those of a run
// are made for this user alone, and a server may run as another.
func letThrough(dir string) error {
	info, err := os.Stat(dir)
	if err != nil || info.Mode()&0o001 != 0 {
		return err
	}
	return os.Chmod(dir, info.Mode().Perm()|0o011)
}
