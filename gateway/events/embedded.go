package events

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/skua-stock/skua/gateway/access"
)

// ServerConfig configures an embedded NATS server with JetStream.
type ServerConfig struct {
	// Addr is the address that clients connect to, as 127.0.0.1:4222; port 0 takes a free one.
	// Required, with a host: without one the server would listen everywhere.
	Addr string
	// Dir is where JetStream keeps its streams. Required. The server takes no lock on it;
	// whoever owns the data directory does.
	Dir string
	// Name is the name of the server; skua by default.
	Name string
	// User and Password are what clients have to give. Without them anybody is let in, which is
	// refused beyond loopback.
	User, Password string
	// Tokens are asked for, in place of User and Password, where there are some. Refused is told of
	// connections that had no valid one.
	Tokens  *access.Tokens
	Refused func(why access.Reason, remote string)
	// TLS is for connections; none within the process is encrypted.
	TLS *tls.Config
	// Plaintext allows to listen beyond loopback without TLS.
	Plaintext bool
	// Logger hears of warnings and errors, and with debug of everything.
	Logger *slog.Logger
	// SyncInterval is how long what was acknowledged may be unsynced, EmbeddedSyncInterval by
	// default. The outbox has to be told: see Config.SyncInterval.
	SyncInterval time.Duration
	// MemoryMax and StoreMax bound JetStream, in bytes; by default EmbeddedMemoryMax and
	// EmbeddedStoreMax.
	MemoryMax, StoreMax int64
	// ConnectionsMax bounds the connections, by default to EmbeddedConnectionsMax.
	ConnectionsMax int
}

// Server is an embedded NATS server.
type Server struct {
	server       *server.Server
	password     string
	tokens       bool
	syncInterval time.Duration
}

// The users of the embedded server: the process itself, and, where no credentials are asked for,
// everybody.
const (
	ownUser = "skua"
	anybody = "anybody"
)

// Embedded starts an embedded NATS server and waits until it is ready.
func Embedded(c ServerConfig) (*Server, error) {
	s := &Server{password: rand.Text()}
	o, err := s.options(&c)
	if err != nil {
		return nil, fmt.Errorf("configure the embedded NATS server: %w", err)
	}
	if s.server, err = server.NewServer(o); err != nil {
		return nil, fmt.Errorf("make the embedded NATS server: %w", err)
	}
	log := &serverLog{logger: c.Logger, fatal: make(chan struct{})}
	s.server.SetLoggerV2(log, c.Logger.Enabled(context.Background(), slog.LevelDebug), false, false)
	if c.Tokens != nil {
		c.Tokens.OnEnd(s.disconnect)
	}
	s.server.Start()
	if !s.ready(log) || !s.server.JetStreamEnabled() {
		s.Shutdown()
		return nil, fmt.Errorf("start the embedded NATS server on %s: %w", c.Addr, log.failure())
	}
	return s, nil
}

// ready waits until the server takes connections; it reports false when it will not.
func (s *Server) ready(log *serverLog) bool {
	ready := make(chan bool, 1)
	go func() { ready <- s.server.ReadyForConnections(EmbeddedStartWait) }()
	select {
	case ok := <-ready:
		return ok
	case <-log.fatal:
		return false
	}
}

func (s *Server) options(c *ServerConfig) (*server.Options, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Name == "" {
		c.Name = "skua"
	}
	if c.SyncInterval == 0 {
		c.SyncInterval = EmbeddedSyncInterval
	}
	if c.ConnectionsMax == 0 {
		c.ConnectionsMax = EmbeddedConnectionsMax
	}
	if c.MemoryMax == 0 {
		c.MemoryMax = EmbeddedMemoryMax
	}
	if c.StoreMax == 0 {
		c.StoreMax = EmbeddedStoreMax
	}
	if c.Dir == "" {
		return nil, errors.New("no Dir: it is required")
	}
	host, portText, err := net.SplitHostPort(c.Addr)
	if err != nil {
		return nil, fmt.Errorf("read the address to listen on: %w", err)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("read the port to listen on: %w", err)
	}
	o := &server.Options{
		ServerName: c.Name, Host: host, Port: int(port), NoSigs: true,
		JetStream: true, StoreDir: filepath.Clean(c.Dir), SyncInterval: c.SyncInterval,
		JetStreamMaxMemory: c.MemoryMax, JetStreamMaxStore: c.StoreMax, MaxPayload: EmbeddedPayloadMax,
		WriteDeadline: EmbeddedUnreadMax, MaxPending: EmbeddedPendingMax, MaxConn: c.ConnectionsMax,
	}
	if port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if c.TLS != nil {
		o.TLS, o.TLSConfig, o.TLSTimeout = true, c.TLS, tlsWait.Seconds()
	}
	s.syncInterval = c.SyncInterval
	return o, s.authorize(o, c)
}

// authorize lets clients in and keeps them from publishing what only the outbox may.
func (s *Server) authorize(o *server.Options, c *ServerConfig) error {
	if (c.User == "") != (c.Password == "") {
		return errors.New("a User without a Password, or the other way round: they go together")
	}
	if c.User == ownUser {
		return fmt.Errorf("the user %q is the server's own", ownUser)
	}
	ip := net.ParseIP(o.Host)
	loopback := o.Host == "localhost" || ip != nil && ip.IsLoopback()
	if c.Tokens != nil {
		if !loopback && c.TLS == nil && !c.Plaintext {
			return fmt.Errorf("%s is not loopback: TLS is required", c.Addr)
		}
		s.tokens = true
		o.CustomClientAuthentication, o.AlwaysEnableNonce = &clients{own: s.password, config: c}, true
		return nil
	}
	client := &server.User{Username: c.User, Password: c.Password, Permissions: clientPermissions()}
	if c.User == "" {
		if !loopback {
			return fmt.Errorf("%s is not loopback: User and Password are required", c.Addr)
		}
		client.Username, client.Password = anybody, s.password
		o.NoAuthUser = anybody
	}
	o.Users = []*server.User{{Username: ownUser, Password: s.password}, client}
	return nil
}

// clientPermissions let clients do everything but write to the streams of the outbox, or change
// them: what is in there is a chain, and it is ours.
func clientPermissions() *server.Permissions {
	deny := []string{SubjectPrefix + ">", AlertPrefix + ">"}
	for _, stream := range []string{Stream, AlertStream} {
		for _, what := range []string{"CREATE", "UPDATE", "DELETE", "PURGE", "RESTORE", "MSG.DELETE"} {
			deny = append(deny, "$JS.API.STREAM."+what+"."+stream)
		}
	}
	return &server.Permissions{Publish: &server.SubjectPermission{Deny: deny}}
}

// ClientURL is where clients connect.
func (s *Server) ClientURL() string { return s.server.ClientURL() }

// Connect opens a connection within the process, as the process's own user.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{nats.InProcessServer(writingBehind{s.server}), nats.ReconnectWait(EmbeddedReconnectWait), nats.UserInfo(ownUser, s.password)}
	return nats.Connect("", append(own, opts...)...)
}

// ConnectDoor opens a connection within the process for a door, whose answers go where clients say.
// Where tokens are asked for, they may not go to the streams.
func (s *Server) ConnectDoor(opts ...nats.Option) (*nats.Conn, error) {
	if !s.tokens {
		return s.Connect(opts...)
	}
	return s.Connect(append([]nats.Option{nats.UserInfo(doorUser, s.password)}, opts...)...)
}

// SyncInterval is how long what the server acknowledged may be unsynced, for Config.SyncInterval.
func (s *Server) SyncInterval() time.Duration { return s.syncInterval }

// Shutdown stops the server, with everything synced, and waits until it is down.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
}
