// Package peer runs what a user would pick instead of Skua, and asks it the same: PostgreSQL, Redis
// and JetStream KV, each tuned as well as we know how.
//
// [All] lists them. Each has a server process of its own, on sockets and in a directory that are
// thrown away afterwards; nothing that is already running is touched. One that is not installed
// fails to open with [bench.ErrAbsent]; `make bench-peers` installs them.
//
// The work is the same for all: a command reserves units of one or several SKUs or nothing, under an
// idempotency key that counts once, for a while, and is on disk before it is acknowledged. A
// reservation keeps what giving it back takes: what it holds, and an order by its end in which one
// that is due is found. It can be confirmed, and then fulfilled, or released, on disk as well, and an
// item can be read. Where there was a choice, the peer got what is faster: a step counts once by the
// state that it leaves, so that its key is not kept; what is due is looked for only where
// reservations are left to expire, and in JetStream not at all; stock has no location, an item that is
// read is one or two numbers, and there is no history and there are no events.
//
// After a run the books of a peer are checked ([bench.Target] has Verify for that): the units that
// are gone from the stock, those in the reservations, and those that were acknowledged have to be
// the same. A peer that does not agree with itself was not measured.
package peer
