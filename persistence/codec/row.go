package codec

import "github.com/skua-stock/skua/engine"

// AppendItem appends the item row: all of the image but Holds and Gone, and the log index of the
// item's last record.
func AppendItem(dst []byte, im *engine.Image, lastIndex uint64) []byte { panic("codec: not yet") }

// DecodeItem reads an item row.
func DecodeItem(b []byte) (im engine.Image, lastIndex uint64, err error) { panic("codec: not yet") }

// AppendHold appends a hold row.
func AppendHold(dst []byte, h *engine.HoldImage) []byte { panic("codec: not yet") }

// DecodeHold reads a hold row.
func DecodeHold(b []byte) (engine.HoldImage, error) { panic("codec: not yet") }
