package main

import "time"

// The limits of the command line. Those of the server are settings, or in each package's limits.go.
const (
	// partitionsMax bounds the partitions of a data directory.
	partitionsMax = 4096
	// descriptorsMost is as good as no limit of open files. Of what the system allows, half is for HTTP
	// connections and a quarter for NATS; the rest is for the log, the snapshots and the streams.
	descriptorsMost = 1 << 20
	// openingShareMax bounds the opening stock of a replay, as a share of what is ordered.
	openingShareMax = 1000
	// certificateEvery is how often the files of the certificate are looked at.
	certificateEvery = 5 * time.Second
	// mismatchesShown bounds the mismatches that a replay prints.
	mismatchesShown = 10
	// serverStopMax is how long a server of the benchmarks may take to stop before it is killed.
	serverStopMax = time.Minute
	// saidMax bounds what is told of the log of one that does not start, in bytes.
	saidMax = 2000
	// itemsMin and itemsMax bound the items of a workload of the benchmarks: an order takes three.
	itemsMin, itemsMax = 3, 10_000_000
)

// What the floors of `skua bench` have as the real thing has it.
const (
	// Those of the HTTP door.
	floorReadHeaderTimeout = 10 * time.Second
	floorReadTimeout       = 60 * time.Second
	floorWriteTimeout      = 2 * time.Minute
	floorIdleTimeout       = 2 * time.Minute
	floorHeaderBytesMax    = 16 << 10
	// floorRecordBytes is a record of one reservation, in bytes, keyed and with its movement.
	floorRecordBytes = 96
	// floorRecordLineBytes is what each further line of a reservation adds to its record, in bytes.
	floorRecordLineBytes = 38
	// floorPieceCommands is for how many commands memory is read ahead.
	floorPieceCommands = 32
	// floorHoldsPage is how many holds a page of the plain floor has, floorKeysAtFirst with how many slots its
	// table of keys begins; a power of two.
	floorHoldsPage   = 4096
	floorKeysAtFirst = 1 << 16
	// floorLookEvery is how often what publishes looks whether there is more on disk.
	floorLookEvery = time.Millisecond
	// floorCutEvery is how often the log lets go what is durable.
	floorCutEvery = 100 * time.Millisecond
)
