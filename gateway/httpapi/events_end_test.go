package httpapi

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// busy is a log that always has a next record at hand: who follows it never waits, and so is never
// told by a wait that time is up.
type busy struct{ at uint64 }

func (*busy) Bounds() (oldest, newest uint64)     { return 1, 1 << 60 }
func (*busy) Follow(from uint64) gateway.Follower { return &busy{from} }
func (*busy) Close() error                        { return nil }
func (b *busy) Next(context.Context) (uint64, *engine.Record, error) {
	time.Sleep(time.Millisecond) // The machine has other things to do.
	b.at++
	return b.at, &engine.Record{}, nil
}

// TestBusyStreamsEnd: a stream that has much to catch up with, of which its client sees nothing, ends
// all the same when the client goes away, when its token is revoked, and when the server stops.
func TestBusyStreamsEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.json")
	r, token, err := access.NewRecord(access.Record{Name: "reader", Scopes: []string{"read"}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	tokensAre := func(all ...access.Record) {
		if err := access.EditFile(path, func([]access.Record) ([]access.Record, error) { return all, nil }); err != nil {
			t.Fatal(err)
		}
	}
	tokensAre(r)
	log := slog.New(slog.DiscardHandler)
	tokens, err := access.Open(path, log)
	if err != nil {
		t.Fatal(err)
	}
	go tokens.Watch(t.Context(), nil)
	d := open(t, func(c *Config) {
		c.Feed, c.Guard, c.Heartbeat = &busy{}, gateway.NewGuard(tokens, log, prometheus.NewRegistry()), 5*time.Millisecond
	})
	l := listen(d)
	ended := func(why string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); d.server.streams.Load() > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s, and the stream goes on", why)
			}
		}
	}
	shown := "Authorization: Bearer " + token
	stream, leave := l.follow("?from="+gateway.EventCursor(1, 0), shown)
	leave()
	for range stream {
	}
	ended("the client is gone")
	stream, leave = l.follow("?from="+gateway.EventCursor(1, 0), shown)
	defer leave()
	next(t, stream) // A heartbeat, with the place that it has come to.
	tokensAre()
	ended("the token is revoked")
	tokensAre(r)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, denial := tokens.Authenticate(token, time.Now()); denial == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the token is not known again")
		}
	}
	_, leave = l.follow("?from="+gateway.EventCursor(1, 0), shown)
	defer leave()
	d.server.stop()
	ended("the server stops")
}
