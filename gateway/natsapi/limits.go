package natsapi

import "time"

// The limits of the NATS door. Those that both doors share are in package gateway.
const (
	// inFlightMax bounds the requests that were taken and not answered. More are OVERLOADED.
	// There is room for what the engine takes: a request that is refused costs NATS as much as one that is
	// done, so to refuse sooner is to do less.
	inFlightMax = 65_536
	// slowMax bounds the batches and lists under way, which have a goroutine each. More are
	// OVERLOADED.
	slowMax = 64
	// slowBytesMax bounds the payloads of those, in bytes; one is always taken.
	slowBytesMax = 64 << 20
	// pendingMessagesMax and pendingBytesMax bound what waits for one endpoint. The client
	// library drops what is beyond them, so they are far above what a handler leaves, and above what may be
	// in flight: that is refused with an answer.
	pendingMessagesMax = 1 << 18
	pendingBytesMax    = 512 << 20
	// flushWait bounds how long a stop takes to send the last answers.
	flushWait = 2 * time.Second
	// headerBytes is more than the headers of an answer take, which count against the largest
	// payload too.
	headerBytes = 256
	// answersKeptMax and textKeptMax bound the memory that is kept for the next answers, in answers
	// and in bytes.
	answersKeptMax = 4096
	textKeptMax    = 1 << 20
)
