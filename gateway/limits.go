package gateway

import "time"

// The limits of the doors. Those of what a command may say are in package engine.
const (
	// BodyBytesMax bounds the body of a request, and the payload of a NATS message.
	BodyBytesMax = 1 << 20
	// BatchBytesMax bounds the body of a batch.
	BatchBytesMax = 8 << 20
	// batchReadsBytesMax bounds what the results of a batch come to before what it still reads is refused,
	// in bytes: an item may have a thousand levels, of which each takes a line of the answer.
	batchReadsBytesMax = 8 << 20
	// BatchOperationsMax bounds the operations of a batch.
	BatchOperationsMax = 10_000
	// PageMax bounds a page of a list; PageDefault is its size when the request does not say.
	PageMax     = 1000
	PageDefault = 50
	// StreamsMax bounds the open event streams over HTTP.
	StreamsMax = 1024
	// AnswerWait bounds how long a door waits for an answer. The command may still be done after
	// it; a retry with the same key tells.
	AnswerWait = 30 * time.Second
	// AnswersMax bounds what one batch or list has in flight at the engine.
	AnswersMax = 256
	// intakeMax bounds the commands of single requests that are handed over together.
	intakeMax = 256
	// CursorBytesMax bounds a cursor as clients send it, in bytes. The longest has a SKU in it.
	CursorBytesMax = 256
	// RequestIDBytesMax bounds a request id as clients send it, in bytes.
	RequestIDBytesMax = 128
	// ClientLinesMax bounds the lines a second that the log has of refused access, and of each other
	// thing that clients bring about; the rest is counted.
	ClientLinesMax = 20
	// linesKeptMax bounds the memory for lines that is kept for the next command, in lines.
	linesKeptMax = 64
	// batchesKeptMax bounds the batches whose memory is kept for the next ones, and batchesKeptBytes
	// that memory: a batch of a hundred has about 150 KiB. memberBytes is what it counts for an
	// operation, which keeps room for memberLinesMax lines.
	batchesKeptMax   = 256
	batchesKeptBytes = 32 << 20
	memberBytes      = 1 << 10
	memberLinesMax   = 4
	// membersAtOnce is how many operations a batch gets memory for at once.
	membersAtOnce = 64
	// resultBytes is what the result of an operation usually takes, in bytes.
	resultBytes = 320
	// fieldBytesMax bounds how much of a client's own member names a problem repeats, in bytes.
	fieldBytesMax = 200
	// RetryAfter is what a refused client is told to wait when there is too much load.
	RetryAfter = time.Second
)
