// Package actors has each SKU as a virtual actor: it holds the SKU's stock in memory and changes
// it one message at a time, without a lock.
//
// # The way of a command
//
// [System.Submit] finds the SKU's cell in the directory, or makes it, and counts the command in: past a
// limit it is refused at once. The cell's mailbox runs the message on the sender's goroutine when
// the actor is idle, and queues it otherwise. In its turn the actor takes the time, expires what
// is due, looks for the command's idempotency key, has the engine decide, applies the record,
// appends it to the log, and takes the next message: it never waits for the disk. The answer is
// parked until the log is durable through everything that it was read from.
//
// # Commands that come together
//
// With many SKUs nearly everything that a turn touches has to be fetched from memory, and fetching
// one line after another takes several times as long as the turn's work. [System.SubmitEach] takes
// many commands and, before the first turn, reads a little of what each will need, all SKUs side by
// side, so that the processor waits for all of it at once: see warm.go. Messages that waited in a
// mailbox, and answers that go out together, are read ahead in the same way.
//
// # Several SKUs
//
// A command over several SKUs visits their actors in ascending order of (partition, SKU). Each
// that it reaches is held, its mailbox queuing, until the last decides for all and appends one
// record. Nobody can wait in a circle, nothing is tentative, and a crash leaves all of it or nothing.
//
// # Coming and going
//
// A SKU is loaded from its snapshot when first asked for; one that is no item leaves with its
// last caller. It leaves memory only when nothing of it is in flight and all of it is in the
// snapshots ([System.Save]). The deadlines of SKUs that left are loaded ahead of time, so that their
// holds expire, and their events go out, on time.
//
// # When something breaks
//
// A panic while deciding changes nothing and answers that command with an error. A panic while
// applying fences the SKUs of that turn: when all they had appended is durable they are read again
// from snapshot and log. Nothing ever starts empty.
package actors
