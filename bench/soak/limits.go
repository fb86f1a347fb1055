package soak

import "time"

// The limits and waits of the soak.
const (
	// requestWait bounds one try of one request.
	requestWait = 20 * time.Second
	// retryPause is how long a client waits before it tries again.
	retryPause = 20 * time.Millisecond
	// startWait bounds a start of the server, stopWait a graceful stop.
	startWait = 2 * time.Minute
	stopWait  = time.Minute
	// httpConnections and natsConnections are those of the load.
	httpConnections = 64
	natsConnections = 2
	// workers is how many operations are under way at most; queued is how many may wait for one of
	// them. What falls due beyond is missed, and counted.
	workers = 512
	queued  = 4096
	// catalogue is how many items there are, of which the first scarce ones are wanted by everybody.
	catalogue = 30_000
	scarce    = 40
	// openingUnits and scarceUnits are what they have at first.
	openingUnits = 200
	scarceUnits  = 50
	// ttlMin and ttlMax are between how long reservations hold.
	ttlMin = 2 * time.Second
	ttlMax = 40 * time.Second
	// heldMax and committedMax bound the reservations that a client has open in each state: beyond,
	// the oldest are left to expire, or are fulfilled first.
	heldMax      = 200_000
	committedMax = 20_000
	// toldRecent and toldOlder are how many acknowledged changes are remembered, to be asked again;
	// one in olderEvery is kept among the older.
	toldRecent = 3_000
	toldOlder  = 1_000
	olderEvery = 400
	// askedAtOnce is how many are asked again at the same time.
	askedAtOnce = 8
	// watchedItems is how many items have their last watchedEvents events remembered, for comparison
	// with their history.
	watchedItems  = 48
	watchedEvents = 300
	// auditEvery is how often the history of one watched item is read and compared.
	auditEvery = 2 * time.Second
	// sampleEvery is how often things are measured, reportEvery how often progress is told and the
	// report so far is written.
	sampleEvery = 5 * time.Second
	reportEvery = 30 * time.Second
	// checkEvery is how many kills there are to one after which `skua check` looks at what was left.
	checkEvery = 4
	// calibrateFor is how long the rate of a closed loop is measured, after calibrateWarmup.
	calibrateFor    = 8 * time.Second
	calibrateWarmup = 4 * time.Second
	// catchUpWait bounds the wait for the readers of events at the end.
	catchUpWait = 2 * time.Minute
	// defectsKept is how many defects are told in words; all are counted.
	defectsKept = 100
	// errorsKept is the same for requests that failed while nobody was killed.
	errorsKept = 20
	// keyWindow is how long the server remembers keys at the least.
	keyWindow = 3 * time.Minute
	// termShare is one in how many deaths is a graceful stop.
	termShare = 4
)
