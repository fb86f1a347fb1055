package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
)

// wire is a connection that speaks as much of the NATS client protocol as requests and their
// answers take. The client library is made for everything, and its share of an operation is about
// what the server's is; the load generator shares the cores with the server, so it has to be less.
type wire struct {
	conn  net.Conn
	inbox string
	// answer is called with the number that a request was sent with, on the reader's goroutine. The
	// payload is good until it returns.
	answer func(n int, payload []byte, err error)
	// lost is called when the connection has ended: no answer comes any more.
	lost func(err error)

	mu     sync.Mutex
	out    []byte
	failed error

	ended chan struct{}
}

// errNoResponders says that nobody serves a subject.
var errNoResponders = errors.New("nobody serves this over NATS")

// dialNATS connects to a server of the form nats://host:port, without authentication.
func dialNATS(server string, answer func(n int, payload []byte, err error), lost func(error)) (*wire, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	w := &wire{conn: conn, answer: answer, lost: lost, ended: make(chan struct{})}
	local := conn.LocalAddr().(*net.TCPAddr)
	w.inbox = fmt.Sprintf("_INBOX.bench%d.", local.Port)
	in := bufio.NewReaderSize(conn, lineMax)
	if err := w.greet(in); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go w.read(in)
	return w, nil
}

func (w *wire) greet(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	info, ok := bytes.CutPrefix(line, []byte("INFO "))
	if !ok || !json.Valid(info) {
		return fmt.Errorf("connect to NATS: it greets with %.100q", line)
	}
	const hello = `CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"go","name":"skua bench"}` + "\r\n"
	_, err = fmt.Fprintf(w.conn, "%sSUB %s* 1\r\nPING\r\n", hello, w.inbox)
	for err == nil {
		if line, err = in.ReadSlice('\n'); err != nil {
			break
		}
		if string(line) == "PONG\r\n" {
			return nil
		}
		if bytes.HasPrefix(line, []byte("-ERR")) {
			return fmt.Errorf("connect to NATS: %s", bytes.TrimSpace(line))
		}
	}
	return fmt.Errorf("connect to NATS: %w", err)
}

// request sends a payload, or keeps it until the next flush.
func (w *wire) request(subject string, n int, payload []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	b := append(append(w.out, "PUB "...), subject...)
	b = append(append(b, ' '), w.inbox...)
	b = strconv.AppendInt(b, int64(n), 10)
	b = strconv.AppendInt(append(b, ' '), int64(len(payload)), 10)
	b = append(append(b, "\r\n"...), payload...)
	w.out = append(b, "\r\n"...)
	if len(w.out) < writeAhead {
		return w.failed
	}
	return w.write()
}

func (w *wire) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.out) > 0 {
		_ = w.write() // The next request tells; without one the run ends with what was not answered.
	}
}

func (w *wire) write() error {
	if w.failed == nil {
		_, w.failed = w.conn.Write(w.out)
	}
	w.out = w.out[:0]
	return w.failed
}

// close ends the connection and waits for its reader.
func (w *wire) close() {
	_ = w.conn.Close() // Nothing is in flight that could be lost.
	<-w.ended
}

// read hands out answers until the connection ends.
func (w *wire) read(in *bufio.Reader) {
	defer close(w.ended)
	err := fmt.Errorf("the connection to NATS ended: %w", w.answers(in))
	w.mu.Lock()
	w.failed = errors.Join(w.failed, err)
	w.mu.Unlock()
	w.lost(err)
}

func (w *wire) answers(in *bufio.Reader) error {
	var payload []byte
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case bytes.HasPrefix(line, []byte("MSG ")), bytes.HasPrefix(line, []byte("HMSG ")):
			if payload, err = w.message(in, line, payload); err != nil {
				return err
			}
		case bytes.HasPrefix(line, []byte("PING")):
			w.mu.Lock()
			w.out = append(w.out, "PONG\r\n"...)
			err = w.write()
			w.mu.Unlock()
			if err != nil {
				return err
			}
		}
	}
}

// message reads one: "MSG subject sid size" or "HMSG subject sid headers size".
func (w *wire) message(in *bufio.Reader, line, b []byte) ([]byte, error) {
	var sizes [2]int // of the headers, and of all
	hasHeaders, rest := line[0] == 'H', bytes.TrimSuffix(line, []byte("\r\n"))
	for i := 1; i >= 0 && (i == 1 || hasHeaders); i-- {
		end := bytes.LastIndexByte(rest, ' ')
		if sizes[i] = digits(rest[end+1:]); sizes[i] < 0 || end < 0 {
			return b, fmt.Errorf("read from NATS: %.100q makes no sense", line)
		}
		rest = rest[:end]
	}
	rest = rest[:max(0, bytes.LastIndexByte(rest, ' '))] // The number of the subscription.
	n := digits(rest[bytes.LastIndexByte(rest, '.')+1:])
	headers, size := sizes[0], sizes[1]
	if headers > size {
		return b, fmt.Errorf("read from NATS: %.100q makes no sense", line)
	}
	if cap(b) < size+2 {
		b = make([]byte, 2*(size+2))
	}
	b = b[:size+2]
	if _, err := io.ReadFull(in, b); err != nil {
		return b, fmt.Errorf("read from NATS: %w", err)
	}
	w.answer(n, b[headers:size], headerError(b[:headers], b[headers:size]))
	return b, nil
}

// digits reads a number, or is -1.
func digits(b []byte) (n int) {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// headerError is the error that the headers of an answer tell of.
func headerError(header, payload []byte) error {
	switch {
	case len(header) == 0:
		return nil
	case bytes.Contains(header, []byte("Nats-Service-Error:")):
		return refusal(payload)
	case bytes.HasPrefix(header, []byte("NATS/1.0 503")):
		return errNoResponders
	}
	return nil
}
