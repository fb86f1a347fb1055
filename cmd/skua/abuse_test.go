//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// abused is a server, with an honest shop that sells over both doors all the while.
type abused struct {
	t *testing.T
	*killedServer
	sold atomic.Int64
}

var abuseFull = flag.Bool("abuse.full", false, "ask for a million unknown items, not for 200,000")

const (
	// abuseMemory is how much a server may grow while it is abused, in bytes of resident memory: what
	// it keeps for reuse, and some of what is on its way. abuseMemoryLarge is for what is large: the
	// bounds of the doors and of the embedded server, and as much again and more that is not yet
	// collected.
	abuseMemory      = 400 << 20
	abuseMemoryLarge = 3 << 30
	// abuseWait is long enough for anything that is bounded at all.
	abuseWait = 60 * time.Second
	// honestSales is how much the shop has to sell while somebody abuses the server.
	honestSales = 50
)

func newAbused(t *testing.T, more ...string) *abused {
	t.Helper()
	a := &abused{t: t, killedServer: &killedServer{t: t, dir: filepath.Join(t.TempDir(), "data")}}
	p, err := spawn(a.dir, more...)
	if err != nil {
		t.Fatal(err)
	}
	a.begin(p)
	return a
}

// begin has something to sell, and looks at the books when all is over.
func (a *abused) begin(p *process) {
	t := a.t
	nc, err := nats.Connect(p.nats, nats.MaxReconnects(-1))
	if err != nil {
		t.Fatal(err)
	}
	a.p, a.nc = p, nc
	t.Cleanup(func() {
		a.end(syscall.SIGTERM)
		var out bytes.Buffer
		if code := run([]string{"check", a.dir}, &out, &out); code != exitOK {
			t.Errorf("check ended with %d:\n%s", code, out.String())
		}
	})
	a.must("put_item", "honest", "put", map[string]any{})
	a.must("receive", "honest", "receive", map[string]any{"location": "main", "quantity": 1_000_000_000})
}

func (a *abused) must(op, sku, key string, body any) {
	a.t.Helper()
	if _, code, err := a.send(false, op, sku, "", key, body); err != nil || code != "" {
		a.t.Fatalf("%s: %s, %v", op, code, err)
	}
}

// sell sells one unit, honestly: the answer has to come.
func (a *abused) sell(overNATS bool, key string) (code string, err error) {
	_, code, err = a.send(overNATS, "reserve", "", "", key, map[string]any{
		"lines": []map[string]any{{"sku": "honest", "quantity": 1, "location": "main"}},
	})
	return code, err
}

// during runs an abuse while the shop sells, and looks at what it did to the server.
func (a *abused) during(name string, memory int64, abuse func(t *testing.T)) {
	a.t.Run(name, func(t *testing.T) {
		before := a.resident(t)
		stop, began := make(chan struct{}), a.sold.Load()
		var shop sync.WaitGroup
		for i := range 4 {
			shop.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-stop:
						if a.sold.Load()-began >= honestSales {
							return
						}
					default:
					}
					code, err := a.sell(i%2 == 0, fmt.Sprint(name, "-", i, "-", n))
					switch {
					case err != nil:
						t.Errorf("the shop was told nothing: %v", err)
						return
					case code == "":
						a.sold.Add(1)
					case !unavailable(code):
						t.Errorf("the shop was told %s", code)
						return
					}
					time.Sleep(2 * time.Millisecond)
				}
			})
		}
		peak := before
		watched, watching := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(watched)
			for {
				select {
				case <-watching:
					return
				case <-time.After(100 * time.Millisecond):
					peak = max(peak, a.resident(t))
				}
			}
		}()
		defer func() { // Also when the abuse gives up.
			close(stop)
			shop.Wait()
			close(watching)
			<-watched
			t.Logf("sold %d; resident memory %d MiB before, at most %d MiB meanwhile", a.sold.Load()-began, before>>20, peak>>20)
			if peak > before+memory {
				t.Errorf("resident memory grew from %d to %d bytes", before, peak)
			}
		}()
		abuse(t)
	})
}

func (a *abused) resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", a.p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

func (a *abused) descriptors() int {
	list, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.p.cmd.Process.Pid))
	return len(list)
}

// dial opens connections that know no HTTP, yet.
func (a *abused) dial(t *testing.T, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, 0, n)
	t.Cleanup(func() {
		for _, c := range conns {
			c.Close()
		}
	})
	for range n {
		c, err := net.DialTimeout("tcp", a.p.http, abuseWait)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
	}
	return conns
}

// TestAbuse: bounded memory, clear refusals, honest traffic served meanwhile, and everything as
// before afterwards.
func TestAbuse(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute or two")
	}
	a := newAbused(t)
	a.during("slow loris", abuseMemory, a.slowLoris)
	a.during("bodies", abuseMemory, a.bodies)
	a.during("large batches", abuseMemoryLarge, a.large)
	a.during("large bodies", abuseMemoryLarge, a.largeBodies)
	a.during("unknown SKUs", abuseMemory, a.unknownSKUs)
	a.during("one key", abuseMemory, a.oneKey)
	a.during("subscribers that never read", abuseMemoryLarge, a.neverRead)
	a.during("idle connections", abuseMemory, a.idle)
}

// slowLoris sends headers so slowly that they never end. Such connections are closed.
func (a *abused) slowLoris(t *testing.T) {
	conns := a.dial(t, 2000)
	for _, c := range conns {
		fmt.Fprint(c, "POST /v1/reservations HTTP/1.1\r\nHost: localhost\r\n")
	}
	deadline := time.Now().Add(abuseWait)
	for open := conns; len(open) > 0; {
		var still []net.Conn
		for _, c := range open {
			if _, err := fmt.Fprint(c, "X-A: b\r\n"); err == nil {
				still = append(still, c)
			}
		}
		open = still
		if time.Now().After(deadline) {
			t.Fatalf("%d connections whose headers never end are still open", len(open))
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// bodies sends bodies that are too large, too deep, and endless.
func (a *abused) bodies(t *testing.T) {
	deep := strings.Repeat(`{"lines":[`, 50_000)
	huge := `{"lines":[` + strings.Repeat(`{"sku":"honest","quantity":1},`, 300_000)
	for _, path := range []string{"/v1/reservations", "/v1/batch", "/v1/items/honest/receive"} {
		for name, body := range map[string]string{"deep": deep, "deep list": strings.Repeat("[", 900_000), "huge": huge} {
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					req, _ := http.NewRequest(http.MethodPost, "http://"+a.p.http+path, strings.NewReader(body))
					req.Header.Set("Idempotency-Key", "body")
					resp, err := killClient.Do(req)
					if err != nil {
						return // Cut off in the middle of the body, which is all right.
					}
					defer resp.Body.Close()
					if resp.StatusCode != http.StatusBadRequest && resp.StatusCode != http.StatusRequestEntityTooLarge {
						t.Errorf("%s with a %s body: %s", path, name, resp.Status)
					}
				})
			}
			all.Wait()
		}
	}
	for _, c := range a.dial(t, 16) { // Endless, in chunks.
		fmt.Fprint(c, "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n")
		chunk := "100000\r\n" + strings.Repeat("[", 1<<20) + "\r\n"
		c.SetDeadline(time.Now().Add(abuseWait))
		for n := 0; ; n++ {
			if _, err := io.WriteString(c, chunk); err != nil {
				break // It was closed.
			}
			if n == 1000 {
				t.Fatal("a gigabyte of body, and it is still read")
			}
		}
	}
	for _, body := range []string{deep, strings.Repeat("[", 8<<20-1000), "\x00\xff\xfe"} {
		for _, op := range []string{"reserve", "batch", "get_item"} {
			m, err := a.nc.RequestMsg(&nats.Msg{Subject: "stock.v1." + op, Data: []byte(body), Header: nats.Header{"Idempotency-Key": {"k"}}}, abuseWait)
			if err != nil {
				t.Fatal(op, err)
			}
			if m.Header.Get("Nats-Service-Error-Code") == "" {
				t.Errorf("%s with %d bytes of nonsense: %s", op, len(body), m.Data[:min(len(m.Data), 200)])
			}
		}
	}
}

// large sends many of the largest batches over NATS at once: more than the server may have waiting
// for the door.
func (a *abused) large(t *testing.T) {
	batch := []byte(`{"operations":[` + strings.Repeat(`{"op":"get"},`, (8<<20)/14) + `{}]}`)
	var all sync.WaitGroup
	for range 32 {
		nc, err := nats.Connect(a.p.nats)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		all.Go(func() {
			for range 3 {
				m, err := nc.Request("stock.v1.batch", batch, abuseWait)
				if err != nil {
					t.Error(err)
					return
				}
				if m.Header.Get("Nats-Service-Error-Code") == "" {
					t.Errorf("told %.300s", m.Data)
				}
			}
		})
	}
	all.Wait()
}

// largeBodies has many clients send the largest bodies, and keep the last byte to themselves.
func (a *abused) largeBodies(t *testing.T) {
	body := strings.Repeat("[", 8<<20-1)
	refused := 0
	for _, c := range a.dial(t, 200) {
		c.SetDeadline(time.Now().Add(abuseWait))
		fmt.Fprintf(c, "POST /v1/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body)+1)
		if _, err := io.WriteString(c, body); err == nil {
			continue
		}
		refused++
	}
	if refused == 0 {
		t.Error("1.6 GB of bodies were taken at once")
	}
}

// unknownSKUs asks for very many items that there are not: with -abuse.full, a million.
func (a *abused) unknownSKUs(t *testing.T) {
	const each = 10_000
	batches := 20
	if *abuseFull {
		batches = 100
	}
	before, err := a.p.metric("skua_items_resident")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for n := range batches {
		b.Reset()
		b.WriteString(`{"operations":[`)
		for i := range each {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"op":"reserve","idempotency_key":"u%d-%d","lines":[{"sku":"no-%d-%d","quantity":1,"location":"main"}]}`, n, i, n, i)
		}
		b.WriteString(`]}`)
		resp, err := killClient.Post("http://"+a.p.http+"/v1/batch", "application/json", &b)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s %.300s %v", resp.Status, answer, err)
		}
		if found := bytes.Count(answer, []byte(`ITEM_NOT_FOUND`)); found < each {
			t.Fatalf("%d of %d were not found: %.300s", found, each, answer)
		}
	}
	after, err := a.p.metric("skua_items_resident")
	if err != nil {
		t.Fatal(err)
	}
	if after > before+each {
		t.Errorf("%d actors before, %d after %d items that there are not", before, after, batches*each)
	}
}

// oneKey sends one change very many times at once, through both doors.
func (a *abused) oneKey(t *testing.T) {
	sequence := a.get("/v1/items/honest")["totals"].(map[string]any)["on_hand"].(float64)
	var all sync.WaitGroup
	var answers sync.Map
	var replayed atomic.Int64
	for w := range 64 {
		all.Go(func() {
			for range 300 {
				answer, code, err := a.send(w%2 == 0, "receive", "honest", "", "one key", map[string]any{"location": "main", "quantity": 7})
				switch {
				case err != nil:
					t.Error(err)
					return
				case code == "":
					answers.Store(string(answer), true)
					replayed.Add(1)
				case !unavailable(code):
					t.Errorf("told %s: %s", code, answer)
					return
				}
			}
		})
	}
	all.Wait()
	different := 0
	answers.Range(func(_, _ any) bool { different++; return true })
	if now := a.get("/v1/items/honest")["totals"].(map[string]any)["on_hand"].(float64); different != 1 || now != sequence+7 {
		t.Errorf("%d answers, %d different; %v on hand, from %v", replayed.Load(), different, now, sequence)
	}
}

// neverRead subscribes to all events through both doors and reads none, while much changes.
func (a *abused) neverRead(t *testing.T) {
	deaf := a.dial(t, 20)
	for _, c := range deaf {
		fmt.Fprint(c, "GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	u, err := url.Parse(a.p.nats)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		deaf = append(deaf, c)
		fmt.Fprint(c, "CONNECT {\"verbose\":false}\r\nSUB stock.> 1\r\nPING\r\n")
		r := bufio.NewReader(c)
		for line := ""; !strings.HasPrefix(line, "PONG"); {
			if line, err = r.ReadString('\n'); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := a.served(t, deaf); n != len(deaf) {
		t.Fatalf("%d of %d connections are there", n, len(deaf))
	}
	var b bytes.Buffer
	for n := range 60 {
		b.Reset()
		b.WriteString(`{"operations":[`)
		for i := range 2000 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"op":"receive","sku":"honest","idempotency_key":"n%d-%d","location":"main","quantity":1}`, n, i)
		}
		b.WriteString(`]}`)
		resp, err := killClient.Post("http://"+a.p.http+"/v1/batch", "application/json", &b)
		if err != nil {
			t.Fatal(err)
		}
		var told struct{ Errors bool }
		err = json.NewDecoder(resp.Body).Decode(&told)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status, err)
		}
	}
	a.eventually(t, "all events are published", func() bool {
		behind, err := a.p.metric("skua_outbox_lag_records")
		return err == nil && behind == 0
	})
	a.eventually(t, "those who read nothing are cut off", func() bool { return a.served(t, deaf) == 0 })
}

// served counts the connections whose other end the server still holds. They are not read to find
// out: who reads is no longer deaf.
func (a *abused) served(t *testing.T, conns []net.Conn) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", a.p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]bool{} // By both ports: proc(5) has addresses as hex, then the inode, 0 once the socket is no process's.
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 9 && f[9] != "0" {
			held[f[1][len(f[1])-4:]+f[2][len(f[2])-4:]] = true
		}
	}
	n := 0
	for _, c := range conns {
		theirs, ours := c.RemoteAddr().(*net.TCPAddr).Port, c.LocalAddr().(*net.TCPAddr).Port
		if held[fmt.Sprintf("%04X%04X", theirs, ours)] {
			n++
		}
	}
	return n
}

// idle opens ten thousand connections, or nearly as many as there may be, and says nothing.
func (a *abused) idle(t *testing.T) {
	before := a.descriptors()
	n := min(10_000, descriptors()/2-200) // As many as the server takes, but for the shop's.
	conns := a.dial(t, n)
	for _, c := range conns[:n/2] {
		fmt.Fprint(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
	}
	a.eventually(t, "the connections are there", func() bool { return a.descriptors() >= before+n*9/10 })
	if code, err := a.sell(false, "among the idle"); err != nil || code != "" {
		t.Error(code, err)
	}
	for _, c := range conns {
		c.Close()
	}
	a.eventually(t, "the connections are gone", func() bool { return a.descriptors() < before+n/10 })
}

func (a *abused) eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(abuseWait); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestDescriptors: connections never take the descriptors that the log needs.
func TestDescriptors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	few := filepath.Join(t.TempDir(), "few.sh")
	if err := os.WriteFile(few, []byte("#!/bin/sh\nulimit -n 200 && exec \""+exe+"\" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	a := &abused{t: t, killedServer: &killedServer{t: t, dir: filepath.Join(t.TempDir(), "data")}}
	p, err := launchAs(few, "serve", "--data", a.dir, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log", "json")
	if err != nil {
		t.Fatal(err)
	}
	a.begin(p)
	a.during("more connections than descriptors", abuseMemory, func(t *testing.T) {
		told := 0
		for _, c := range a.dial(t, 400) {
			c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			line, _ := bufio.NewReader(c).ReadString('\n')
			if strings.Contains(line, "503") {
				told++
			}
		}
		if told < 200 {
			t.Errorf("%d of 400 connections were told that they are too many", told)
		}
	})
}

// TestFullDisk fills the disk under load: new changes are refused, what is there can be read, and
// once there is room everything goes on. The room is taken and given back by one large file, and the
// server is told to leave more than the rest free.
func TestFullDisk(t *testing.T) {
	const ballastBytes = 4 << 30
	dir := t.TempDir()
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		t.Fatal(err)
	}
	free := disk.Bavail * uint64(disk.Bsize)
	if free < 2*ballastBytes {
		t.Skip("the disk is nearly full anyway")
	}
	a := newAbused(t, "--disk-reserve", fmt.Sprint(free-ballastBytes/2))
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	if err := syscall.Fallocate(int(ballast.Fd()), 0, 0, ballastBytes); err != nil {
		t.Skipf("this file system reserves no room: %v", err)
	}
	n := 0
	try := func() string {
		n++
		code, err := a.sell(n%2 == 0, fmt.Sprint("full-", n))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	a.eventually(t, "changes are refused", func() bool { return try() == "SERVICE_UNAVAILABLE" })
	sold := a.get("/v1/items/honest")["totals"].(map[string]any)["reserved"].(float64)
	for range 100 {
		if code := try(); code != "SERVICE_UNAVAILABLE" {
			t.Fatalf("told %q with a full disk", code)
		}
	}
	if now := a.get("/v1/items/honest")["totals"].(map[string]any)["reserved"].(float64); now != sold {
		t.Errorf("%v reserved, %v before the refusals", now, sold)
	}
	if err := errors.Join(ballast.Truncate(0), ballast.Sync()); err != nil {
		t.Fatal(err)
	}
	a.eventually(t, "changes are taken again", func() bool { return try() == "" })
}
