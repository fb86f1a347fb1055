// Package events publishes every movement of stock to NATS JetStream, once and in order.
//
// The durable log is the outbox: an [Outbox] follows it and publishes a CloudEvents 1.0 message for
// each movement to the stream STOCK_EVENTS, subject stock.events.v1.<location>.<sku>. Movements
// that people act on are published to STOCK_ALERTS too, before the event. What the messages look
// like is in docs/reference/events.md.
//
//	o, err := events.New(events.Config{Feed: feed, Connect: connect, Node: "n1", AppendReservationID: id})
//	go o.Run(ctx)            // until ctx ends; then what is durable is still published
//	log.CutBefore(o.Settled(time.Now()))
//
// # How nothing is lost, doubled or reordered
//
// Each message of STOCK_EVENTS says which sequence the stream must be at before it. So the messages
// are a chain: when one is not stored, none after it is. Many are on their way at once. On any
// failure (a refusal, a time-out, a lost connection) the session ends: nothing more is sent, the
// answers to what was sent are awaited, and a new session asks the leader of the stream for its
// last message. Every message has its place in its header: the log index, the number of the
// movement in that record, and how many movements the record has. The next session goes on behind
// that place. So the stream itself is the cursor, and a stream that lost its tail in a crash gets
// it again.
//
// A message that was given up may still arrive at the stream later. That does no harm: it is only
// stored at the sequence where the same movement belongs.
//
// JetStream acknowledges before it syncs to disk. [Outbox.Settled] is therefore behind
// [Outbox.Published]: it is the log index whose events were still in the stream one sync interval
// after they were acknowledged. Only below that may the log be cut.
//
// One Outbox owns the stream. Nobody else may publish to its subjects; the embedded server sees to
// that, with another server permissions must.
package events
