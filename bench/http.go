package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// HTTP carries commands over connections that are kept, one request in flight on each. A lane is a
// connection, and starting a command on it returns when its answer is there: the workers wait, and
// nothing is handed from one goroutine to another. It writes and reads just as much of HTTP/1.1 as
// that takes, so that the load costs little beside the server.
type HTTP struct {
	conns []*httpConn
}

// NewHTTP opens so many connections to an address. size is how many commands go in a request, to
// /v1/batch when more than one. tell says that reservations have to be found again.
func NewHTTP(addr string, conns, size int, tell bool) (*HTTP, error) {
	d := &HTTP{}
	for range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("connect to HTTP: %w", err)
		}
		d.conns = append(d.conns, &httpConn{Conn: c, host: addr, in: bufio.NewReader(c), size: size, tell: tell})
	}
	return d, nil
}

// Close closes the connections; nothing may be in flight.
func (d *HTTP) Close() {
	for _, c := range d.conns {
		_ = c.Close() // Nothing was in flight, so nothing can be lost.
	}
}

// Lane implements Laned. There have to be as many connections as workers.
func (d *HTTP) Lane(i, n int) Driver {
	if n > len(d.conns) {
		panic(fmt.Sprintf("%d workers on %d connections", n, len(d.conns)))
	}
	return d.conns[i]
}

// Start implements Driver for a single goroutine.
func (d *HTTP) Start(c *engine.Command, done func(error)) {
	d.conns[0].Start(c, done)
	d.conns[0].Flush()
}

type httpConn struct {
	net.Conn
	host string
	in   *bufio.Reader
	size int
	tell bool

	batch             batch
	path, out, answer []byte
	broken            error // why there is nothing more to be read from it
}

// Start implements Driver: it waits for the answer, or only takes the command into the batch.
func (h *httpConn) Start(c *engine.Command, done func(error)) {
	if h.size > 1 {
		if h.batch.add(c, done); len(h.batch.calls) == h.size {
			h.Flush()
		}
		return
	}
	method := http.MethodPost
	h.path = append(h.path[:0], "/v1/items/"...)
	switch c.Op {
	case engine.OpPutItem:
		method = http.MethodPut
		h.path = append(h.path, c.SKU...)
	case engine.OpGetItem:
		method = http.MethodGet
		h.path = append(h.path, c.SKU...)
	case engine.OpReceive:
		h.path = append(append(h.path, c.SKU...), "/receive"...)
	default:
		h.path = append(h.path[:0], "/v1/reservations"...)
	}
	if c.Op.Step() {
		h.path = append(append(h.path, '/'), c.Reservation.Home...)
		h.path = append(append(h.path, '/'), c.Op.String()...)
	}
	h.begin(method, c.Key)
	if method == http.MethodGet {
		h.out = append(h.out, "\r\n"...)
	} else {
		h.answer = appendBody(h.answer[:0], c)
		h.body(h.answer)
	}
	answer, err := h.exchange()
	call{c, done}.end(answer, h.tell, err)
}

// Flush implements Flusher: it sends the batch and waits for its answer.
func (h *httpConn) Flush() {
	if len(h.batch.calls) == 0 {
		return
	}
	h.path = append(h.path[:0], "/v1/batch"...)
	h.begin(http.MethodPost, "")
	h.body(h.batch.payload())
	answer, err := h.exchange()
	h.batch.end(answer, h.tell, err)
}

func (h *httpConn) begin(method, key string) {
	b := append(append(h.out[:0], method...), ' ')
	b = append(append(b, h.path...), " HTTP/1.1\r\nHost: "...)
	b = append(append(b, h.host...), "\r\n"...)
	if key != "" {
		b = append(append(b, "Idempotency-Key: "...), key...)
		b = append(b, "\r\n"...)
	}
	h.out = b
}

func (h *httpConn) body(body []byte) {
	b := append(h.out, "Content-Type: application/json\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	h.out = append(append(b, "\r\n\r\n"...), body...)
}

// exchange writes the request and reads the answer, which is good until the next.
func (h *httpConn) exchange() ([]byte, error) {
	if h.broken != nil {
		return nil, h.broken
	}
	good, err := h.trade()
	if err != nil {
		h.broken = fmt.Errorf("HTTP connection to %s: %w", h.host, err)
		_ = h.Conn.Close() // It is of no use any more, and the error before says more.
		return nil, h.broken
	}
	if !good {
		return nil, refusal(h.answer)
	}
	return h.answer, nil
}

// trade is exchange for a connection that is in order. After an error nobody knows where the next
// answer begins: who went on would take what is left of this one for it, and wait for an answer that
// was read already.
func (h *httpConn) trade() (good bool, err error) {
	if _, err := h.Write(h.out); err != nil {
		return false, err
	}
	good, length, err := h.head()
	if err != nil {
		return false, err
	}
	if cap(h.answer) < length {
		h.answer = make([]byte, length)
	}
	h.answer = h.answer[:length]
	switch n, err := io.ReadFull(h.in, h.answer); err {
	case nil:
		return good, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return false, fmt.Errorf("an answer ended after %d of %d bytes", n, length)
	default:
		return false, fmt.Errorf("read an answer after %d of %d bytes: %w", n, length, err)
	}
}

var (
	httpVersion      = []byte("HTTP/1.")
	contentLength    = []byte("Content-Length")
	transferEncoding = []byte("Transfer-Encoding")
)

// head reads the head of an answer that has a Content-Length. Without one it is an error: the doors
// know how long their answers are, and to look for their ends would cost the load what it should not.
func (h *httpConn) head() (good bool, length int, err error) {
	line, err := h.line()
	if err != nil {
		return false, 0, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, httpVersion) {
		return false, 0, fmt.Errorf("%.40q is not HTTP", line)
	}
	status := [3]byte(line[9:12])
	length = -1
	for {
		if line, err = h.line(); err != nil {
			return false, 0, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch {
		case bytes.EqualFold(name, contentLength):
			if length = digits(bytes.TrimSpace(value)); length < 0 {
				return false, 0, fmt.Errorf("an answer with status %s has a Content-Length of %.40q", status, bytes.TrimSpace(value))
			}
		case bytes.EqualFold(name, transferEncoding):
			return false, 0, fmt.Errorf("an answer with status %s has no Content-Length, but Transfer-Encoding %.40q, which is not read here",
				status, bytes.TrimSpace(value))
		}
	}
	if length < 0 {
		return false, 0, fmt.Errorf("an answer with status %s has no Content-Length, and to wait for the end of the connection may take for ever", status)
	}
	return status[0] == '2', length, nil
}

// line reads a line of a head.
func (h *httpConn) line() ([]byte, error) {
	line, err := h.in.ReadSlice('\n')
	switch {
	case err == nil:
		return bytes.TrimRight(line, "\r\n"), nil
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("read the head of an answer: %w", err)
	case len(line) == 0:
		return nil, errors.New("it was closed where a line of an answer's head should be")
	}
	return nil, fmt.Errorf("an answer ended in its head, at %.40q", line)
}
