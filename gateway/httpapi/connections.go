package httpapi

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skua-stock/skua/gateway"
)

// Bounded puts a bound on the connections of a listener that are open at a time. One more is told so
// and closed at once: if it waited, so would everybody behind it, and if it were taken, the process
// might have no file descriptor left for its log. TLS goes around it.
func Bounded(l net.Listener, most int) net.Listener {
	return &bounded{Listener: l, most: int64(most)}
}

type bounded struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept implements net.Listener.
func (l *bounded) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &counted{Conn: c, open: &l.open}, nil
		}
		l.open.Add(-1)
		refuse(c)
	}
}

func refuse(c net.Conn) {
	if c.SetDeadline(time.Now().Add(refusalWait)) == nil {
		_, _ = io.WriteString(c, tooManyConnections)
	}
	_ = c.Close()
}

var tooManyConnections = fmt.Sprintf("HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	gateway.RetryAfter/time.Second)

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	once sync.Once
	open *atomic.Int64
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
