package events

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// The test binary is also a NATS server in a process of its own, which a test can kill.

const serverDirEnv = "SKUA_TEST_NATS_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDirEnv); dir != "" {
		s, err := Embedded(ServerConfig{Addr: "127.0.0.1:0", Dir: dir})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.ClientURL(), s.password)
		select {} // Until it is killed.
	}
	os.Exit(m.Run())
}

// process is a server in a process of its own.
type process struct {
	cmd           *exec.Cmd
	url, password string
}

func startProcess(t *testing.T, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), serverDirEnv+"="+dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 2 {
		p.kill()
		t.Fatalf("the server says %q, %v", line, err)
	}
	t.Cleanup(p.kill)
	p.url, p.password = fields[0], fields[1]
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // It says that the process was killed.
}

// connectTo has the outbox connect to a process from now on.
func (h *harness) connectTo(p *process) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.config.Connect = func(opts ...nats.Option) (*nats.Conn, error) {
		h.mu.Lock()
		url, password := h.process.url, h.process.password
		h.mu.Unlock()
		return nats.Connect(url, append([]nats.Option{nats.UserInfo(ownUser, password)}, opts...)...)
	}
	h.process = p
}

// endIn kills a server's process and looks at what its store has. Beside its own server the outbox may
// have to publish the last messages once more, which were acknowledged and not on disk yet.
func (h *harness) endIn(p *process) {
	h.t.Helper()
	h.stop()
	p.kill()
	h.startServer() // Now in this process, on the same store.
	if h.config.Embedded {
		h.config.Connect = h.connect
		h.startOutbox()
		h.published()
	}
	h.complete(1)
}

// TestServerIsKilledUnderLoad kills the server's process again and again while movements come.
func TestServerIsKilledUnderLoad(t *testing.T) { inBothModes(t, killedUnderLoad) }

func killedUnderLoad(t *testing.T, h *harness) {
	dice := seeded(t)
	p := startProcess(t, h.dir)
	h.connectTo(p)
	h.startOutbox()
	killed := 0
	for range 8 {
		_, from := h.log.Bounds()
		for range 200 + dice.IntN(400) {
			h.log.random(dice)
		}
		_, to := h.log.Bounds()
		target := from + dice.Uint64N(to-from)
		eventually(t, "the moment to kill", func() bool { return h.outbox.Published() >= target })
		p.kill()
		if h.outbox.Published() < to {
			killed++
		}
		p = startProcess(t, h.dir)
		h.connectTo(p)
	}
	h.published()
	h.endIn(p)
	if killed == 0 {
		t.Error("the server was never killed in the middle")
	}
	t.Logf("killed in the middle %d times of 8", killed)
}
