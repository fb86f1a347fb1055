// Package sim lives whole lives of the system from a seed: the real engine, actors, log and Pebble,
// as cmd/skua/node plugs them together, on a simulated disk, clock and network, with clients that
// retry, repeat, give up and come back.
//
// A life runs in a synctest bubble, whose clock moves only when every goroutine waits. The timeline
// gives everybody who acts moments of their own, so that one acts at a time, and the same seed leads to
// the same life, to the byte of the log. What the weather of a life is like (how many clients, how
// slow a disk, which faults and how many) is drawn from the seed, too.
//
// The books are kept from the durable log alone. Everything that leaves the node, answers, refusals,
// pages of history, is held against them, before and after crashes. docs/internals/simulation.md says
// what is checked, and what is not deterministic.
package sim
