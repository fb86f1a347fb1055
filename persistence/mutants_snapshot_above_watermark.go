//go:build mutant_snapshot_above_watermark

package persistence

const snapshotAboveWatermark = true
