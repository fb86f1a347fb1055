package events

import (
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/gateway"
)

// Config configures an outbox. What is not required has a default.
type Config struct {
	// Feed is the durable log. Required.
	Feed gateway.Feed
	// Connect opens a connection to NATS, with the given options behind the caller's own. It is
	// called for every session. Required.
	Connect func(opts ...nats.Option) (*nats.Conn, error)
	// Embedded says that NATS is the server that Embedded started, in this process. Nobody else can
	// publish to the streams there, so that one acknowledgement speaks for every message before it;
	// elsewhere each is asked for, which tells of a message of somebody else between two of ours.
	// And the server ends when the process does, so that a stream that is made there may write its
	// messages to disk a moment after it has acknowledged them: what it loses when the process is
	// killed is published again.
	Embedded bool
	// Node names the log that is published. It is in the source of the events, and a stream with
	// messages of another node is left alone. Required.
	Node string
	// AppendReservationID spells the id of a reservation. Required.
	AppendReservationID gateway.AppendID

	// Cursor is what Settled last returned in the run before. It counts only when the stream is
	// empty, and so cannot say itself how far it is.
	Cursor uint64
	// SyncInterval is after how long JetStream syncs what it acknowledged, SyncIntervalDefault by
	// default. See Outbox.Settled.
	SyncInterval time.Duration

	// MaxAge bounds the age of messages in both streams; EventBytesMax and AlertBytesMax bound the
	// streams. Replicas is how many servers keep them: when zero, one, and a stream that is there
	// already keeps what it has.
	MaxAge        time.Duration
	EventBytesMax int64
	AlertBytesMax int64
	Replicas      int

	// Pace is how many events a second are published at most. Each change a second takes PaceWeight
	// events off that, down to PaceMin. Zero is no limit; PaceDefault suits two cores.
	Pace int

	// StopWait bounds how long Run goes on after its context has ended, to publish what is durable.
	StopWait time.Duration

	// Logger hears of interruptions, once each, and of gaps. Registerer gets the metrics.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (c *Config) ensureDefaults() {
	if c.SyncInterval == 0 {
		c.SyncInterval = SyncIntervalDefault
	}
	if c.MaxAge == 0 {
		c.MaxAge = MaxAgeDefault
	}
	if c.EventBytesMax == 0 {
		c.EventBytesMax = EventBytesMaxDefault
	}
	if c.AlertBytesMax == 0 {
		c.AlertBytesMax = AlertBytesMaxDefault
	}
	if c.StopWait == 0 {
		c.StopWait = StopWaitDefault
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) validate() error {
	var errs []error
	if c.Feed == nil {
		errs = append(errs, errors.New("no Feed: it is required"))
	}
	if c.Connect == nil {
		errs = append(errs, errors.New("no Connect: it is required"))
	}
	if c.Node == "" {
		errs = append(errs, errors.New("no Node: it is required"))
	}
	if c.AppendReservationID == nil {
		errs = append(errs, errors.New("no AppendReservationID: it is required"))
	}
	if min(int64(c.SyncInterval), int64(c.MaxAge), int64(c.StopWait), int64(c.Pace), c.EventBytesMax, c.AlertBytesMax) < 0 {
		errs = append(errs, errors.New("times, sizes and rates must not be negative"))
	}
	return errors.Join(errs...)
}
