//go:build !mutant_snapshot_above_watermark

package persistence

// snapshotAboveWatermark is false. The build with the tag mutant_snapshot_above_watermark has it
// true, and the tests must find that out.
const snapshotAboveWatermark = false
