//go:build !mutant_reply_above_watermark

package actors

// replyAboveWatermark is false. The build with the tag mutant_reply_above_watermark has it true,
// and the tests must find that out.
const replyAboveWatermark = false
