package events

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

func TestEmbeddedRefusesWhatIsUnsafe(t *testing.T) {
	for name, c := range map[string]ServerConfig{
		"no directory":                {Addr: "127.0.0.1:0"},
		"no address":                  {Dir: t.TempDir()},
		"everywhere, unprotected":     {Dir: t.TempDir(), Addr: ":0"},
		"beyond loopback, no user":    {Dir: t.TempDir(), Addr: "0.0.0.0:0"},
		"a name that is not loopback": {Dir: t.TempDir(), Addr: "example.org:0"},
		"a user without a password":   {Dir: t.TempDir(), Addr: "127.0.0.1:0", User: "u"},
		"the server's own user":       {Dir: t.TempDir(), Addr: "127.0.0.1:0", User: ownUser, Password: "p"},
		"no port":                     {Dir: t.TempDir(), Addr: "127.0.0.1:x"},
	} {
		if s, err := Embedded(c); err == nil {
			s.Shutdown()
			t.Errorf("%s went through", name)
		}
	}
}

func TestEmbeddedSaysWhyItDoesNotStart(t *testing.T) {
	first, err := Embedded(ServerConfig{Addr: "127.0.0.1:0", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Shutdown()
	_, err = Embedded(ServerConfig{Addr: strings.TrimPrefix(first.ClientURL(), "nats://"), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Error(err)
	}
}

// TestClientsCannotWriteToTheChain: a client may use JetStream, and not touch the outbox's streams.
func TestClientsCannotWriteToTheChain(t *testing.T) {
	h := newHarness(t)
	h.startServer()
	h.startOutbox()
	h.log.append(record(h.log.movement("a", "main", 1)))
	h.published()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	denied := make(chan error, 16)
	deny := func(_ *nats.Conn, _ *nats.Subscription, err error) { denied <- err }
	nc, err := nats.Connect(h.server.ClientURL(), nats.ErrorHandler(deny))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(ctx, Stream)
	if err != nil {
		t.Fatal("a client may look:", err)
	}
	if _, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{}); err != nil {
		t.Fatal("a client may read:", err)
	}
	if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: "MINE", Subjects: []string{"mine.>"}}); err != nil {
		t.Fatal("a client may have streams:", err)
	}
	for _, subject := range []string{
		SubjectPrefix + "main.a", AlertPrefix + "out_of_stock.main.a", "$JS.API.STREAM.DELETE." + Stream,
		"$JS.API.STREAM.PURGE." + Stream, "$JS.API.STREAM.UPDATE." + AlertStream, "$JS.API.STREAM.MSG.DELETE." + Stream,
	} {
		if err := nc.Publish(subject, nil); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-denied:
			if !strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				t.Errorf("%s: %v", subject, err)
			}
		case <-ctx.Done():
			t.Errorf("%s went through", subject)
		}
	}
	h.complete(1)
}

func TestEmbeddedWithCredentials(t *testing.T) {
	s, err := Embedded(ServerConfig{Addr: "127.0.0.1:0", Dir: t.TempDir(), User: "u", Password: "p", SyncInterval: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	if s.SyncInterval() != time.Minute {
		t.Error(s.SyncInterval())
	}
	if nc, err := nats.Connect(s.ClientURL()); err == nil {
		nc.Close()
		t.Error("a stranger was let in")
	}
	for name, connect := range map[string]func() (*nats.Conn, error){
		"a client":    func() (*nats.Conn, error) { return nats.Connect(s.ClientURL(), nats.UserInfo("u", "p")) },
		"the process": func() (*nats.Conn, error) { return s.Connect() },
	} {
		nc, err := connect()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		nc.Close()
	}
}
