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
// are a chain: when one is not stored, none after it is. Many are on their way at once, and where
// nobody else can publish one acknowledgement speaks for all before it: every [AskEvery]-th message
// asks, and the last of what is there. With a NATS of the user each message asks, so that one of
// somebody else between two of ours is found. On any
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
// # How publishing gives way
//
// An event costs about as much processor time as the change itself, so when changes come fast the
// outbox lags and lets them go first: it publishes [Config.Pace] events a second at most, less
// [PaceWeight] for each change a second by which the log grows (measured every [PaceEvery]), and at
// least [PaceMin]. So up to a third of the pace in changes, every change has its event at once, and
// an idle or moderately loaded outbox never waits; beyond, it gives way faster than the changes come,
// since a processor that is shared half and half serves neither. The lag grows, shows in the metrics,
// and is made up for, within the same pace, when the changes become fewer. It is only ever bounded by
// the bytes of the log, beyond which new changes are refused.
//
// While the log grows fast, events also wait a few milliseconds for others ([GatherFor]), to go out
// together.
//
// # When an event is on disk
//
// JetStream acknowledges before it syncs to disk, and the embedded server even before it writes.
// [Outbox.Settled] is therefore behind [Outbox.Published]: it is the log index whose events were
// still in the stream one sync interval after they were acknowledged. Only below that may the log
// be cut.
//
// One Outbox owns the stream. Nobody else may publish to its subjects; the embedded server sees to
// that, with another server permissions must.
package events
