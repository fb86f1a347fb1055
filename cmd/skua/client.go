package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// reader is what every verb that talks to a server has in common.
type reader struct {
	caller
	Server string `help:"URL of the HTTP door." default:"http://127.0.0.1:8080" placeholder:"URL"`
	JSON   bool   `name:"json" help:"Print the server's answer as it is."`
}

// client is what every verb that changes something has in common.
type client struct {
	reader
	Key string `help:"Idempotency key; one is made up where there is none. Give one to retry safely." placeholder:"KEY"`
}

// baseURL is a URL without a slash at its end, also of an address alone.
func baseURL(server string) string {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	return strings.TrimRight(server, "/")
}

// clientWait bounds one request of the client.
const clientWait = time.Minute

// problem is what a refusal says; see docs/reference/problems.md.
type problem struct {
	Code   string        `json:"code"`
	Title  string        `json:"title"`
	Detail string        `json:"detail"`
	Field  string        `json:"field"`
	Lines  []problemLine `json:"lines"`
}

// problemLine is a line that failed.
type problemLine struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

func (l *problemLine) String() string {
	s := l.SKU
	if l.Location != "" {
		s += " at " + l.Location
	}
	if l.Requested != 0 {
		s += fmt.Sprintf(": %d asked for, %d available", l.Requested, l.Available)
	}
	return s
}

// call sends a request and decodes the answer into v. A refusal is printed and becomes errRefused.
func (c *reader) call(o output, method, path, key string, body, v any) error {
	b, err := c.raw(o, method, path, key, body)
	if err != nil {
		return err
	}
	if c.JSON {
		_, err := fmt.Fprintln(o.out, strings.TrimSpace(string(b)))
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

func (c *reader) raw(o output, method, path, key string, body any) ([]byte, error) {
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		in = bytes.NewReader(b)
	}
	ctx, cancel := context.WithTimeout(context.Background(), clientWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, baseURL(c.Server)+path, in)
	if err != nil {
		return nil, err
	}
	if method != http.MethodGet {
		req.Header.Set("Idempotency-Key", key)
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return nil, c.refused(o, resp.StatusCode, b)
	}
	return b, nil
}

// refused prints a problem. A server that cannot serve now is an error, everything else a refusal.
func (c *reader) refused(o output, status int, b []byte) error {
	var p problem
	if c.JSON {
		fmt.Fprintln(o.out, strings.TrimSpace(string(b)))
	} else if json.Unmarshal(b, &p) != nil || p.Code == "" {
		fmt.Fprintf(o.err, "HTTP %d: %s\n", status, strings.TrimSpace(string(b)))
	} else {
		fmt.Fprintf(o.err, "%s: %s\n", p.Code, p.Detail)
		for i := range p.Lines {
			fmt.Fprintf(o.err, "  %s\n", &p.Lines[i])
		}
	}
	if status >= http.StatusInternalServerError {
		return fmt.Errorf("the server answered %d", status)
	}
	return errRefused
}

func (c *client) key() string {
	if c.Key == "" {
		c.Key = rand.Text()
	}
	return c.Key
}

// itemCmd shows an item, or changes it first.
type itemCmd struct {
	client
	SKU      string `arg:"" help:"The item."`
	Create   bool   `help:"Create the item, or reset its settings, first."`
	Receive  *int64 `help:"Receive so many units first." placeholder:"N"`
	Location string `help:"Where they arrive." default:"main"`
}

// item is what the server says of an item.
type item struct {
	SKU      string           `json:"sku"`
	Sequence uint64           `json:"sequence"`
	Totals   map[string]int64 `json:"totals"`
	Levels   []map[string]any `json:"levels"`
}

var stateColumns = []string{"on_hand", "available", "reserved", "committed", "safety_stock", "damaged", "quality_control", "other", "backordered"}

func (c *itemCmd) Run(o output) error {
	path := "/v1/items/" + url.PathEscape(c.SKU)
	quiet := output{io.Discard, o.err}
	if c.Create {
		if err := c.call(quiet, http.MethodPut, path, c.key()+"-create", struct{}{}, &struct{}{}); err != nil {
			return err
		}
	}
	if c.Receive != nil {
		body := map[string]any{"location": c.Location, "quantity": *c.Receive}
		if err := c.call(quiet, http.MethodPost, path+"/receive", c.key()+"-receive", body, &struct{}{}); err != nil {
			return err
		}
	}
	var it item
	if err := c.call(o, http.MethodGet, path, "", nil, &it); err != nil || c.JSON {
		return err
	}
	fmt.Fprintf(o.out, "%s at sequence %d\n", it.SKU, it.Sequence)
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "location\t%s\t\n", strings.Join(stateColumns, "\t"))
	for _, l := range it.Levels {
		fmt.Fprintf(w, "%v\t", l["location"])
		for _, s := range stateColumns {
			fmt.Fprintf(w, "%v\t", l[s])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "total\t")
	for _, s := range stateColumns {
		fmt.Fprintf(w, "%d\t", it.Totals[s])
	}
	fmt.Fprintln(w)
	return w.Flush()
}

// reserveCmd holds units.
type reserveCmd struct {
	client
	Lines []string      `arg:"" help:"What to hold: SKU=QUANTITY, or SKU=QUANTITY@LOCATION."`
	TTL   time.Duration `name:"ttl" help:"For how long." default:"15m"`
	Owner string        `help:"Who it is for, as cart-7."`
}

// reservation is what the server says of a reservation.
type reservation struct {
	ID        string `json:"id"`
	State     string `json:"state"`
	ExpiresAt string `json:"expires_at"`
	Lines     []struct {
		SKU       string `json:"sku"`
		Location  string `json:"location"`
		Quantity  int64  `json:"quantity"`
		Reserved  int64  `json:"reserved"`
		Committed int64  `json:"committed"`
		Fulfilled int64  `json:"fulfilled"`
	} `json:"lines"`
}

func (r *reservation) print(o output) error {
	fmt.Fprintf(o.out, "%s  %s", r.ID, r.State)
	if r.ExpiresAt != "" {
		fmt.Fprintf(o.out, " until %s", r.ExpiresAt)
	}
	fmt.Fprintln(o.out)
	for _, l := range r.Lines {
		fmt.Fprintf(o.out, "  %d x %s at %s: reserved %d, committed %d, fulfilled %d\n", l.Quantity, l.SKU, l.Location, l.Reserved, l.Committed, l.Fulfilled)
	}
	return nil
}

func (c *reserveCmd) Run(o output) error {
	type line struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Location string `json:"location,omitempty"`
	}
	body := struct {
		Lines []line `json:"lines"`
		TTL   int64  `json:"ttl_ms"`
		Owner string `json:"owner,omitempty"`
	}{TTL: c.TTL.Milliseconds(), Owner: c.Owner}
	for _, arg := range c.Lines {
		i := strings.LastIndexByte(arg, '=')
		if i < 1 {
			return fmt.Errorf("%w: line %q is not SKU=QUANTITY[@LOCATION]", errUsage, arg)
		}
		quantity, location, _ := strings.Cut(arg[i+1:], "@")
		n, err := strconv.ParseInt(quantity, 10, 64)
		if err != nil {
			return fmt.Errorf("%w: line %q is not SKU=QUANTITY[@LOCATION]: %q is no whole number", errUsage, arg, quantity)
		}
		body.Lines = append(body.Lines, line{arg[:i], n, location})
	}
	var r reservation
	if err := c.call(o, http.MethodPost, "/v1/reservations", c.key(), body, &r); err != nil || c.JSON {
		return err
	}
	return r.print(o)
}

type confirmCmd struct {
	client
	ID string `arg:"" help:"The reservation."`
}

func (c *confirmCmd) Run(o output) error { return c.step(o, c.ID, "confirm") }

type releaseCmd struct {
	client
	ID string `arg:"" help:"The reservation."`
}

func (c *releaseCmd) Run(o output) error { return c.step(o, c.ID, "release") }

func (c *client) step(o output, id, step string) error {
	var r reservation
	if err := c.call(o, http.MethodPost, "/v1/reservations/"+url.PathEscape(id)+"/"+step, c.key(), nil, &r); err != nil || c.JSON {
		return err
	}
	return r.print(o)
}

// historyCmd lists movements.
type historyCmd struct {
	reader
	SKU   string `arg:"" help:"The item."`
	Limit int    `help:"How many movements." default:"20"`
}

type movement struct {
	SKU      string           `json:"sku"`
	Sequence uint64           `json:"sequence"`
	Type     string           `json:"type"`
	At       string           `json:"at"`
	Location string           `json:"location"`
	Quantity int64            `json:"quantity"`
	After    map[string]int64 `json:"after"`
}

func (m *movement) print(w io.Writer) {
	fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\ton_hand %d\tavailable %d\treserved %d\tcommitted %d\n",
		m.Sequence, m.At, m.Type, m.SKU, m.Location, m.Quantity,
		m.After["on_hand"], m.After["available"], m.After["reserved"], m.After["committed"])
}

func (c *historyCmd) Run(o output) error {
	var page struct {
		Movements []movement `json:"movements"`
	}
	path := fmt.Sprintf("/v1/items/%s/history?limit=%d", url.PathEscape(c.SKU), c.Limit)
	if err := c.call(o, http.MethodGet, path, "", nil, &page); err != nil || c.JSON {
		return err
	}
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	for i := range page.Movements {
		page.Movements[i].print(w)
	}
	return w.Flush()
}

// watchCmd follows events until it is interrupted.
type watchCmd struct {
	caller
	Server string `help:"URL of the HTTP door." default:"http://127.0.0.1:8080" placeholder:"URL"`
	SKU    string `arg:"" optional:"" help:"Only this item."`
	From   string `help:"Go on after this event, by its id, or from the oldest kept (oldest)." placeholder:"ID"`
	JSON   bool   `name:"json" help:"Print each event as a line of JSON."`
}

func (c *watchCmd) Run(o output) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	q := url.Values{}
	if c.SKU != "" {
		q.Set("sku", c.SKU)
	}
	if c.From == "oldest" {
		q.Set("from", "oldest")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, baseURL(c.Server)+"/v1/events?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	if c.From != "" && c.From != "oldest" {
		req.Header.Set("Last-Event-ID", c.From)
	}
	resp, err := c.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(resp.Body)
		return (&reader{JSON: c.JSON}).refused(o, resp.StatusCode, b)
	}
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		data, ok := strings.CutPrefix(in.Text(), "data: ")
		if !ok {
			continue
		}
		if c.JSON {
			fmt.Fprintln(o.out, data)
			continue
		}
		var m movement
		if err := json.Unmarshal([]byte(data), &m); err != nil {
			return fmt.Errorf("read an event: %w", err)
		}
		m.print(o.out)
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("the stream ended: %w", in.Err())
}
