package bench

import "time"

// The limits of a measurement.
const (
	// latencyMax is the longest latency that is told apart, latencyDigits how exactly.
	latencyMax    = time.Minute
	latencyDigits = 3
	// answerWait bounds the wait for what is in flight at the end of a run.
	answerWait = 30 * time.Second
	// seedWindow is how many commands are in flight while items are made.
	seedWindow = 1024
)
