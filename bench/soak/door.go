package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// Door is the way into one life of a server, over HTTP and NATS.
type Door struct {
	url    string
	client *http.Client
	ncs    []*nats.Conn
	next   atomic.Uint32
}

// Open connects to a server.
func Open(p *Process) (*Door, error) {
	d := &Door{url: "http://" + p.HTTP, client: &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: httpConnections, MaxConnsPerHost: httpConnections,
	}}}
	for range natsConnections {
		nc, err := nats.Connect(p.NATS, nats.Name("skua soak"), nats.NoReconnect())
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		d.ncs = append(d.ncs, nc)
	}
	return d, nil
}

// Close lets go of the connections.
func (d *Door) Close() {
	for _, nc := range d.ncs {
		nc.Close()
	}
	d.client.CloseIdleConnections()
}

// NATS is one of its connections.
func (d *Door) NATS() *nats.Conn { return d.ncs[int(d.next.Add(1))%len(d.ncs)] }

// Request is an operation. SKU or ID say of what, when it is of something.
type Request struct {
	Op, SKU, ID, Key string
	Body             []byte // a JSON object, or nothing
	OverNATS         bool
}

// Send tries a request once. An answer without an error and with a code is a refusal.
func (d *Door) Send(ctx context.Context, r *Request) (answer []byte, code string, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	if r.OverNATS {
		return d.overNATS(ctx, r)
	}
	method, path := route(r)
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(r.Body))
	if err != nil {
		return nil, "", err
	}
	if r.Key != "" {
		req.Header.Set("Idempotency-Key", r.Key)
	}
	req.Header.Set("Content-Type", "application/json")
	return d.answered(req)
}

func (d *Door) answered(req *http.Request) (answer []byte, code string, err error) {
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	answer, err = io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return nil, "", err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		code = codeOf(answer, resp.Status)
	}
	return answer, code, nil
}

// Get reads a path into v.
func (d *Door) Get(ctx context.Context, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+path, nil)
	if err != nil {
		return err
	}
	answer, code, err := d.answered(req)
	if err != nil {
		return err
	}
	if code != "" {
		return fmt.Errorf("GET %s: %s", path, code)
	}
	return json.Unmarshal(answer, v)
}

func (d *Door) overNATS(ctx context.Context, r *Request) (answer []byte, code string, err error) {
	payload := make([]byte, 0, len(r.Body)+len(r.SKU)+len(r.ID)+32)
	payload = append(payload, '{')
	for _, of := range []struct{ name, value string }{{"sku", r.SKU}, {"id", r.ID}} {
		if of.value != "" {
			name, err := json.Marshal(of.value)
			if err != nil {
				return nil, "", err
			}
			payload = append(append(append(append(payload, '"'), of.name...), '"', ':'), name...)
		}
	}
	if body := bytes.TrimSpace(r.Body); len(body) > 2 {
		if len(payload) > 1 {
			payload = append(payload, ',')
		}
		payload = append(payload, body[1:]...)
	} else {
		payload = append(payload, '}')
	}
	m := &nats.Msg{Subject: "stock.v1." + r.Op, Data: payload}
	if r.Key != "" {
		m.Header = nats.Header{"Idempotency-Key": {r.Key}}
	}
	reply, err := d.NATS().RequestMsgWithContext(ctx, m)
	if err != nil {
		return nil, "", err
	}
	if status := reply.Header.Get("Nats-Service-Error-Code"); status != "" {
		code = codeOf(reply.Data, status)
	}
	return reply.Data, code, nil
}

// Later reports whether a code says to try again later: the server has too much to do, starts or
// stops.
func Later(code string) bool {
	return code == "OVERLOADED" || code == "SERVICE_UNAVAILABLE" || code == "503"
}

func codeOf(answer []byte, otherwise string) string {
	var p struct{ Code string }
	if json.Unmarshal(answer, &p) != nil || p.Code == "" {
		return otherwise
	}
	return p.Code
}

// route is where an operation is over HTTP.
func route(r *Request) (method, path string) {
	item := "/v1/items/" + url.PathEscape(r.SKU)
	switch r.Op {
	case "put_item":
		return http.MethodPut, item
	case "get_item":
		return http.MethodGet, item
	case "history":
		return http.MethodGet, item + "/history"
	case "reserve":
		return http.MethodPost, "/v1/reservations"
	case "get_reservation":
		return http.MethodGet, "/v1/reservations/" + r.ID
	case "batch":
		return http.MethodPost, "/v1/batch"
	}
	if r.ID != "" {
		return http.MethodPost, "/v1/reservations/" + r.ID + "/" + r.Op
	}
	return http.MethodPost, item + "/" + r.Op
}
