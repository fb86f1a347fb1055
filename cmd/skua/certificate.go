package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// certificate is that of the doors, as its files are now.
type certificate struct {
	cert, key, clientCA string
	log                 *slog.Logger
	current             atomic.Pointer[tls.Config]
	// read is what the files said last, and broken what was wrong with them, as it was logged.
	read   []byte
	broken string
}

func openCertificate(cert, key, clientCA string, log *slog.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, clientCA: clientCA, log: log}
	return c, c.load()
}

// config is for a listener; each connection gets the certificate of its time. That of no certificate
// is none.
func (c *certificate) config(protocols ...string) *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.current.Load().Clone()
			now.NextProtos = protocols
			return now, nil
		},
	}
}

// watch reads the files when they change. What is broken changes nothing, and is logged once.
func (c *certificate) watch(ctx context.Context) {
	tick := time.NewTicker(certificateEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch err := c.load(); {
		case err == nil:
			c.broken = ""
		case err.Error() != c.broken:
			c.broken = err.Error()
			c.log.Error("the certificate cannot be used; it stays as it was", "error", err)
		}
	}
}

// load reads the files, and makes them count if they say something new.
func (c *certificate) load() error {
	var all []byte
	texts := make(map[string][]byte)
	for _, path := range []string{c.cert, c.key, c.clientCA} {
		if path == "" {
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the certificate: %w", err)
		}
		texts[path] = b
		all = append(append(all, b...), 0)
	}
	if bytes.Equal(all, c.read) {
		return nil
	}
	pair, err := tls.X509KeyPair(texts[c.cert], texts[c.key])
	if err != nil {
		return fmt.Errorf("read the certificate %s with the key %s: %w", c.cert, c.key, err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.clientCA != "" {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(texts[c.clientCA]) {
			return fmt.Errorf("%s has no certificate", c.clientCA)
		}
	}
	if c.read != nil {
		c.log.Info("certificate read", "file", c.cert, "until", pair.Leaf.NotAfter)
	}
	c.read = all
	c.current.Store(config)
	return nil
}
