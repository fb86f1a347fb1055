package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/skua-stock/skua/gateway"
)

// serverLog hands the log of the embedded NATS server to slog. What it calls a notice is a line at
// every start, stop and stream, which nobody wants who does not look for something: debug.
type serverLog struct {
	logger *slog.Logger

	fatal chan struct{} // closed when the server cannot go on
	lines gateway.Lines // of clients

	mu   sync.Mutex
	last string // the last error
	died sync.Once
}

func (l *serverLog) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.keep(l.log(slog.LevelError, format, v)) }

// Warnf leaves out one warning: the passwords are made up at each start and never leave the process.
func (l *serverLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, "Plaintext passwords") {
		l.log(slog.LevelWarn, format, v)
	}
}

// Fatalf does not end the process: the server is only a part of it. Embedded returns the error.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.keep(l.log(slog.LevelError, format, v))
	l.died.Do(func() { close(l.fatal) })
}

// log writes a line. What is about one connection, its clients bring about as often as they like, as by
// publishing what they may not: such lines are bounded, and the server's own are not lost among them.
func (l *serverLog) log(level slog.Level, format string, v []any) string {
	text := secret.ReplaceAllLiteralString(fmt.Sprintf(format, v...), "[a secret]")
	if level == slog.LevelDebug || !strings.Contains(text, " - cid:") {
		l.logger.Log(context.Background(), level, text, "from", "nats-server")
		return text
	}
	if suppressed, ok := l.lines.Take(); ok {
		l.logger.Log(context.Background(), level, text, "from", "nats-server", "suppressed", suppressed)
	}
	return text
}

// secret is what the secret of a token looks like. The server logs the user of who is refused, and
// some give their whole token for it.
var secret = regexp.MustCompile(`[a-z2-7]{52}`)

func (l *serverLog) keep(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = text
}

// failure is the last error as an error.
func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return errors.New("it is not ready in time")
	}
	return errors.New(l.last)
}
