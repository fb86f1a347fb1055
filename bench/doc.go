// Package bench puts load on the engine and says what it took: rates, latencies, and CPU time an
// operation, which is the figure that moves least on a noisy machine.
//
// A [Workload] makes commands, a [Driver] carries them to an engine (in this process, over NATS, or
// over HTTP), and [Run] keeps a window of them in flight for a while. Every change is durable
// before it is acknowledged, has an idempotency key of its own, and every reservation expires.
package bench
