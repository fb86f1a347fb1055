package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog hands the log of the embedded NATS server to slog. What it calls a notice is a line at
// every start, stop and stream, which nobody wants who does not look for something: debug.
type serverLog struct {
	logger *slog.Logger

	fatal chan struct{} // closed when the server cannot go on

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

func (l *serverLog) log(level slog.Level, format string, v []any) string {
	text := fmt.Sprintf(format, v...)
	l.logger.Log(context.Background(), level, text, "from", "nats-server")
	return text
}

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
