package peer

import "time"

// The limits of driving and running a peer.
const (
	// startWait bounds the wait for a server to be ready, stopWait that for it to end by itself.
	startWait = 60 * time.Second
	stopWait  = 20 * time.Second
	// probeEvery is how often a server that starts is asked whether it is ready.
	probeEvery = 20 * time.Millisecond
	// countWait bounds counting the books.
	countWait = 5 * time.Minute
	// logShown is how many bytes of the log of a server that failed are shown.
	logShown = 2000
	// expireEvery is how often a peer looks for what is due, where reservations are left to expire, and
	// expireAtOnce how many it gives back in one request.
	expireEvery  = 100 * time.Millisecond
	expireAtOnce = 1000
	// seedAtOnce is how many items are made by one request, where many go into one.
	seedAtOnce = 1000

	// postgresPool is how many connections PostgreSQL gets for single requests, postgresSkewed how
	// many when some rows are popular, and postgresHot when all go to one: more only queue for its
	// lock, which costs more than it gives.
	postgresPool   = 32
	postgresSkewed = 16
	postgresHot    = 4
	// postgresBatchers is how many connections send batches: one batch is made while one is synced.
	postgresBatchers = 2
	// postgresWarm is how many requests a connection does before it is measured, so that its caches
	// are filled and its plans made: after five PostgreSQL keeps them.
	postgresWarm = 8
	// postgresSegments is how many segments of its log, of 16 MiB, are used once beforehand: a cluster
	// that has run for a while overwrites old ones, which is faster than to write new ones.
	postgresSegments = 16
	// deadlocksMost is how often a transaction is tried that lost to a deadlock.
	deadlocksMost = 20

	// redisPipes is the exponent, to the base of 2, of how many connections Redis gets;
	// redisSenders is how many goroutines fill them, redisAtOnce with how many scripts each.
	redisPipes   = 2
	redisSenders = 8
	redisAtOnce  = 128

	// jetStreamConnections is how many connections JetStream gets, jetStreamPool how many requests
	// are under way, and jetStreamHot how many when all go to one key: more only lose races.
	jetStreamConnections = 4
	jetStreamPool        = 64
	jetStreamHot         = 4
	// racesMost is how often a compare-and-set is tried.
	racesMost = 10_000
	// seedPending is how many messages are not acknowledged yet while JetStream is filled.
	seedPending = 4096
)
