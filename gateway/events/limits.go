package events

import "time"

// The limits and waits of the outbox, all of them.
const (
	// MaxAgeDefault is how long the streams keep a message.
	MaxAgeDefault = 7 * 24 * time.Hour
	// EventBytesMaxDefault bounds STOCK_EVENTS, in bytes; AlertBytesMaxDefault STOCK_ALERTS. The
	// oldest messages give way.
	EventBytesMaxDefault = 4 << 30
	AlertBytesMaxDefault = 1 << 30
	// SyncIntervalDefault is after how long JetStream syncs what it acknowledged to disk, unless it
	// is configured otherwise; SyncMargin is added for the syncing itself.
	SyncIntervalDefault = 2 * time.Minute
	SyncMargin          = 10 * time.Second
	// AlertDuplicates is how long JetStream remembers the ids of alerts, so that none is stored twice.
	// EventDuplicates is the same for events, which the chain keeps from being stored twice. It is
	// the least that JetStream takes: what it remembers costs it 100 bytes an event.
	AlertDuplicates = 2 * time.Minute
	EventDuplicates = 100 * time.Millisecond

	// WindowMessages and WindowBytes bound what is published and not acknowledged.
	WindowMessages = 1024
	WindowBytes    = 8 << 20
	// AskEvery is how many messages of a chain share one acknowledgement, where they may.
	AskEvery = 64
	// BatchMessages and BatchBytes bound what is read from the log at once, whose alerts are
	// published before its events; a batch is longer by at most one record.
	BatchMessages = 512
	BatchBytes    = 1 << 20
	// BatchBytesKept bounds the buffer that is kept for the next batch.
	BatchBytesKept = 4 << 20

	// PaceDefault is how many events a second are published while nothing changes, to catch up, and
	// PaceWeight how many fewer for each change a second: with 53,000 changes, 53,000 events. See
	// Config.Pace.
	PaceDefault = 160_000
	PaceWeight  = 2
	// PaceMin is how many events a second are published however fast the log grows, so that the
	// outbox never stands still.
	PaceMin = 5_000
	// PaceEvery is how often the growth of the log is measured, and the time whose grants may be
	// saved up.
	PaceEvery = 100 * time.Millisecond

	// GatherFor is how long events wait for others while the log grows by more than GatherAbove
	// records a second.
	GatherFor   = 5 * time.Millisecond
	GatherAbove = 1_000

	// ConnectWait bounds one attempt to connect, AckWait the wait for one acknowledgement, AskWait
	// one question to JetStream, and EndWait the wait for the last acknowledgements of a session
	// that is over: those that come later are not needed, they only save asking.
	ConnectWait = 5 * time.Second
	AckWait     = 10 * time.Second
	AskWait     = 5 * time.Second
	EndWait     = 2 * time.Second
	// RetryMin and RetryMax bound the pause between two sessions. It doubles from one to the other.
	RetryMin = 50 * time.Millisecond
	RetryMax = 5 * time.Second
	// DoubtWait is how long a stream whose last sequence has no message is watched before that is
	// believed: a leader that is just being replaced may not have the message yet.
	DoubtWait = 10 * time.Second
	// StopWaitDefault bounds how long a stopping outbox publishes what is left.
	StopWaitDefault = 5 * time.Second
	// WatchEvery is how often a session looks at its acknowledgements, and MarkEvery the step in
	// which the times of acknowledgements are kept.
	WatchEvery = time.Second
	MarkEvery  = time.Second

	// The embedded server. EmbeddedSyncInterval is how long what it acknowledged may be unsynced: short,
	// since while much is synced at once the log waits for the disk.
	EmbeddedSyncInterval = 100 * time.Millisecond
	// EmbeddedPayloadMax bounds a message, in bytes. A batch of the API must fit.
	EmbeddedPayloadMax = 8 << 20
	// EmbeddedMemoryMax and EmbeddedStoreMax bound what JetStream takes in memory and on disk.
	EmbeddedMemoryMax = 256 << 20
	EmbeddedStoreMax  = 16 << 30
	// EmbeddedUnreadMax bounds how long one write to a client may take: what waits for it is in the
	// memory of the server. It is cut off then. The door is a client too, and may have hundreds of
	// megabytes to read on a busy machine.
	EmbeddedUnreadMax = 10 * time.Second
	// EmbeddedPendingMax bounds what waits for a connection, in bytes, and more cuts it off. The
	// door's is one of them, so that many clients with the largest batches at once must fit.
	EmbeddedPendingMax = 512 << 20
	// EmbeddedConnectionsMax bounds the connections; more are refused.
	EmbeddedConnectionsMax = 8192
	// EmbeddedReconnectWait is after how long the process's own connections come back.
	EmbeddedReconnectWait = 50 * time.Millisecond
	// EmbeddedStartWait bounds its start, in which it recovers its streams.
	EmbeddedStartWait = time.Minute
	// tlsWait bounds a TLS handshake.
	tlsWait = 5 * time.Second
	// disconnectAgain is after how long connections of a token that is over are looked for again.
	disconnectAgain = 2 * time.Second
	// behindMax is how many bytes may wait to be written on a connection within the process; one write
	// may go beyond. Its two buffers are kept for the next bytes while they have at most behindKept.
	// behindCloseWait bounds how long bytes are still written after the end of the connection.
	behindMax       = 1 << 20
	behindKept      = 2 * behindMax
	behindCloseWait = time.Second
)
