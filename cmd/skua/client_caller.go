package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/skua-stock/skua/gateway/events"
)

// caller is how a verb shows who it is, and knows whom it talks to.
type caller struct {
	Token     string `help:"API token. Better in the environment or in a file: others on this machine see arguments." placeholder:"TOKEN"`
	TokenFile string `help:"File that has the API token." placeholder:"FILE"`
	CA        string `name:"ca" help:"PEM file of the authorities to trust for https, in place of the system's." placeholder:"FILE"`
}

// token is the API token, empty where there is none.
func (c *caller) token() (string, error) {
	if c.Token != "" || c.TokenFile == "" {
		return c.Token, nil
	}
	b, err := os.ReadFile(c.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// trust says whom to trust for TLS; nil is whom the system does.
func (c *caller) trust() (*tls.Config, error) {
	if c.CA == "" {
		return nil, nil
	}
	b, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("%s has no certificate", c.CA)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}

// client is an HTTP client that trusts whom it shall.
func (c *caller) client() (*http.Client, error) {
	trust, err := c.trust()
	if trust == nil || err != nil {
		return http.DefaultClient, err
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = trust
	return &http.Client{Transport: t}, nil
}

// natsOptions show a token of the embedded server's own tokens, and listen where it may.
func (c *caller) natsOptions(token string) (opts []nats.Option) {
	if c.CA != "" {
		opts = append(opts, nats.RootCAs(c.CA))
	}
	if parts := strings.Split(token, "_"); len(parts) == 3 {
		opts = append(opts, nats.Token(token), nats.CustomInboxPrefix(events.InboxPrefix(parts[1])))
	}
	return opts
}

// do sends a request with the token.
func (c *caller) do(req *http.Request) (*http.Response, error) {
	token, err := c.token()
	if err != nil {
		return nil, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client, err := c.client()
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", err)
	}
	return resp, nil
}
