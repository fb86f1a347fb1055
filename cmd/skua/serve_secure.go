package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/nats-io/nats.go"

	"github.com/skua-stock/skua/gateway"
	"github.com/skua-stock/skua/gateway/access"
)

// validListener refuses to listen to the world without tokens, and to have them sent in the clear
// unless that is meant.
func (c *serveCmd) validListener(flag, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %q: %w", flag, addr, err)
	}
	ip := net.ParseIP(host)
	switch {
	case host == "localhost" || ip != nil && ip.IsLoopback():
		return nil
	case c.Tokens == "":
		return fmt.Errorf("%s %q is not on loopback: without authentication nothing else is served; make tokens with "+
			"skua token new, and name their file with --tokens", flag, addr)
	case c.TLSCert == "" && !c.InsecurePlaintext:
		return fmt.Errorf("%s %q is not on loopback: tokens would go over the network in the clear; give --tls-cert and "+
			"--tls-key, or --insecure-plaintext where something else encrypts", flag, addr)
	}
	return nil
}

// validSecurity refuses halves of what goes together.
func (c *serveCmd) validSecurity() error {
	var errs []error
	if (c.TLSCert == "") != (c.TLSKey == "") {
		errs = append(errs, errors.New("--tls-cert and --tls-key go together"))
	}
	if c.TLSClientCA != "" && c.TLSCert == "" {
		errs = append(errs, errors.New("--tls-client-ca needs --tls-cert and --tls-key"))
	}
	if c.NATS == "" && (c.NATSCreds != "" || c.NATSNKey != "" || c.NATSCA != "") {
		errs = append(errs, errors.New("--nats-creds, --nats-nkey and --nats-ca are for the server of --nats"))
	}
	if c.NATSCreds != "" && c.NATSNKey != "" {
		errs = append(errs, errors.New("--nats-creds and --nats-nkey are two ways to do one thing"))
	}
	return errors.Join(errs...)
}

// natsCredentials are what the user's own NATS server is shown.
func (c *serveCmd) natsCredentials() (opts []nats.Option) {
	if c.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(c.NATSCreds))
	}
	if c.NATSNKey != "" {
		opts = append(opts, func(o *nats.Options) error { // Read at each connection, not before.
			nkey, err := nats.NkeyOptionFromSeed(c.NATSNKey)
			if err != nil {
				return fmt.Errorf("read --nats-nkey: %w", err)
			}
			return nkey(o)
		})
	}
	if c.NATSCA != "" {
		opts = append(opts, nats.RootCAs(c.NATSCA))
	}
	return opts
}

// secure reads tokens and certificate, and has both followed as they change.
func (s *server) secure() (err error) {
	c := s.cfg
	ctx, cancel := context.WithCancel(context.Background())
	s.watch = cancel
	if c.Tokens != "" {
		if s.tokens, err = access.Open(c.Tokens, s.log); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w; make the first token with skua token new --tokens %s", err, c.Tokens)
			}
			return err
		}
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		context.AfterFunc(ctx, func() { signal.Stop(hangups) })
		go s.tokens.Watch(ctx, hangups)
	}
	if c.TLSCert != "" {
		if s.tls, err = openCertificate(c.TLSCert, c.TLSKey, c.TLSClientCA, s.log); err != nil {
			return err
		}
		go s.tls.watch(ctx)
	}
	s.guard = gateway.NewGuard(s.tokens, s.log, s.metrics)
	return nil
}

// hosts are the names that requests may have for the server, nil for any. Where tokens are asked for
// a web page has none to send, by whatever name it asks.
func (s *server) hosts() []string {
	if s.tokens != nil {
		return nil
	}
	return append([]string{"localhost"}, s.cfg.AllowHost...)
}

// natsGuard is the guard of the NATS door, which has nothing to do where no tokens are asked for.
func (s *server) natsGuard() *gateway.Guard {
	if s.tokens == nil {
		return nil
	}
	return s.guard
}

func (s *server) natsRefused(why access.Reason, remote string) {
	s.guard.Report(&gateway.Refusal{Reason: why, Door: "nats", Operation: "connect", Remote: remote})
}

func (s *server) httpURL() string {
	if s.tls != nil {
		return "https://" + s.cfg.HTTP
	}
	return "http://" + s.cfg.HTTP
}
