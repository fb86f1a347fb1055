package events

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/skua-stock/skua/gateway/access"
)

// guarded is an embedded server that asks for tokens.
type guarded struct {
	*testing.T
	path    string
	server  *Server
	mu      sync.Mutex
	refused map[access.Reason]int
}

func newGuarded(t *testing.T) *guarded {
	return &guarded{T: t, path: filepath.Join(t.TempDir(), "tokens.json"), refused: make(map[access.Reason]int)}
}

func (g *guarded) token(r access.Record) (access.Record, string) {
	g.Helper()
	r, token, err := access.NewRecord(r, time.Now())
	if err != nil {
		g.Fatal(err)
	}
	if err := access.EditFile(g.path, func(all []access.Record) ([]access.Record, error) { return append(all, r), nil }); err != nil {
		g.Fatal(err)
	}
	return r, token
}

func (g *guarded) start(change ...func(*ServerConfig)) {
	g.Helper()
	tokens, err := access.Open(g.path, slog.New(slog.DiscardHandler))
	if err != nil {
		g.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g.Cleanup(cancel)
	go tokens.Watch(ctx, nil)
	c := ServerConfig{Addr: "127.0.0.1:0", Dir: g.TempDir(), Tokens: tokens, Refused: func(why access.Reason, remote string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.refused[why]++
		if !strings.HasPrefix(remote, "127.0.0.1:") {
			g.Errorf("refused somebody at %q", remote)
		}
	}}
	for _, f := range change {
		f(&c)
	}
	if g.server, err = Embedded(c); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(g.server.Shutdown)
}

// client is a connection whose violations are noted.
type client struct {
	*nats.Conn
	denied chan error
}

func (g *guarded) connect(id string, opts ...nats.Option) *client {
	g.Helper()
	c := &client{denied: make(chan error, 64)}
	opts = append(opts, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { c.denied <- err }),
		nats.CustomInboxPrefix(InboxPrefix(id)))
	var err error
	if c.Conn, err = nats.Connect(g.server.ClientURL(), opts...); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(c.Close)
	return c
}

// isDenied waits for the violation that something has to bring about.
func (g *guarded) isDenied(c *client, what string) {
	g.Helper()
	if err := c.Flush(); err != nil {
		g.Fatal(err)
	}
	select {
	case err := <-c.denied:
		if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
			g.Errorf("%s: %v", what, err)
		}
	case <-time.After(patience):
		g.Errorf("%s went through", what)
	}
}

func (g *guarded) isAllowed(c *client, what string) {
	g.Helper()
	if err := c.Flush(); err != nil {
		g.Fatal(err)
	}
	select {
	case err := <-c.denied:
		g.Errorf("%s: %v", what, err)
	default:
	}
}

func secretOf(token string) string { return token[strings.LastIndexByte(token, '_')+1:] }

func TestTokensLetIn(t *testing.T) {
	g := newGuarded(t)
	seed, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := seed.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	r, token := g.token(access.Record{Name: "a", Scopes: []string{"read"}})
	keyed, _ := g.token(access.Record{Name: "keyed", Scopes: []string{"read"}, NKey: public})
	stranger, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	strange, err := stranger.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	g.start()
	g.isAllowed(g.connect(r.ID, nats.UserInfo(r.ID, secretOf(token))), "id and secret")
	g.isAllowed(g.connect(r.ID, nats.Token(token)), "the token")
	g.isAllowed(g.connect(keyed.ID, nats.Nkey(public, seed.Sign)), "the key")
	for _, connect := range []func(...nats.Option) (*nats.Conn, error){g.server.Connect, g.server.ConnectDoor} {
		nc, err := connect()
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
	for name, opt := range map[string]nats.Option{
		"nothing": func(*nats.Options) error { return nil }, "wrong secret": nats.UserInfo(r.ID, strings.Repeat("a", 52)),
		"no secret": nats.UserInfo(r.ID, ""), "the server's own user": nats.UserInfo(ownUser, ""), "the door's": nats.UserInfo(doorUser, "x"),
		"unknown id": nats.UserInfo("aaaaaaaaaaaa", secretOf(token)), "half a token": nats.Token(token[:len(token)-1]),
		"a strange key":        nats.Nkey(strange, stranger.Sign),
		"another's signature":  nats.Nkey(public, stranger.Sign),
		"a key in place of id": nats.UserInfo(public, secretOf(token)),
	} {
		nc, err := nats.Connect(g.server.ClientURL(), opt)
		if err == nil {
			nc.Close()
		}
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, why := range []access.Reason{access.NoToken, access.WrongSecret, access.UnknownToken, access.MalformedToken} {
		if g.refused[why] == 0 {
			t.Errorf("nobody was told of %v: %v", why, g.refused)
		}
	}
}

// TestTokensOnNATS: a token hears and says what it is for. Nobody but the process writes to the
// streams or changes them, listens to requests, or reads another's inbox.
func TestTokensOnNATS(t *testing.T) {
	g := newGuarded(t)
	sell, sellToken := g.token(access.Record{Name: "till", Scopes: []string{"sell", "stock"}})
	read, readToken := g.token(access.Record{Name: "board", Scopes: []string{"read"}})
	local, localToken := g.token(access.Record{Name: "berlin", Scopes: []string{"read"}, Locations: []string{"berlin", "new york"}})
	some, someToken := g.token(access.Record{Name: "shoes", Scopes: []string{"read"}, Prefixes: []string{"SHOES-"}})
	admin, adminToken := g.token(access.Record{Name: "operator", Scopes: []string{"admin"}})
	g.start()
	own, err := g.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	js, err := jetstream.New(own)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for name, subjects := range map[string]string{Stream: SubjectPrefix + ">", AlertStream: AlertPrefix + ">"} {
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{subjects}, AllowDirect: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := own.Subscribe("stock.v1.ping", func(m *nats.Msg) { _ = m.Respond([]byte("pong")) }); err != nil {
		t.Fatal(err)
	}
	if err := own.Flush(); err != nil {
		t.Fatal(err)
	}
	connect := func(r access.Record, token string) *client {
		return g.connect(r.ID, nats.UserInfo(r.ID, secretOf(token)))
	}
	till, board, berlin := connect(sell, sellToken), connect(read, readToken), connect(local, localToken)
	shoes, operator := connect(some, someToken), connect(admin, adminToken)
	all := map[string]*client{"till": till, "board": board, "berlin": berlin, "shoes": shoes, "operator": operator}

	forbidden := []string{
		SubjectPrefix + "main.a", AlertPrefix + "out_of_stock.main.a", "$JS.API.STREAM.DELETE." + Stream, "$JS.API.STREAM.PURGE." + Stream,
		"$JS.API.STREAM.UPDATE." + AlertStream, "$JS.API.STREAM.MSG.DELETE." + Stream, "$JS.API.STREAM.CREATE." + Stream,
		"$JS.API.STREAM.RESTORE." + Stream,
	}
	for name, c := range all {
		for _, subject := range forbidden {
			if err := c.Publish(subject, nil); err != nil {
				t.Fatal(err)
			}
			g.isDenied(c, name+" publishes on "+subject)
		}
		if name != "operator" {
			for _, subject := range []string{
				"anything", "$JS.API.INFO", "$JS.API.CONSUMER.CREATE." + Stream, "$JS.API.DIRECT.GET." + Stream, "$JS.ACK." + Stream + ".x.1.1.1.1.1", "$SYS.REQ.SERVER.PING",
				InboxPrefix(read.ID) + ".x.y",
			} {
				if err := c.Publish(subject, nil); err != nil {
					t.Fatal(err)
				}
				g.isDenied(c, name+" publishes on "+subject)
			}
		}
		if m, err := c.Request("stock.v1.ping", nil, patience); err != nil || string(m.Data) != "pong" {
			t.Errorf("%s asks: %v, %v", name, m, err)
		}
		for _, subject := range []string{"stock.v1.>", "stock.v1.reserve"} {
			if _, err := c.Subscribe(subject, func(*nats.Msg) { t.Errorf("%s listens to %s", name, subject) }); err != nil {
				t.Fatal(err)
			}
			g.isDenied(c, name+" listens to "+subject)
		}
	}
	// A wider subscription of the operator does not get requests either.
	if _, err := operator.Subscribe(">", func(m *nats.Msg) {
		if strings.HasPrefix(m.Subject, "stock.v1.") {
			t.Errorf("the operator hears %s", m.Subject)
		}
	}); err != nil {
		t.Fatal(err)
	}
	g.isAllowed(operator, "listening to all")
	if _, err := till.Request("stock.v1.ping", nil, patience); err != nil {
		t.Fatal(err)
	}

	for _, c := range []struct {
		who     string
		subject string
		allowed bool
	}{
		{"till", "stock.events.v1.>", false},
		{"till", ">", false},
		{"till", "_INBOX.>", false},
		{"till", InboxPrefix(read.ID) + ".>", false},
		{"board", "stock.events.v1.>", true},
		{"board", "stock.alerts.v1.>", true},
		{"board", "stock.>", false},
		{"board", "_INBOX.>", false},
		{"board", "*." + "a.b", false},
		{"board", "$JS.>", false},
		{"berlin", "stock.events.v1.>", false},
		{"berlin", "stock.events.v1.berlin.>", true},
		{"berlin", "stock.events.v1.new%20york.a", true},
		{"berlin", "stock.events.v1.rome.>", false},
		{"berlin", "stock.events.v1.*.a", false},
		{"berlin", "stock.alerts.v1.*.berlin.>", true},
		{"berlin", "stock.alerts.v1.>", false},
		{"shoes", "stock.events.v1.>", false},
		{"shoes", "stock.events.v1.*.SHOES-1", false},
	} {
		if _, err := all[c.who].SubscribeSync(c.subject); err != nil {
			t.Fatal(err)
		}
		what := c.who + " listens to " + c.subject
		if c.allowed {
			g.isAllowed(all[c.who], what)
		} else {
			g.isDenied(all[c.who], what)
		}
	}
	// The operator may read the streams.
	ojs, err := jetstream.New(operator.Conn)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ojs.Stream(ctx, Stream)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{}); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Info(ctx); err != nil || info.State.Msgs != 0 {
		t.Errorf("the stream has messages: %v, %v", info, err)
	}
}

// TestAnswersDoNotReachStreams: the door's connection publishes where clients say, but not there.
func TestAnswersDoNotReachStreams(t *testing.T) {
	g := newGuarded(t)
	r, token := g.token(access.Record{Name: "a", Scopes: []string{"read"}})
	g.start()
	door := &client{denied: make(chan error, 8)}
	var err error
	door.Conn, err = g.server.ConnectDoor(nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { door.denied <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	if _, err := door.Subscribe("stock.v1.ping", func(m *nats.Msg) { _ = m.Respond([]byte("pong")) }); err != nil {
		t.Fatal(err)
	}
	if err := door.Flush(); err != nil {
		t.Fatal(err)
	}
	c := g.connect(r.ID, nats.Token(token))
	if err := c.PublishRequest("stock.v1.ping", SubjectPrefix+"main.a", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	g.isDenied(door, "an answer into the stream")
	if _, err := c.Request("stock.v1.ping", nil, patience); err != nil {
		t.Error(err)
	}
}

// TestLogOfClients: what clients do wrong over and over is not a line each, and a token that somebody gives
// in the wrong place is in none.
func TestLogOfClients(t *testing.T) {
	g := newGuarded(t)
	r, token := g.token(access.Record{Name: "a", Scopes: []string{"read"}})
	log := new(lockedBuffer)
	g.start(func(c *ServerConfig) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	for _, user := range []string{token, secretOf(token)} {
		if nc, err := nats.Connect(g.server.ClientURL(), nats.UserInfo(user, "")); err == nil {
			nc.Close()
			t.Error("let in")
		}
	}
	c := g.connect(r.ID, nats.Token(token))
	const many = 60
	for range many {
		if err := c.Publish(SubjectPrefix+"main.a", nil); err != nil {
			t.Fatal(err)
		}
	}
	for range many {
		g.isDenied(c, "an event")
	}
	text := log.String()
	if !strings.Contains(text, "Publish Violation") || !strings.Contains(text, "authentication error") {
		t.Errorf("the log has not what went wrong:\n%s", text)
	}
	// More than one second may have gone by, but not as many as there would have to be.
	if n := strings.Count(text, "Publish Violation"); n == many {
		t.Errorf("%d lines of %d violations", n, many)
	}
	if strings.Contains(text, secretOf(token)) {
		t.Errorf("the log has a secret:\n%s", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestRevokedIsCutOff: a connection that is open when its token is revoked does not stay, and does
// not come back; others stay.
func TestRevokedIsCutOff(t *testing.T) {
	g := newGuarded(t)
	seed, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := seed.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	r, token := g.token(access.Record{Name: "a", Scopes: []string{"read"}})
	keyed, _ := g.token(access.Record{Name: "keyed", Scopes: []string{"read"}, NKey: public})
	stays, staysToken := g.token(access.Record{Name: "b", Scopes: []string{"read"}})
	g.start()
	closed := make(chan string, 2)
	for name, opt := range map[string]nats.Option{"a": nats.Token(token), "keyed": nats.Nkey(public, seed.Sign)} {
		nc, err := nats.Connect(g.server.ClientURL(), opt, nats.NoReconnect(), nats.ClosedHandler(func(*nats.Conn) { closed <- name }))
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	other := g.connect(stays.ID, nats.Token(staysToken))
	err = access.EditFile(g.path, func(all []access.Record) (left []access.Record, err error) {
		for _, one := range all {
			if one.ID != r.ID && one.ID != keyed.ID {
				left = append(left, one)
			}
		}
		return left, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		select {
		case <-closed:
		case <-time.After(patience):
			t.Fatal("a connection of a revoked token stays")
		}
	}
	if _, err := nats.Connect(g.server.ClientURL(), nats.Token(token)); !errors.Is(err, nats.ErrAuthorization) {
		t.Error(err)
	}
	if err := other.Flush(); err != nil || !other.IsConnected() {
		t.Error("another's connection is gone:", err)
	}
}

// TestTokensBeyondLoopback: without TLS that has to be meant.
func TestTokensBeyondLoopback(t *testing.T) {
	g := newGuarded(t)
	g.token(access.Record{Name: "a", Scopes: []string{"read"}})
	tokens, err := access.Open(g.path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []ServerConfig{
		{Addr: "0.0.0.0:0"},
		{Addr: ":0"},
		{Addr: "192.0.2.1:0", Tokens: tokens},
		{Addr: ":0", Tokens: tokens},
		{Addr: "0.0.0.0:0", TLS: &tls.Config{MinVersion: tls.VersionTLS12}},
	} {
		c.Dir = t.TempDir()
		if s, err := Embedded(c); err == nil {
			s.Shutdown()
			t.Errorf("%+v went through", c)
		}
	}
}
