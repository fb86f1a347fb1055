package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestServeRefusesNonsense: what cannot be meant is refused before anything is touched, as a
// mistake in the command line.
func TestServeRefusesNonsense(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, args := range [][]string{
		{"--http", "0.0.0.0:0"},
		{"--http", ":0"},
		{"--http", "nonsense"},
		{"--nats-listen", "192.0.2.1:4222"},
		{"--snapshot-every", "0s"},
		{"--snapshot-every=-1s"},
		{"--partitions", "0"},
		{"--partitions", "10000000"},
		{"--in-flight=-1"},
		{"--stop-wait", "0s"},
		{"--disk-reserve=-1"},
		{"--data", ""},
		{"--log", "xml"},
	} {
		var out bytes.Buffer
		if code := run(append([]string{"serve", "--data", dir}, args...), &out, &out); code != exitUsage {
			t.Errorf("serve %v: exit code %d: %s", args, code, out.String())
		}
		if flag, _, _ := strings.Cut(args[0], "="); !strings.Contains(out.String(), flag) {
			t.Errorf("serve %v: %s", args, out.String())
		}
	}
	if found, err := filepath.Glob(dir); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
}

// TestEnvironment: the variables are those of serve, and of where clients look; a flag of another
// command that has the same name is not set by them.
func TestEnvironment(t *testing.T) {
	t.Setenv("SKUA_HTTP", "0.0.0.0:1")
	t.Setenv("SKUA_SERVER", "127.0.0.1:1")
	var out bytes.Buffer
	if code := run([]string{"serve"}, &out, &out); code != exitUsage || !strings.Contains(out.String(), "0.0.0.0:1") {
		t.Errorf("serve: %d: %s", code, out.String())
	}
	out.Reset()
	if code := run([]string{"item", "A"}, &out, &out); code != exitError || !strings.Contains(out.String(), "127.0.0.1:1") {
		t.Errorf("item: %d: %s", code, out.String())
	}
	out.Reset()
	if code := run([]string{"replay", "--limit", "1", "--http", "127.0.0.1:2", ledger}, &out, &out); code != exitError ||
		!strings.Contains(out.String(), "127.0.0.1:2") {
		t.Errorf("replay: %d: %s", code, out.String())
	}
}

// TestConfigFile: a flag comes before the environment, the environment before the file, the file
// before the default; and what the file says has to be something.
func TestConfigFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "skua.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Each address is one that serve refuses by name, so that nothing has to be started.
	refused := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		code := run(append([]string{"--config", file, "serve"}, args...), &out, &out)
		if code != exitUsage || !strings.Contains(out.String(), want) {
			t.Errorf("%d: %s, want something of %s", code, out.String(), want)
		}
	}
	write("serve:\n  snapshot-evry: 30s\n")
	refused(`"snapshot-evry"`)
	write("sreve:\n  http: 127.0.0.1:1\n")
	refused(`"sreve"`)
	write("serve: [\n")
	refused("configuration file")
	write("serve:\n  http: 192.0.2.1:1\n  snapshot-every: 30s\n  partitions: 8\n")
	refused("192.0.2.1:1")
	t.Setenv("SKUA_HTTP", "192.0.2.2:2")
	refused("192.0.2.2:2")
	refused("192.0.2.3:3", "--http", "192.0.2.3:3")
	write("")
	refused("192.0.2.2:2")
}

// ownNATS is a NATS server of the user's own, that comes and goes.
func ownNATS(t *testing.T, port int, dir string) *natsserver.Server {
	t.Helper()
	s, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	return s
}

// TestOwnNATSComesAndGoes: without its NATS server Skua starts, serves HTTP and stops well; with it
// the events are all there and requests are answered, also after it was away.
func TestOwnNATSComesAndGoes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	data, store := filepath.Join(t.TempDir(), "data"), t.TempDir()
	start := func() *process {
		t.Helper()
		p, err := spawn(data, "--nats", "nats://somebody:secret@"+addr.String(), "--stop-wait", "2s")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(p.nats, "secret") {
			t.Errorf("the log has a password: %s", p.nats)
		}
		return p
	}
	stop := func(p *process) {
		t.Helper()
		if err := errors.Join(p.cmd.Process.Signal(syscall.SIGTERM), p.cmd.Wait()); err != nil {
			t.Errorf("a stop without NATS: %v", err)
		}
	}
	receive := func(p *process, key string) {
		t.Helper()
		var out bytes.Buffer
		if code := run([]string{"item", "A", "--create", "--receive", "1", "--key", key, "--server", p.http}, &out, &out); code != exitOK {
			t.Fatalf("%d: %s", code, out.String())
		}
	}
	p := start()
	if status, body := get(t, "http://"+p.http+"/readyz"); status != http.StatusOK {
		t.Errorf("without NATS: %d %s", status, body)
	}
	receive(p, "1")
	stop(p)
	p = start()
	receive(p, "2")
	for round, key := range []string{"3", "4"} {
		ns := ownNATS(t, addr.Port, store)
		nc, err := nats.Connect(ns.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		awaitEvents(t, nc, uint64(4+2*round))
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if m, err := nc.Request("stock.v1.get_item", []byte(`{"sku":"A"}`), time.Second); err == nil && strings.Contains(string(m.Data), `"sequence":`) {
				break
			}
			if time.Now().After(until) {
				t.Fatal("no answer over NATS")
			}
		}
		nc.Close()
		ns.Shutdown()
		ns.WaitForShutdown()
		receive(p, key)
	}
	stop(p)
}

// awaitEvents waits until the stream has so many events.
func awaitEvents(t *testing.T, nc *nats.Conn, n uint64) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	for {
		if s, err := js.Stream(ctx, "STOCK_EVENTS"); err == nil && s.CachedInfo().State.Msgs == n {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("the stream does not come to %d events", n)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// TestStartIsWatched: from the first moment there is liveness, readiness that is not there yet, and
// metrics, and a stop in the middle of a start is a stop like any other.
func TestStartIsWatched(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p, err := spawn(data, "--snapshot-every", "1h")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	args := []string{"replay", ledger, "--limit", "300", "--http", p.http}
	if code := run(args, &out, &out); code != exitOK {
		t.Fatalf("%d: %s", code, out.String())
	}
	if err := errors.Join(p.cmd.Process.Kill(), ignoreExit(p.cmd.Wait())); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for range 3 {
		seen += watchStart(t, data, p.http)
	}
	if seen == 0 {
		t.Log("the server recovered too fast to be watched")
	}
	p, err = spawn(data)
	if err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, "http://"+p.http+"/metrics"); status != http.StatusOK || !strings.Contains(body, "skua_log_durable") {
		t.Errorf("%d %s", status, body)
	}
	p.stop()
}

// watchStart starts a server, asks it all the while until it is ready, kills it, and returns how
// often it was met before that.
func watchStart(t *testing.T, data, addr string) (seen int) {
	t.Helper()
	p := exec.Command("/proc/self/exe", "serve", "--data", data, "--http", addr, "--nats-listen", "127.0.0.1:0")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); time.Now().Before(until); {
		resp, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			continue // It does not listen yet.
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		seen++
		for _, path := range []string{"/livez", "/metrics"} {
			if status, body := get(t, "http://"+addr+path); status != http.StatusOK {
				t.Errorf("GET %s of a server that starts: %d %s", path, status, body)
			}
		}
		if seen == 1 {
			if err := p.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := p.Wait(); err != nil {
				t.Errorf("stopped while it started: %v", err)
			}
			return seen
		}
	}
	if err := errors.Join(p.Process.Kill(), ignoreExit(p.Wait())); err != nil {
		t.Fatal(err)
	}
	return seen
}

func ignoreExit(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// stackError is an error that tells more when it is asked for everything, as some libraries' do.
type stackError struct{}

func (stackError) Error() string { return "short" }

func (stackError) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "short\nstack\nstack") }

// TestErrorsAreOneLineInTheLog: no stacks of libraries.
func TestErrorsAreOneLineInTheLog(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		log := (&serveCmd{Log: format}).logger(output{&b, &b})
		log.Error("it broke", "error", stackError{})
		if got := b.String(); strings.Contains(got, "stack") || !strings.Contains(got, "short") {
			t.Errorf("%s: %s", format, got)
		}
	}
	if got := plainErrors(nil, slog.Int("n", 1)); got.Value.Int64() != 1 {
		t.Error(got)
	}
}

func TestPasswordsAreNotLogged(t *testing.T) {
	for in, want := range map[string]string{
		"nats://a:b@h:1":             "nats://a:xxxxx@h:1",
		"nats://h:1,nats://a:b@h2:1": "nats://h:1,nats://a:xxxxx@h2:1",
		"a:b@h:1":                    "xxxxx@h:1",
		"h:1":                        "h:1",
	} {
		if got := withoutPasswords(in); got != want {
			t.Errorf("%s is logged as %s, want %s", in, got, want)
		}
	}
}
