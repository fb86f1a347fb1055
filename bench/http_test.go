package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// script listens, and gives the same answer to every request. It counts the requests.
func script(t *testing.T, answer string, closes bool) (addr string, requests *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	requests = new(atomic.Int64)
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
			if _, err := io.WriteString(c, answer); err != nil || closes {
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), requests
}

// asked opens a connection and reserves over it a few times, one after the other.
func asked(t *testing.T, addr string, times int) (ids []string, errs []error) {
	t.Helper()
	d, err := NewHTTP(addr, 1, 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range times {
		c := &engine.Command{Op: engine.OpReserve, Key: fmt.Sprint("key-", i), Lines: []engine.Line{{SKU: "A", Location: "main", Quantity: 1}}}
		d.Start(c, func(err error) { errs = append(errs, err) })
		ids = append(ids, c.Reservation.Home)
	}
	return ids, errs
}

// TestHTTPAnswers: what says how long it is is read, and one answer after the other. What does not, or
// is not as long as it says, is an error that says what was wrong, and so is every command after it,
// which is not even sent: nobody is told what was meant for another.
func TestHTTPAnswers(t *testing.T) {
	const json = `{"id":"r1"}`
	for _, c := range []struct {
		name, answer string
		closes       bool
		want         string // of the error; none when it is read
	}{
		{name: "with a length", answer: "HTTP/1.1 201 Created\r\nX: y\r\nContent-Length: 11\r\n\r\n" + json},
		{name: "with a length, written otherwise", answer: "HTTP/1.1 201 Created\r\ncontent-length:11 \r\n\r\n" + json},
		{name: "chunked", answer: "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + json + "\r\n0\r\n\r\n", want: `status 201 has no Content-Length, but Transfer-Encoding "chunked"`},
		{name: "ended by the connection", answer: "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request", closes: true, want: "status 400 has no Content-Length"},
		{name: "not ended at all", answer: "HTTP/1.1 200 OK\r\n\r\n" + json, want: "status 200 has no Content-Length"},
		{name: "a length that is none", answer: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + json, want: `status 200 has a Content-Length of "-1"`},
		{name: "cut short in the body", answer: "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n" + json[:5], closes: true, want: "ended after 5 of 11 bytes"},
		{name: "cut short before the body", answer: "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n", closes: true, want: "ended after 0 of 11 bytes"},
		{name: "cut short in the head", answer: "HTTP/1.1 201 Created\r\nContent-Le", closes: true, want: "ended in its head"},
		{name: "cut short between lines", answer: "HTTP/1.1 201 Created\r\n", closes: true, want: "closed where a line"},
		{name: "none", answer: "", closes: true, want: "closed where a line"},
		{name: "of another protocol", answer: "-ERR unknown command\r\n", want: `"-ERR unknown command" is not HTTP`},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, requests := script(t, c.answer, c.closes)
			ids, errs := asked(t, addr, 3)
			if len(errs) != 3 {
				t.Fatalf("%d of 3 commands ended", len(errs))
			}
			sent := int64(3)
			if c.want != "" {
				sent = 1
			}
			for i, err := range errs {
				switch {
				case c.want == "" && (err != nil || ids[i] != "r1"):
					t.Errorf("command %d: %v, id %q", i, err, ids[i])
				case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
					t.Errorf("command %d: %v\nwant %s", i, err, c.want)
				}
			}
			if n := requests.Load(); n != sent {
				t.Errorf("%d requests were sent, want %d", n, sent)
			}
		})
	}
}

// TestHTTPAgainstAServer: what net/http sends is read when it is short, or when the handler says how
// long it is. A refusal is not the end of a connection.
func TestHTTPAgainstAServer(t *testing.T) {
	const short = `{"id":"r1"}`
	long := `{"id":"r1"` + strings.Repeat(" ", 100_000) + "}"
	n := 0
	for _, c := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   [3]string // of the errors
	}{
		{name: "short", answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, short) }},
		{name: "long, and told", answer: func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", fmt.Sprint(len(long)))
			_, _ = io.WriteString(w, long)
		}},
		{
			name:   "long, and not told",
			answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, long) },
			want:   [3]string{"chunked", "chunked", "chunked"},
		},
		{
			name: "between refusals",
			answer: func(w http.ResponseWriter) {
				if n++; n == 2 {
					_, _ = io.WriteString(w, short)
					return
				}
				w.WriteHeader(http.StatusConflict)
				_, _ = io.WriteString(w, `{"code":"INSUFFICIENT_STOCK","detail":"no"}`)
			},
			want: [3]string{"INSUFFICIENT_STOCK: no", "", "INSUFFICIENT_STOCK: no"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.answer(w) }))
			defer s.Close()
			ids, errs := asked(t, s.Listener.Addr().String(), len(c.want))
			for i, want := range c.want {
				switch err := errs[i]; {
				case want == "" && (err != nil || ids[i] != "r1"):
					t.Errorf("command %d: %v, id %q", i, err, ids[i])
				case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
					t.Errorf("command %d: %v, want %s", i, err, want)
				}
			}
		})
	}
}

// BenchmarkHTTPAnswer is what it takes to ask and to read an answer of the usual kind.
func BenchmarkHTTPAnswer(b *testing.B) {
	answer := []byte("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nLocation: /v1/reservations/AYPIvDSNfxY1cC1fglNLVS0xMDAwMDAwMA\r\n" +
		"X-Request-Id: f242cb81d8fda7a2\r\nDate: Mon, 23 Nov 2026 16:48:29 GMT\r\nContent-Length: 11\r\n\r\n" + `{"id":"r1"}`)
	from := bytes.NewReader(answer)
	h := &httpConn{Conn: discarding{}, in: bufio.NewReader(from), size: 1}
	for b.Loop() {
		from.Reset(answer)
		if _, err := h.exchange(); err != nil {
			b.Fatal(err)
		}
	}
}

// discarding takes what is written.
type discarding struct{ net.Conn }

func (discarding) Write(b []byte) (int, error) { return len(b), nil }
