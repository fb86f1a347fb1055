package httpapi

import "time"

// The limits of the HTTP door. Those that both doors share are in package gateway.
const (
	// readHeaderTimeout, readTimeout and idleTimeout bound how long a client may take to send the
	// headers, the whole request, and the next request.
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 60 * time.Second
	idleTimeout       = 2 * time.Minute
	// writeMargin is what a client has, beyond the wait for the answer, to take it.
	writeMargin = 30 * time.Second
	// headerBytesMax bounds the headers of a request, in bytes.
	headerBytesMax = 16 << 10
	// ConnectionsMax bounds the open connections, with and without a request.
	ConnectionsMax = 16_384
	// bodiesBytesMax bounds the memory of all large bodies together, in bytes.
	bodiesBytesMax = 256 << 20
	// refusalWait bounds how long a connection takes to be told that it is one too many.
	refusalWait = 100 * time.Millisecond
	// bodyDrainedMax bounds how much of a body that is too large is read and thrown away, in bytes.
	bodyDrainedMax = 64 << 20
	// bufferKeptMax bounds the buffers that are kept for the next request, in bytes.
	bufferKeptMax = 64 << 10
	// streamWriteMax bounds how long one write to an event stream may take before the client is
	// taken for dead.
	streamWriteMax = 30 * time.Second
	// heartbeatEvery is how often an event stream without events gets a comment.
	heartbeatEvery = 15 * time.Second
	// streamRetry is how long clients are told to wait before they reconnect to a stream.
	streamRetry = time.Second
	// locationFiltersMax bounds the locations that one event stream asks for.
	locationFiltersMax = 100
)
