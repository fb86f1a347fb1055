package actors

import (
	"runtime"
	"time"
)

// Limits are the bounds of the running system. The zero value of a field means its default.
type Limits struct {
	// InFlightPerSKU, InFlightPerPartition and InFlight bound the commands that were admitted and
	// not answered yet; one more is refused with engine.ErrOverloaded.
	InFlightPerSKU       int
	InFlightPerPartition int
	InFlight             int
	// Resident is how many SKUs are kept in memory; above it the least recently used clean ones
	// are passivated.
	Resident int
	// IdleAfter is how long a SKU may be unused before it is passivated.
	IdleAfter time.Duration
	// Workers is how many goroutines run the mailboxes that no sender runs; by default
	// workersPerCore for each processor.
	Workers int
}

// The defaults.
const (
	InFlightPerSKUDefault       = 16_384
	InFlightPerPartitionDefault = 32_768
	InFlightDefault             = 65_536
	ResidentDefault             = 4_000_000
	IdleAfterDefault            = 10 * time.Minute
)

func (l Limits) withDefaults() Limits {
	def := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	def(&l.InFlightPerSKU, InFlightPerSKUDefault)
	def(&l.InFlightPerPartition, InFlightPerPartitionDefault)
	def(&l.InFlight, InFlightDefault)
	def(&l.Resident, ResidentDefault)
	def(&l.Workers, workersPerCore*runtime.GOMAXPROCS(0))
	if l.IdleAfter == 0 {
		l.IdleAfter = IdleAfterDefault
	}
	return l
}

const (
	// pieceCommands is for how many commands memory is read ahead. What they need has to fit into
	// the processor's cache.
	pieceCommands = 32
	// crowdedFrom is from how many commands in flight on the log is better off with larger groups.
	crowdedFrom = 2048
	// callsMade is how many calls are made at a time.
	callsMade = 64
	// linesKept is for how many lines a call keeps the memory of its answer.
	linesKept = 8
	// directoryShards is how many locks the directory has; a power of two.
	directoryShards = 256
	// slotsAtFirst is how many slots a shard of the directory begins with.
	slotsAtFirst = 8
	// turnsInline is how many messages a sender runs before it leaves the rest to a worker.
	turnsInline = 64
	// turnsTogether is how many messages that waited are taken at a time, and how many commands on one
	// SKU are done in one turn; no less than pieceCommands, and a divisor of turnsInline.
	turnsTogether = 32
	// visitUsual is how many SKUs a visit may have whose decision needs no memory for their cells.
	visitUsual = 8
	// workersPerCore and workerQueue size the pool behind the mailboxes.
	workersPerCore = 4
	workerQueue    = 4096
	// visitKept is how many SKUs a visit may have had whose memory is kept for the next.
	visitKept = 64
	// readersMax bounds the goroutines that read the disk for activations and replayed answers.
	readersMax = 64
	// holdsPerCapture bounds how many holds one turn copies for a snapshot.
	holdsPerCapture = 2048
	// capturesInFlight bounds the images that wait to be written.
	capturesInFlight = 256
	// savedBetweenRests is how many SKUs a gentle save writes before it rests, and restShare how many
	// times as long as it worked it rests at most.
	savedBetweenRests = 128
	restShare         = 8
	// expiryHorizon is how far ahead the deadlines of passivated SKUs are loaded; expiryLoadEvery
	// is how often. The horizon is longer, so that none is missed.
	expiryHorizon   = 90 * time.Second
	expiryLoadEvery = 30 * time.Second
	// expiryRetry is how long after a SKU could not be loaded, or was fenced, its deadline is looked at again.
	expiryRetry = time.Second
	// wheelLookEvery is how often the wheel looks at the clock at the least. Timers do not know when
	// the wall clock was set forward, or the machine slept.
	wheelLookEvery = time.Second
	// wheelPiece is how many SKUs are ticked before the wheel looks at the clock again;
	// ticksInFlight bounds the ticks that wait for their SKU.
	wheelPiece    = 1024
	ticksInFlight = 1024
	// sweepEvery is how often idle SKUs are looked for.
	sweepEvery = 5 * time.Second
	// sweepSample is how many uses are looked at to find the least recent.
	sweepSample = 4096
)
