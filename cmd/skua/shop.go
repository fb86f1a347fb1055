package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// shop is the public API, whichever door it goes through. code is that of a refusal.
type shop interface {
	do(op, sku, id, key string, body any) (answer []byte, code string, err error)
	Close()
}

func openShop(c *replayCmd) (shop, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if c.NATS == "" {
		trust, err := c.trust()
		if err != nil {
			return nil, err
		}
		return &httpShop{url: baseURL(c.HTTP), token: token, client: &http.Client{
			Timeout: clientWait, Transport: &http.Transport{MaxIdleConnsPerHost: 256, TLSClientConfig: trust},
		}}, nil
	}
	nc, err := nats.Connect(c.NATS, append(c.natsOptions(token), nats.Name("skua replay"))...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	return natsShop{nc, token}, nil
}

// unavailableTries is how often an operation is tried again while the server has too much load or
// restarts; it has a key, so that is safe.
const (
	unavailableTries = 100
	unavailablePause = 100 * time.Millisecond
)

type httpShop struct {
	token  string
	url    string
	client *http.Client
	// reached is true once the server has answered. Before, there is nothing to wait for.
	reached atomic.Bool
}

func (s *httpShop) Close() { s.client.CloseIdleConnections() }

func (s *httpShop) do(op, sku, id, key string, body any) (answer []byte, code string, err error) {
	var b []byte
	if body != nil {
		if b, err = json.Marshal(body); err != nil {
			return nil, "", err
		}
	}
	for range unavailableTries {
		if answer, code, err = s.once(op, sku, id, key, b); err == nil && !unavailable(code) {
			return answer, code, nil
		}
		if err != nil && !s.reached.Load() {
			return nil, "", fmt.Errorf("ask the server: %w", err)
		}
		time.Sleep(unavailablePause)
	}
	return answer, code, err
}

func unavailable(code string) bool { return code == "OVERLOADED" || code == "SERVICE_UNAVAILABLE" }

func (s *httpShop) once(op, sku, id, key string, body []byte) ([]byte, string, error) {
	method, path := route(op, sku, id)
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	s.reached.Store(true)
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode < http.StatusBadRequest {
		return answer, "", nil
	}
	return answer, codeOf(answer, resp.Status), nil
}

// route is where an operation is over HTTP.
func route(op, sku, id string) (method, path string) {
	item := "/v1/items/" + url.PathEscape(sku)
	switch op {
	case "put_item":
		return http.MethodPut, item
	case "get_item":
		return http.MethodGet, item
	case "reserve":
		return http.MethodPost, "/v1/reservations"
	case "commit":
		return http.MethodPost, "/v1/commitments"
	case "get_reservation":
		return http.MethodGet, "/v1/reservations/" + id
	case "batch":
		return http.MethodPost, "/v1/batch"
	}
	if id != "" {
		return http.MethodPost, "/v1/reservations/" + id + "/" + op
	}
	return http.MethodPost, item + "/" + op
}

func codeOf(answer []byte, otherwise string) string {
	var p problem
	if json.Unmarshal(answer, &p) != nil || p.Code == "" {
		return otherwise
	}
	return p.Code
}

type natsShop struct {
	nc    *nats.Conn
	token string
}

func (s natsShop) Close() { s.nc.Close() }

func (s natsShop) do(op, sku, id, key string, body any) (answer []byte, code string, err error) {
	payload := map[string]any{}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, "", err
		}
		if err := json.Unmarshal(b, &payload); err != nil {
			return nil, "", err
		}
	}
	if sku != "" {
		payload["sku"] = sku
	}
	if id != "" {
		payload["id"] = id
	}
	b, err := json.Marshal(payload)
	if err != nil {
		return nil, "", err
	}
	m := &nats.Msg{Subject: "stock.v1." + op, Data: b, Header: nats.Header{}}
	if key != "" {
		m.Header.Set("Idempotency-Key", key)
	}
	if s.token != "" {
		m.Header.Set("Authorization", "Bearer "+s.token)
	}
	for range unavailableTries {
		var reply *nats.Msg
		if reply, err = s.nc.RequestMsg(m, clientWait); err == nil {
			code = ""
			if status := reply.Header.Get("Nats-Service-Error-Code"); status != "" {
				code = codeOf(reply.Data, status)
			}
			if !unavailable(code) {
				return reply.Data, code, nil
			}
		}
		time.Sleep(unavailablePause)
	}
	return nil, code, err
}
