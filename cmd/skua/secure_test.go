package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// TestServeRefusesStrangers: nothing but loopback without tokens, and no tokens in the clear beyond
// it unless that is meant; and halves of what goes together are refused.
func TestServeRefusesStrangers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	for _, c := range []struct{ args, want string }{
		{"--http 0.0.0.0:0", "--tokens"},
		{"--http :0", "--tokens"},
		{"--http [::]:0", "--tokens"},
		{"--http example.org:80", "--tokens"},
		{"--nats-listen 0.0.0.0:0", "--tokens"},
		{"--http 0.0.0.0:0 --insecure-plaintext", "--tokens"},
		{"--http 0.0.0.0:0 --tls-cert c --tls-key k", "--tokens"},
		{"--http 0.0.0.0:0 --tokens f", "--tls-cert"},
		{"--nats-listen 0.0.0.0:0 --tokens f", "--insecure-plaintext"},
		{"--tls-cert c", "--tls-key"},
		{"--tls-key k", "--tls-cert"},
		{"--tls-client-ca ca", "--tls-client-ca"},
		{"--nats-creds f", "--nats"},
		{"--nats-nkey f", "--nats"},
		{"--nats-ca f", "--nats"},
		{"--nats nats://127.0.0.1:1 --nats-creds f --nats-nkey f", "--nats-nkey"},
	} {
		var out bytes.Buffer
		if code := run(append([]string{"serve", "--data", dir}, strings.Fields(c.args)...), &out, &out); code != exitUsage {
			t.Errorf("serve %s: exit code %d: %s", c.args, code, out.String())
		}
		if !strings.Contains(out.String(), c.want) {
			t.Errorf("serve %s: %s", c.args, out.String())
		}
	}
	for _, c := range []string{"", "--http [::1]:0", "--http localhost:0", "--http 0.0.0.0:0 --tokens f --insecure-plaintext", "--http :0 --tokens f --tls-cert c --tls-key k"} {
		cmd := parseServe(t, c)
		if err := cmd.Validate(); err != nil {
			t.Errorf("serve %s: %v", c, err)
		}
	}
	// What is there to be read is read before anything is touched.
	for _, c := range []struct{ args, want string }{
		{"--tokens " + dir + ".json", "skua token new"},
		{"--tls-cert /dev/null --tls-key /dev/null", "certificate"},
	} {
		var out bytes.Buffer
		args := append([]string{"serve", "--data", dir, "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, strings.Fields(c.args)...)
		if code := run(args, &out, &out); code != exitError || !strings.Contains(out.String(), c.want) {
			t.Errorf("serve %s: exit code %d: %s", c.args, code, out.String())
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func parseServe(t *testing.T, args string) *serveCmd {
	t.Helper()
	c := &serveCmd{
		Data: "d", HTTP: "127.0.0.1:0", NATSListen: "127.0.0.1:0", SnapshotEvery: 1, Partitions: 1, IdleAfter: 1, Resident: 1, InFlight: 1,
		DiskReserve: 1, LogBytesMax: 1, LogKeep: 1, KeyWindow: 1, KeyBytes: 1, HistoryAge: 1, HistoryBytes: 1, EventsAge: 1, EventsBytes: 1,
		NATSSyncInterval: 1, StopWait: 1,
	}
	words := strings.Fields(args)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "--http":
			i++
			c.HTTP = words[i]
		case "--tokens":
			i++
			c.Tokens = words[i]
		case "--tls-cert":
			i++
			c.TLSCert = words[i]
		case "--tls-key":
			i++
			c.TLSKey = words[i]
		case "--insecure-plaintext":
			c.InsecurePlaintext = true
		default:
			t.Fatal(words[i])
		}
	}
	return c
}

// watched is a server whose log is kept.
type watched struct {
	*testing.T
	cmd        *exec.Cmd
	http, nats string
	mu         sync.Mutex
	log        bytes.Buffer
	done       chan struct{}
}

func (w *watched) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

// startWatched starts a server that logs everything.
func startWatched(t *testing.T, args ...string) *watched {
	t.Helper()
	args = append([]string{
		"serve", "--data", filepath.Join(t.TempDir(), "data"), "--http", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log", "json", "--log-level", "debug",
	}, args...)
	w := &watched{T: t, cmd: exec.Command("/proc/self/exe", args...), done: make(chan struct{})}
	errs, err := w.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	ready := make(chan [2]string, 1)
	go func() {
		defer close(w.done)
		in := bufio.NewScanner(errs)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			w.mu.Lock()
			w.log.Write(append(in.Bytes(), '\n'))
			w.mu.Unlock()
			var line struct{ Msg, HTTP, NATS string }
			if json.Unmarshal(in.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- [2]string{line.HTTP, line.NATS}
			}
		}
	}()
	select {
	case r := <-ready:
		w.http, w.nats = r[0], r[1]
	case <-w.done:
		t.Fatalf("the server does not start: %s", w.logged())
	}
	return w
}

func (w *watched) stop() {
	select {
	case <-w.done:
		return
	default:
	}
	_ = w.cmd.Process.Signal(syscall.SIGTERM)
	<-w.done
	_ = w.cmd.Wait()
}

// authority makes certificates for loopback.
type authority struct {
	*testing.T
	dir    string
	key    *ecdsa.PrivateKey
	cert   *x509.Certificate
	serial int64
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{T: t, dir: t.TempDir(), serial: 1}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) write(name, kind string, der []byte) {
	a.Helper()
	// As an atomic replacement, which is what those who renew certificates do.
	b := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := errors.Join(os.WriteFile(a.path(name+".new"), b, 0o600), os.Rename(a.path(name+".new"), a.path(name))); err != nil {
		a.Fatal(err)
	}
}

// issue makes a certificate and its key, and returns the serial number.
func (a *authority) issue(name string) int64 {
	a.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.Fatal(err)
	}
	a.serial++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(a.serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.Fatal(err)
	}
	a.write(name+".key", "PRIVATE KEY", private)
	a.write(name+".pem", "CERTIFICATE", der)
	return a.serial
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// skua runs the program, and returns its exit code and what it printed.
func skua(args ...string) (int, string, string) {
	var out, errs bytes.Buffer
	code := run(args, &out, &errs)
	return code, out.String(), errs.String()
}

func newToken(t *testing.T, file string, args ...string) string {
	t.Helper()
	code, out, errs := skua(append([]string{"token", "new", "--tokens", file}, args...)...)
	if code != exitOK {
		t.Fatalf("%d: %s", code, errs)
	}
	return strings.TrimSpace(out)
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for until := time.Now().Add(40 * time.Second); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it does not come to be that %s", what)
		}
	}
}

// TestTokens: a server with tokens and TLS, from making the first token to revoking the last, with
// the program's own verbs. Nothing of a secret is ever in its log.
func TestTokens(t *testing.T) {
	ca, file := newAuthority(t, "us"), filepath.Join(t.TempDir(), "tokens.json")
	ca.issue("server")
	admin := newToken(t, file, "--name", "operator", "--scope", "admin")
	till := newToken(t, file, "--name", "till-7", "--scope", "sell,read")
	w := startWatched(t, "--tokens", file, "--tls-cert", ca.path("server.pem"), "--tls-key", ca.path("server.key"))
	if !strings.HasPrefix(w.http, "https://") || !strings.HasPrefix(w.nats, "tls://") {
		t.Errorf("it is at %s and %s", w.http, w.nats)
	}
	at := []string{"--server", w.http, "--ca", ca.path("ca.pem")}
	verb := func(token string, args ...string) (int, string) {
		t.Setenv("SKUA_TOKEN", token)
		code, out, errs := skua(append(args, at...)...)
		return code, out + errs
	}
	must := func(token string, args ...string) string {
		t.Helper()
		code, out := verb(token, args...)
		if code != exitOK {
			t.Fatalf("%v: %d: %s", args, code, out)
		}
		return out
	}
	must(admin, "item", "mug", "--create", "--receive", "10")
	must(till, "reserve", "mug=2@main")
	if out := must(till, "history", "mug", "--json"); !strings.Contains(out, `"actor":"till-7"`) || !strings.Contains(out, `"actor":"operator"`) {
		t.Errorf("the history is %s", out)
	}
	for token, want := range map[string]string{
		till: "PERMISSION_DENIED", "": "UNAUTHENTICATED", till[:len(till)-3] + "aaa": "UNAUTHENTICATED", "nonsense": "UNAUTHENTICATED",
	} {
		if code, out := verb(token, "item", "mug", "--create"); code != exitRefused || !strings.Contains(out, want) {
			t.Errorf("%d: %s, want %s", code, out, want)
		}
	}
	tokenFile := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(tokenFile, []byte(till+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := verb("", "item", "mug", "--token-file", tokenFile); code != exitOK {
		t.Errorf("%d: %s", code, out)
	}
	if code, out := verb("", "item", "mug", "--token", till); code != exitOK {
		t.Errorf("%d: %s", code, out)
	}
	for _, way := range [][]string{{"--http", w.http}, {"--nats", w.nats}} {
		t.Setenv("SKUA_TOKEN", admin)
		args := append([]string{"replay", ledger, "--limit", "20", "--ca", ca.path("ca.pem"), "--run", way[0][2:]}, way...)
		if code, out, errs := skua(args...); code != exitOK {
			t.Errorf("replay %v: %d: %s%s", way, code, out, errs)
		}
	}
	w.revoke(ca, file, till)
	if code, out := verb(till, "item", "mug"); code != exitRefused || !strings.Contains(out, "UNAUTHENTICATED") {
		t.Errorf("after it was revoked: %d: %s", code, out)
	}
	must(admin, "item", "mug")
	w.reload(file, admin, func(token string) bool { code, _ := verb(token, "item", "mug"); return code == exitOK })
	w.stop()
	log := w.logged()
	for _, want := range []string{`"access refused"`, `"reason":"scope"`, `"reason":"no_token"`, `"reason":"wrong_secret"`, `"principal":"till-7"`, `"request_id":"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, token := range []string{admin, till} {
		secret := token[strings.LastIndexByte(token, '_')+1:]
		if strings.Contains(log, secret) || strings.Contains(log, secret[:16]) {
			t.Error("the log has a secret")
		}
	}
}

// revoke revokes the till's token while a stream and a NATS connection of it are open: both end.
func (w *watched) revoke(ca *authority, file, token string) {
	w.Helper()
	req, err := http.NewRequest(http.MethodGet, w.http+"/v1/events?from=oldest", nil)
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.pool()}}}
	resp, err := client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		w.Fatal(resp, err)
	}
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() { _, err := io.Copy(io.Discard, resp.Body); ended <- err }()
	id := strings.Split(token, "_")[1]
	closed := make(chan struct{})
	nc, err := nats.Connect(w.nats, nats.Token(token), nats.RootCAs(ca.path("ca.pem")), nats.CustomInboxPrefix("_INBOX_"+id), nats.NoReconnect(),
		nats.ClosedHandler(func(*nats.Conn) { close(closed) }))
	if err != nil {
		w.Fatal(err)
	}
	defer nc.Close()
	ask := func(header nats.Header) string {
		m, err := nc.RequestMsg(&nats.Msg{Subject: "stock.v1.get_item", Data: []byte(`{"sku":"mug"}`), Header: header}, 10*time.Second)
		if err != nil {
			w.Fatal(err)
		}
		return string(m.Data)
	}
	if got := ask(nats.Header{"Authorization": {"Bearer " + token}}); !strings.Contains(got, `"sku":"mug"`) {
		w.Error(got)
	}
	// The connection alone does not say who asks.
	if got := ask(nil); !strings.Contains(got, "UNAUTHENTICATED") {
		w.Error(got)
	}
	if code, out, errs := skua("token", "revoke", "till-7", "--tokens", file); code != exitOK || !strings.Contains(out, id) {
		w.Fatalf("%d: %s%s", code, out, errs)
	}
	<-ended
	<-closed
}

// reload: a broken file changes nothing; SIGHUP reads it at once.
func (w *watched) reload(file, admin string, works func(string) bool) {
	w.Helper()
	whole, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		w.Fatal(err)
	}
	if err := w.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		w.Fatal(err)
	}
	eventually(w.T, "the log tells of a broken file", func() bool { return strings.Contains(w.logged(), "cannot be used") })
	if !works(admin) {
		w.Error("a broken file locks everybody out")
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		w.Fatal(err)
	}
	fresh := newToken(w.T, file, "--name", "fresh", "--scope", "read")
	eventually(w.T, "a new token works", func() bool { return works(fresh) })
}

// TestTLS: the certificate is followed as it changes, old protocols and strangers' certificates are
// refused, and a client certificate is asked for where there is an authority for it, at both doors.
func TestTLS(t *testing.T) {
	ca, stranger, file := newAuthority(t, "us"), newAuthority(t, "somebody"), filepath.Join(t.TempDir(), "tokens.json")
	first := ca.issue("server")
	ca.issue("client")
	stranger.issue("client")
	token := newToken(t, file, "--name", "a", "--scope", "read")
	w := startWatched(t, "--tokens", file, "--tls-cert", ca.path("server.pem"), "--tls-key", ca.path("server.key"), "--tls-client-ca", ca.path("ca.pem"))
	pair := func(a *authority) tls.Certificate {
		p, err := tls.LoadX509KeyPair(a.path("client.pem"), a.path("client.key"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	get := func(c *tls.Config) (int64, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
		resp, err := client.Get(w.http + "/livez")
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		if resp.ProtoMajor != 1 {
			t.Errorf("it speaks %s", resp.Proto)
		}
		return resp.TLS.PeerCertificates[0].SerialNumber.Int64(), nil
	}
	good := &tls.Config{RootCAs: ca.pool(), Certificates: []tls.Certificate{pair(ca)}}
	if serial, err := get(good); err != nil || serial != first {
		t.Fatal(serial, err)
	}
	for name, c := range map[string]*tls.Config{
		"no client certificate":         {RootCAs: ca.pool()},
		"a stranger's":                  {RootCAs: ca.pool(), Certificates: []tls.Certificate{pair(stranger)}},
		"an authority that is not ours": {RootCAs: stranger.pool(), Certificates: good.Certificates},
		"TLS 1.1":                       {RootCAs: ca.pool(), Certificates: good.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11},
		"another name":                  {RootCAs: ca.pool(), Certificates: good.Certificates, ServerName: "example.org"},
	} {
		if _, err := get(c); err == nil {
			t.Errorf("HTTP with %s: it goes", name)
		}
		if nc, err := nats.Connect(w.nats, nats.Token(token), nats.Secure(c)); err == nil {
			nc.Close()
			t.Errorf("NATS with %s: it goes", name)
		}
	}
	if resp, err := http.Get(strings.Replace(w.http, "https", "http", 1) + "/livez"); err == nil {
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			t.Error("it answers in the clear")
		}
	}
	if nc, err := nats.Connect(strings.Replace(w.nats, "tls", "nats", 1), nats.Token(token)); err == nil {
		nc.Close()
		t.Error("NATS in the clear")
	}
	nc, err := nats.Connect(w.nats, nats.Token(token), nats.Secure(good))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	// A key that does not fit changes nothing; then the new pair counts.
	if err := os.WriteFile(ca.path("server.key"), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log tells of a broken key", func() bool { return strings.Contains(w.logged(), "certificate cannot be used") })
	if serial, err := get(good); err != nil || serial != first {
		t.Error(serial, err)
	}
	second := ca.issue("server")
	eventually(t, "the new certificate is shown", func() bool { serial, err := get(good); return err == nil && serial == second })
}

// TestWebPagesAreKeptOut: a server without tokens is for programs of this machine, and not for the web
// pages that its browsers show.
func TestWebPagesAreKeptOut(t *testing.T) {
	w := startWatched(t, "--allow-host", "stock.internal")
	for i, c := range []struct {
		method, path, host string
		header             string
		want               int
	}{
		{"GET", "/v1/items", "", "", 200},
		{"GET", "/v1/items", "localhost:8080", "", 200},
		{"GET", "/v1/items", "LOCALHOST", "", 200},
		{"GET", "/v1/items", "[::1]:8080", "", 200},
		{"GET", "/v1/items", "127.0.0.2", "", 200},
		{"GET", "/v1/items", "stock.internal:8080", "", 200},
		{"GET", "/v1/items", "evil.example", "", 403},
		{"GET", "/v1/items", "localhost.evil.example:8080", "", 403},
		{"GET", "/v1/items", "192.0.2.1", "", 403},
		{"GET", "/metrics", "evil.example", "", 403},
		{"GET", "/v1/events", "evil.example", "", 403},
		{"GET", "/livez", "10.1.2.3:8080", "", 200},
		{"GET", "/readyz", "10.1.2.3:8080", "", 200},
		{"PUT", "/v1/items/A", "", "", 201},
		{"PUT", "/v1/items/B", "", "Sec-Fetch-Site: same-origin", 201},
		{"PUT", "/v1/items/C", "", "Sec-Fetch-Site: none", 201},
		{"PUT", "/v1/items/D", "", "Sec-Fetch-Site: cross-site", 403},
		{"PUT", "/v1/items/D", "", "Sec-Fetch-Site: same-site", 403},
		{"PUT", "/v1/items/D", "", "Origin: https://evil.example", 403},
		{"PUT", "/v1/items/D", "", "Origin: null", 403},
		{"POST", "/v1/batch", "", "Origin: http://localhost:3000", 403},
		{"GET", "/v1/items/D", "", "", 404},
	} {
		req, err := http.NewRequest(c.method, w.http+c.path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		if c.host != "" {
			req.Host = c.host
		}
		if name, value, ok := strings.Cut(c.header, ": "); ok {
			req.Header.Set(name, value)
		}
		req.Header.Set("Idempotency-Key", fmt.Sprint("k", i))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%+v: %d", c, resp.StatusCode)
		}
	}
	_, page := get(t, w.http+"/metrics")
	for _, want := range []string{`skua_access_refused_total{reason="host"} 5`, `skua_access_refused_total{reason="cross_site"} 5`} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if log := w.logged(); !strings.Contains(log, `"reason":"host"`) || !strings.Contains(log, `"reason":"cross_site"`) {
		t.Error("the log does not tell")
	}
}

// TestTokenVerbs: what is made is listed, without its secret, and can be revoked by id or name.
func TestTokenVerbs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens.json")
	one := newToken(t, file, "--name", "till", "--scope", "read,sell", "--location", "berlin, mitte", "--location", "bonn", "--sku-prefix", "SHOES-", "--expires", "720h")
	two := newToken(t, file, "--name", "till", "--scope", "read", "--expires", "2999-12-31")
	three := newToken(t, file, "--name", "board", "--scope", "read")
	id := func(token string) string { return strings.Split(token, "_")[1] }
	code, out, _ := skua("token", "list", "--tokens", file)
	if code != exitOK || strings.Count(out, "\n") != 4 || !strings.Contains(out, "berlin, mitte,bonn") || !strings.Contains(out, "2999-12-31T00:00:00Z") {
		t.Errorf("%d: %s", code, out)
	}
	_, machine, _ := skua("token", "list", "--tokens", file, "--json")
	for _, token := range []string{one, two, three} {
		secret := token[strings.LastIndexByte(token, '_')+1:]
		if strings.Contains(out+machine, secret) || !strings.Contains(out, id(token)) || !strings.Contains(machine, id(token)) {
			t.Errorf("the list is %s", out)
		}
	}
	t.Setenv("SKUA_TOKENS", file)
	for _, c := range []struct {
		args string
		code int
		left int
	}{
		{"token revoke nobody", exitError, 3},
		{"token revoke " + id(two), exitOK, 2},
		{"token revoke till", exitOK, 1},
		{"token new --name x --scope root", exitUsage, 1},
		{"token new --name a/b --scope read", exitUsage, 1},
		{"token new --name a --scope read --expires never", exitUsage, 1},
		{"token new --name a --scope read --expires 2001-01-01", exitUsage, 1},
		{"token new --name a --scope read --nkey UABC", exitUsage, 1},
		{"token new --name a", exitUsage, 1},
		{"token revoke board", exitOK, 0},
	} {
		if code, out, errs := skua(strings.Fields(c.args)...); code != c.code {
			t.Errorf("%s: %d: %s%s", c.args, code, out, errs)
		}
		if _, out, _ := skua("token", "list"); strings.Count(out, "\n")-1 != c.left {
			t.Errorf("after %s: %s", c.args, out)
		}
	}
}

// TestOwnNATSWithCredentials: Skua shows the user's own NATS server an NKEY, and trusts its authority.
func TestOwnNATSWithCredentials(t *testing.T) {
	ca := newAuthority(t, "us")
	ca.issue("server")
	ns, seed := natsWithKey(t, ca)
	args := []string{"--nats", ns, "--nats-nkey", seed, "--nats-ca", ca.path("ca.pem")}
	w := startWatched(t, args...)
	status, _ := get(t, w.http+"/readyz")
	if status != http.StatusOK || !strings.Contains(w.logged(), "connected to NATS") {
		t.Errorf("%d: %s", status, w.logged())
	}
	b, err := os.ReadFile(seed)
	if err != nil {
		t.Fatal(err)
	}
	w.stop()
	if strings.Contains(w.logged(), strings.TrimSpace(string(b))) {
		t.Error("the log has the seed")
	}
}
