// Package soak lives with a real server for hours: it loads it evenly at a part of what it can do,
// kills it at random moments, and looks at everything that could be wrong or that could grow.
//
// [Run] starts the server as a process of its own ([Process]) and drives it through its doors
// ([Door]) only. An open loop issues a mix of reservations, orders of three lines, confirmations,
// fulfilments, releases, holds that are left to expire, receipts, reads and histories, over many
// items and a few scarce ones that everybody wants. Every change has its own key, and is tried again
// under that key until it is answered, however often the server dies meanwhile: so the outcome of
// every change is known, and the books kept beside are exact.
//
// What is checked:
//
//   - Right after a restart, changes that were acknowledged are asked again and get the same answer.
//   - Two readers follow the events, one over Server-Sent Events and one from JetStream, and see every
//     sequence of every item once, without a gap, through all restarts.
//   - Histories are read, chained from movement to movement, and compared with the events.
//   - `skua check` looks at the data directory between two lives.
//   - At the end every item is compared with the books, and with the last event of it.
//
// Meanwhile memory, goroutines, file handles, disk and latency are sampled. The verdict compares
// times of the same age in different lives of the process, and the early with the late part of one
// long life: what has a bound has reached it by then, and what grows still is a leak.
package soak
