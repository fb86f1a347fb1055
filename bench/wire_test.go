package bench

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		cmd           engine.Command
		body, message string
	}{
		{engine.Command{Op: engine.OpPutItem, SKU: "A", Key: "k"}, `{}`, `{"op":"put_item","idempotency_key":"k","sku":"A"}`},
		{
			engine.Command{Op: engine.OpReceive, SKU: "A", Key: "k", Location: "main", Quantity: 7},
			`{"location":"main","quantity":7}`,
			`{"op":"receive","idempotency_key":"k","sku":"A","location":"main","quantity":7}`,
		},
		{
			engine.Command{Op: engine.OpReserve, Key: "k", TTL: 5, Lines: []engine.Line{{SKU: "A", Location: "main", Quantity: 1}, {SKU: "B", Location: "main", Quantity: 2}}},
			`{"lines":[{"sku":"A","location":"main","quantity":1},{"sku":"B","location":"main","quantity":2}],"ttl_ms":5}`,
			`{"op":"reserve","idempotency_key":"k","lines":[{"sku":"A","location":"main","quantity":1},{"sku":"B","location":"main","quantity":2}],"ttl_ms":5}`,
		},
		{
			engine.Command{Op: engine.OpConfirm, Key: "k", Reservation: engine.ReservationRef{Home: "id"}},
			`{}`,
			`{"op":"confirm","idempotency_key":"k","id":"id"}`,
		},
		{engine.Command{Op: engine.OpGetItem, SKU: "A"}, `{}`, `{"op":"get_item","sku":"A"}`},
	} {
		if got := string(appendBody(nil, &c.cmd)); got != c.body {
			t.Errorf("body %s\nwant %s", got, c.body)
		}
		if got := string(appendMessage(nil, &c.cmd, true)); got != c.message {
			t.Errorf("message %s\nwant %s", got, c.message)
		}
	}
}

// TestBatchAnswers: each operation of a batch hears of its own result.
func TestBatchAnswers(t *testing.T) {
	const good, full, busy = `{"status":201,"id":"r%","lines":[]}`, `{"type":"t","status":409,"code":"INSUFFICIENT_STOCK","detail":"no"}`,
		`{"type":"t","status":503,"code":"OVERLOADED","detail":"later"}`
	down := errors.New("down")
	for _, c := range []struct {
		name, answer string
		err          error
		want         []string
	}{
		{"all well", `{"results":[{"status":201,"id":"r1"},{"status":200,"id":"r2"},{"status":201,"id":"r3"}]}`, nil, []string{"r1", "r2", "r3"}},
		{"one refused", `{"results":[{"status":201,"id":"r1"},` + full + `,` + busy + `]}`, nil, []string{"r1", "INSUFFICIENT_STOCK: no", engine.ErrOverloaded.Error()}},
		{"one missing", `{"results":[` + good + `]}`, nil, []string{errLost.Error(), errLost.Error(), errLost.Error()}},
		{"none", ``, down, []string{"down", "down", "down"}},
	} {
		var b batch
		cmds := make([]engine.Command, 3)
		got := make([]string, 3)
		for i := range cmds {
			cmds[i].Op = engine.OpReserve
			b.add(&cmds[i], func(err error) {
				if got[i] = cmds[i].Reservation.Home; err != nil {
					got[i] = err.Error()
				}
			})
		}
		if b.end([]byte(c.answer), true, c.err); len(b.calls) != 0 {
			t.Errorf("%s: the batch is not empty", c.name)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

// A server that goes away leaves nobody waiting for an answer.
func TestALostConnectionEndsWhatWaits(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in := bufio.NewReader(conn)
		fmt.Fprint(conn, "INFO {}\r\n")
		for line := ""; !strings.HasPrefix(line, "PUB "); { // It goes when the first request is there.
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
			if line == "PING\r\n" {
				fmt.Fprint(conn, "PONG\r\n")
			}
		}
	}()
	d, err := NewNATS("nats://"+listener.Addr().String(), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 { // The second is sent when the connection has gone.
		ended := make(chan error, 1)
		d.Start(&engine.Command{Op: engine.OpGetItem, SKU: "A"}, func(err error) { ended <- err })
		if err := <-ended; err == nil {
			t.Error("a request was answered by nobody")
		}
	}
}

func TestDigits(t *testing.T) {
	for in, want := range map[string]int{"0": 0, "17": 17, "": -1, "-1": -1, "1x": -1, "12345678901": -1} {
		if got := digits([]byte(in)); got != want {
			t.Errorf("digits(%q) is %d, want %d", in, got, want)
		}
	}
}
