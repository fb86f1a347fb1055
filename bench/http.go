package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// HTTP carries commands over connections that are kept, one request in flight on each. It writes
// and reads just as much of HTTP/1.1 as that takes, so that the load costs little beside the server.
type HTTP struct {
	addr  string
	conns chan *httpConn
}

type httpConn struct {
	net.Conn
	in  *bufio.Reader
	out []byte
}

// NewHTTP opens so many connections to an address.
func NewHTTP(addr string, conns int) (*HTTP, error) {
	d := &HTTP{addr: addr, conns: make(chan *httpConn, conns)}
	for range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		d.conns <- &httpConn{Conn: c, in: bufio.NewReader(c)}
	}
	return d, nil
}

// Close closes the connections; nothing may be in flight.
func (d *HTTP) Close() {
	for range cap(d.conns) {
		_ = (<-d.conns).Close() // Nothing was in flight, so nothing can be lost.
	}
}

// Start implements Driver.
func (d *HTTP) Start(c *engine.Command, done func(error)) {
	conn := <-d.conns
	go func() {
		err := conn.do(d.addr, c)
		d.conns <- conn
		done(err)
	}()
}

func (h *httpConn) do(host string, c *engine.Command) error {
	method, path := "POST", "/v1/reservations"
	switch c.Op {
	case engine.OpPutItem:
		method, path = "PUT", "/v1/items/"+c.SKU
	case engine.OpReceive:
		path = "/v1/items/" + c.SKU + "/receive"
	}
	body := appendBody(nil, c, false)
	b := append(h.out[:0], method...)
	b = append(append(b, ' '), path...)
	b = append(append(b, " HTTP/1.1\r\nHost: "...), host...)
	b = append(append(b, "\r\nContent-Type: application/json\r\nIdempotency-Key: "...), c.Key...)
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(body)), 10)
	b = append(append(b, "\r\n\r\n"...), body...)
	h.out = b
	if _, err := h.Write(b); err != nil {
		return err
	}
	return h.answer()
}

// answer reads a response with a Content-Length.
func (h *httpConn) answer() error {
	status, err := h.in.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(status) < 12 {
		return errors.New("not an HTTP response")
	}
	good := status[9] == '2'
	length := 0
	for {
		line, err := h.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if good {
		_, err = h.in.Discard(length)
		return err
	}
	problem := make([]byte, length)
	if _, err := io.ReadFull(h.in, problem); err != nil {
		return err
	}
	return errors.New(string(problem))
}
