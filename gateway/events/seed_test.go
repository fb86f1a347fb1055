package events

import "flag"

var seedFlag = flag.Uint64("seed", 0, "the seed of the random tests, to replay a failure")
