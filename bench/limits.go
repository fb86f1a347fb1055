package bench

import "time"

// The limits of a measurement.
const (
	// latencyMax is the longest latency that is told apart, latencyDigits how exactly.
	latencyMax    = time.Minute
	latencyDigits = 3
	// answerWait bounds the wait for what is in flight at the end of a run.
	answerWait = 30 * time.Second
	// progressEvery is how often a run says how far it is.
	progressEvery = 100 * time.Millisecond
	// savesEvery is how often it is looked for a snapshot that was completed.
	savesEvery = time.Second
	// tick is the shortest pause of an open loop: what falls due in it is sent together, and waits
	// for that, which is in its latency. A shorter one costs more than the commands do.
	tick = 100 * time.Microsecond
	// burst is how many commands an open loop starts before it looks at the clock again.
	burst = 64
	// seedWindow is how many commands are in flight while items are made.
	seedWindow = 1024
	// BatchDefault is how many operations a batch has.
	BatchDefault = 100
	// coreToCoreMax is how long it is tried to tell how far cores are from each other.
	coreToCoreMax = 100 * time.Millisecond
	// lineMax is the longest line of a protocol that is read, in bytes.
	lineMax = 64 << 10
	// writeAhead is how many bytes a connection gathers before it writes them without being told.
	writeAhead = 32 << 10
)
