package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/cmd/skua/node"
	"github.com/skua-stock/skua/persistence"
)

// serveCmd is the configuration of a server: flag > environment > file > default.
type serveCmd struct {
	Data       string `help:"Data directory; made where there is none." default:"./data" placeholder:"DIR"`
	HTTP       string `name:"http" help:"Address of the HTTP door." default:"127.0.0.1:8080" placeholder:"ADDR"`
	NATSListen string `name:"nats-listen" help:"Address of the embedded NATS server." default:"127.0.0.1:4222" placeholder:"ADDR"`
	NATS       string `name:"nats" help:"Use this NATS server, with JetStream, instead of the embedded one." placeholder:"URL"`

	Tokens            string   `help:"Ask for API tokens: those of this file, which skua token makes. Without it whoever reaches a door may do everything." placeholder:"FILE"`
	TLSCert           string   `name:"tls-cert" help:"PEM file of the certificate of both doors, and its chain; read again when it changes." placeholder:"FILE"`
	TLSKey            string   `name:"tls-key" help:"PEM file of its private key." placeholder:"FILE"`
	TLSClientCA       string   `name:"tls-client-ca" help:"Let in only clients with a certificate of one of these authorities, in a PEM file." placeholder:"FILE"`
	InsecurePlaintext bool     `help:"Listen beyond loopback without TLS. Who is on the way reads the tokens."`
	AllowHost         []string `help:"Host names, besides localhost, that requests may have for a server without --tokens." placeholder:"NAME"`

	NATSCreds string `name:"nats-creds" help:"Credentials file for the server of --nats." placeholder:"FILE"`
	NATSNKey  string `name:"nats-nkey" help:"File with the NKEY seed for the server of --nats." placeholder:"FILE"`
	NATSCA    string `name:"nats-ca" help:"PEM file of the authorities to trust for the server of --nats." placeholder:"FILE"`

	SnapshotEvery time.Duration `help:"How often what changed is written to the snapshots; every 10 s while an eighth of what the log may have waits for it." default:"1m"`
	Partitions    int           `help:"Partitions of a new data directory; fixed from then on." default:"64"`
	IdleAfter     time.Duration `help:"Passivate items that were not used for so long." default:"10m"`
	Resident      int           `help:"Items kept in memory; beyond, the least recently used are passivated." default:"4000000"`
	InFlight      int           `help:"Commands admitted at once; more are refused as OVERLOADED." default:"65536"`

	DiskReserve  int64         `help:"Bytes of disk left free; below, new changes are refused." default:"536870912"`
	LogBytesMax  int64         `help:"Bytes that the log may grow to when events cannot be published; beyond, new changes are refused." default:"8589934592"`
	LogKeep      int64         `help:"Bytes of log kept so that event streams can resume." default:"268435456"`
	KeyWindow    time.Duration `help:"How long idempotency keys are remembered at the least." default:"10m"`
	KeyBytes     int64         `help:"Bytes of memory for idempotency keys." default:"1073741824"`
	HistoryAge   time.Duration `help:"How long movements are kept." default:"8760h"`
	HistoryBytes int64         `help:"Bytes of movements kept." default:"68719476736"`

	EventsAge        time.Duration `help:"How long change events are kept in JetStream." default:"168h"`
	EventsBytes      int64         `help:"Bytes of change events kept in JetStream." default:"4294967296"`
	NATSSyncInterval time.Duration `name:"nats-sync-interval" help:"sync_interval of the NATS server of --nats." default:"2m"`

	StopWait time.Duration `help:"How long a stop may take to finish what is in flight and publish what is durable." default:"15s"`
	Log      string        `help:"Log format: text or json." enum:"text,json" default:"text"`
	LogLevel slog.Level    `help:"Least level that is logged." default:"INFO"`
	Profile  string        `help:"Write a CPU profile of the whole run here." placeholder:"FILE"`
}

// Validate refuses settings that make no sense, before anything is touched.
func (c *serveCmd) Validate() error {
	errs := []error{c.validListener("--http", c.HTTP)}
	if c.NATS == "" {
		errs = append(errs, c.validListener("--nats-listen", c.NATSListen))
	}
	errs = append(errs, c.validSecurity())
	if c.Data == "" {
		errs = append(errs, errors.New("--data must not be empty"))
	}
	if c.Partitions > partitionsMax {
		errs = append(errs, fmt.Errorf("--partitions must be at most %d, is %d", partitionsMax, c.Partitions))
	}
	for _, f := range []struct {
		flag string
		n    int64
	}{
		{"--snapshot-every", int64(c.SnapshotEvery)},
		{"--partitions", int64(c.Partitions)},
		{"--idle-after", int64(c.IdleAfter)},
		{"--resident", int64(c.Resident)},
		{"--in-flight", int64(c.InFlight)},
		{"--disk-reserve", c.DiskReserve},
		{"--log-bytes-max", c.LogBytesMax},
		{"--log-keep", c.LogKeep},
		{"--key-window", int64(c.KeyWindow)},
		{"--key-bytes", c.KeyBytes},
		{"--history-age", int64(c.HistoryAge)},
		{"--history-bytes", c.HistoryBytes},
		{"--events-age", int64(c.EventsAge)},
		{"--events-bytes", c.EventsBytes},
		{"--nats-sync-interval", int64(c.NATSSyncInterval)},
		{"--stop-wait", int64(c.StopWait)},
	} {
		if f.n <= 0 {
			errs = append(errs, fmt.Errorf("%s must be more than zero", f.flag))
		}
	}
	return errors.Join(errs...)
}

func (c *serveCmd) logger(o output) *slog.Logger {
	opts := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: plainErrors}
	if c.Log == "json" {
		return slog.New(slog.NewJSONHandler(o.err, opts))
	}
	return slog.New(slog.NewTextHandler(o.err, opts))
}

// plainErrors logs what an error says. Left to itself the handler asks some errors for all that
// they know, and they answer with pages of stack.
func plainErrors(_ []string, a slog.Attr) slog.Attr {
	if err, ok := a.Value.Any().(error); ok {
		a.Value = slog.StringValue(err.Error())
	}
	return a
}

// withoutPasswords is a list of URLs as it may be logged.
func withoutPasswords(urls string) string {
	all := strings.Split(urls, ",")
	for i, one := range all {
		u, err := url.Parse(strings.TrimSpace(one))
		switch at := strings.LastIndexByte(one, '@'); {
		case err == nil && u.User != nil:
			all[i] = u.Redacted()
		case at >= 0: // Not a URL as it should be, but NATS takes it for one.
			all[i] = "xxxxx" + one[at:]
		}
	}
	return strings.Join(all, ",")
}

func (c *serveCmd) node(s *server) node.Config {
	return node.Config{
		Dir: c.Data, SnapshotEvery: c.SnapshotEvery, Logger: s.log, Metrics: s.nodeMetrics,
		Limits: actors.Limits{InFlight: c.InFlight, Resident: c.Resident, IdleAfter: c.IdleAfter},
		Store: persistence.Options{
			Partitions: c.Partitions, DiskReserve: uint64(c.DiskReserve), LogBytesMax: c.LogBytesMax, LogKeep: c.LogKeep,
			KeyBytes: c.KeyBytes, KeyWindowMin: c.KeyWindow, HistoryAge: c.HistoryAge, HistoryBytes: c.HistoryBytes,
			OnFailure: func(err error) {
				// What is in memory may not be on disk any more, and must not be believed.
				s.log.Error("the disk failed; stopping at once", "error", err)
				os.Exit(exitError)
			},
		},
	}
}
