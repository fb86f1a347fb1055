package main

// The limits of the command line. Those of the server are settings, or in each package's limits.go.
const (
	// partitionsMax bounds the partitions of a data directory.
	partitionsMax = 4096
	// openingShareMax bounds the opening stock of a replay, as a share of what is ordered.
	openingShareMax = 1000
	// mismatchesShown bounds the mismatches that a replay prints.
	mismatchesShown = 10
)
