package events

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/skua-stock/skua/gateway/access"
)

// spoken is a connection that is spoken to in the protocol itself, as no client library does.
type spoken struct {
	*testing.T
	conn  net.Conn
	lines *bufio.Scanner
}

func (g *guarded) speak() *spoken {
	g.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.server.ClientURL(), "nats://"))
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		g.Fatal(err)
	}
	return &spoken{g.T, conn, bufio.NewScanner(conn)}
}

// says sends a line and reads until the server has dealt with it: every line up to the pong.
func (s *spoken) says(format string, args ...any) (heard []string) {
	s.Helper()
	if _, err := fmt.Fprintf(s.conn, format+"\r\nPING\r\n", args...); err != nil {
		s.Fatal(err)
	}
	for s.lines.Scan() {
		if s.lines.Text() == "PONG" {
			return heard
		}
		heard = append(heard, s.lines.Text())
	}
	s.Fatalf("the connection ended: %v, %v", heard, s.lines.Err())
	return nil
}

// TestRevokedUnderAnotherName: neither a user name beside the token, nor a second greeting with another
// token on the same connection, keeps what a revoked token has subscribed to.
func TestRevokedUnderAnotherName(t *testing.T) {
	g := newGuarded(t)
	reader, token := g.token(access.Record{Name: "reader", Scopes: []string{"read"}})
	seller, other := g.token(access.Record{Name: "seller", Scopes: []string{"sell"}})
	g.start()
	own, err := g.server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	named, twice := g.speak(), g.speak()
	hears := func() bool {
		t.Helper()
		if err := own.Publish(SubjectPrefix+"main.a", []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := own.Flush(); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(strings.Join(twice.says("UNSUB 99"), "\n"), "MSG ")
	}
	named.says(`CONNECT {"auth_token":%q,"user":%q,"pass":"x","verbose":false}`, token, seller.ID)
	twice.says(`CONNECT {"auth_token":%q,"verbose":false}`, token)
	for _, s := range []*spoken{named, twice} {
		if heard := s.says("SUB %s> 1", SubjectPrefix); len(heard) > 1 || len(heard) == 1 && !strings.HasPrefix(heard[0], "INFO") {
			t.Fatal(heard)
		}
	}
	if !hears() {
		t.Error("an event is not heard by whom it is for")
	}
	twice.says(`CONNECT {"auth_token":%q,"verbose":false}`, other)
	if err := access.EditFile(g.path, func(all []access.Record) ([]access.Record, error) {
		var left []access.Record
		for _, r := range all {
			if r.ID != reader.ID {
				left = append(left, r)
			}
		}
		return left, nil
	}); err != nil {
		t.Fatal(err)
	}
	for named.lines.Scan() {
		if named.lines.Text() == "PING" {
			_, _ = fmt.Fprint(named.conn, "PONG\r\n")
		}
	}
	if err := named.lines.Err(); err != nil {
		t.Errorf("the connection of a revoked token stays: %v", err)
	}
	if hears() {
		t.Error("an event is heard by whom it is not for")
	}
}
