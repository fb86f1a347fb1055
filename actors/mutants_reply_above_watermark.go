//go:build mutant_reply_above_watermark

package actors

const replyAboveWatermark = true
