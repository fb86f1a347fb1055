package events

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// writingBehind makes connections within the process that write behind. The server's own are pipes
// without a buffer: who writes waits until the server reads, which does not read while it hands on
// what it has read. The client library writes little at a time, under its lock, so that all who
// publish would wait with it.
//
// Here a write is a copy, and what gathers goes through the pipe at once. Against TCP over loopback
// it saves the two trips through the kernel, which one client alone would wait for.
type writingBehind struct{ server *server.Server }

// InProcessConn implements nats.InProcessConnProvider.
func (w writingBehind) InProcessConn() (net.Conn, error) {
	pipe, err := w.server.InProcessConn()
	if err != nil {
		return nil, err
	}
	return writeBehind(pipe), nil
}

// behind is a connection that writes behind.
type behind struct {
	net.Conn

	mu     sync.Mutex
	change sync.Cond // there is something to write, or room again, or an end
	buf    []byte
	closed bool
	err    error // of a write, for those that follow
}

func writeBehind(c net.Conn) *behind {
	b := &behind{Conn: c}
	b.change.L = &b.mu
	go b.write()
	return b
}

// Write takes bytes to be written. It waits only while there are very many.
func (b *behind) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.buf) > behindMax && b.err == nil && !b.closed {
		b.change.Wait()
	}
	switch {
	case b.err != nil:
		return 0, b.err
	case b.closed:
		return 0, net.ErrClosed
	}
	if b.buf = append(b.buf, p...); len(b.buf) == len(p) {
		b.change.Broadcast()
	}
	return len(p), nil
}

// write writes what gathers.
func (b *behind) write() {
	var writing []byte
	var err error
	for err == nil {
		if cap(writing) > behindKept {
			writing = nil
		}
		if writing = b.take(writing[:0]); len(writing) == 0 {
			break
		}
		_, err = b.Conn.Write(writing)
	}
	b.mu.Lock()
	b.err = err
	b.change.Broadcast()
	b.mu.Unlock()
	_ = b.Conn.Close() // A pipe has no error to tell.
}

// take waits for something to write, and takes all of it; it leaves an empty buffer. At the end it
// returns nothing.
func (b *behind) take(empty []byte) []byte {
	b.mu.Lock()
	for len(b.buf) == 0 && !b.closed {
		b.change.Wait()
	}
	b.mu.Unlock()
	// Whoever can run now goes first: under load he has more to write, which goes along.
	runtime.Gosched()
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.buf
	b.buf = empty
	if len(full) > behindMax {
		b.change.Broadcast()
	}
	return full
}

// Close ends the connection once everything is written, which it does not wait for.
func (b *behind) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		b.change.Broadcast()
	}
	return b.Conn.SetWriteDeadline(time.Now().Add(behindCloseWait))
}

// SetWriteDeadline does nothing: a write waits only for the server, which is in this process.
func (b *behind) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline is SetReadDeadline, see SetWriteDeadline.
func (b *behind) SetDeadline(t time.Time) error { return b.SetReadDeadline(t) }
