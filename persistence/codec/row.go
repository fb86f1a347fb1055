package codec

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/skua-stock/skua/engine"
)

// AppendItem appends the item row: all of the image but Holds and Gone, and the log index of the
// item's last record.
func AppendItem(dst []byte, im *engine.Image, lastIndex uint64) []byte {
	dst = append(dst, byte(KindItem), itemVersion)
	dst = appendUvarint(dst, lastIndex)
	dst = appendText(dst, im.SKU)
	dst = appendUvarint(dst, im.Sequence)
	dst = appendTime(dst, im.FreedThrough)
	dst = appendTime(dst, im.NextExpiry)
	dst = appendUvarint(dst, uint64(im.Open))
	dst = appendSettings(dst, &im.Settings)
	dst = appendUvarint(dst, uint64(len(im.Levels)))
	for i := range im.Levels {
		l := &im.Levels[i]
		dst = appendText(dst, l.Key.Location)
		dst = appendText(dst, l.Key.Lot)
		dst = appendText(dst, l.Key.Pool)
		dst = appendCounts(dst, &l.Counts)
	}
	return dst
}

// DecodeItem reads an item row.
func DecodeItem(b []byte) (im engine.Image, lastIndex uint64, err error) {
	var r reader
	r.begin(b, RowBytesMax, nil)
	r.head(KindItem, itemVersion)
	lastIndex = r.uvarint()
	im.SKU = r.text()
	im.Sequence = r.uvarint()
	im.FreedThrough = r.time()
	im.NextExpiry = r.time()
	im.Open = int(r.number(math.MaxInt, "number of holds"))
	r.settings(&im.Settings)
	for range r.count(levelBytesMin) {
		var l engine.Level
		l.Key = engine.LevelKey{Location: r.text(), Lot: r.text(), Pool: r.text()}
		r.counts(&l.Counts)
		if im.Levels = append(im.Levels, l); r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return engine.Image{}, 0, fmt.Errorf("decode item: %w", err)
	}
	return im, lastIndex, nil
}

// AppendHold appends a hold row.
func AppendHold(dst []byte, h *engine.HoldImage) []byte {
	dst = append(dst, byte(KindHold), holdVersion)
	dst = binary.LittleEndian.AppendUint64(dst, h.Nonce)
	dst = appendTime(dst, h.Deadline)
	dst = append(dst, byte(h.State))
	dst = appendText(dst, h.Owner)
	dst = appendText(dst, h.Home)
	dst = appendLines(dst, h.Others)
	dst = appendUvarint(dst, uint64(len(h.Lines)))
	for i := range h.Lines {
		l := &h.Lines[i]
		if l.Level < 0 || l.Level > math.MaxInt32 {
			panic(fmt.Sprintf("codec: a hold at level %d", l.Level))
		}
		dst = appendUvarint(dst, uint64(l.Level))
		dst = appendLineStatus(dst, &l.LineStatus)
	}
	return dst
}

// HoldNonce reads which hold a hold row is of, and nothing else.
func HoldNonce(b []byte) (uint64, error) {
	var r reader
	r.begin(b, RowBytesMax, nil)
	r.head(KindHold, holdVersion)
	nonce := r.fixed64()
	if r.err != nil {
		return 0, fmt.Errorf("decode hold: %w", r.err)
	}
	return nonce, nil
}

// DecodeHold reads a hold row.
func DecodeHold(b []byte) (engine.HoldImage, error) {
	var r reader
	r.begin(b, RowBytesMax, nil)
	r.head(KindHold, holdVersion)
	h := engine.HoldImage{Nonce: r.fixed64(), Deadline: r.time()}
	h.State = engine.ReservationState(r.enum(reservationStates, "state of a reservation"))
	h.Owner, h.Home = r.text(), r.text()
	h.Others = r.lines()
	for range r.count(holdLineBytesMin) {
		level := int(r.number(math.MaxInt32, "level"))
		h.Lines = append(h.Lines, engine.HoldLineImage{Level: level, LineStatus: r.lineStatus()})
		if r.err != nil {
			break
		}
	}
	if err := r.end(); err != nil {
		return engine.HoldImage{}, fmt.Errorf("decode hold: %w", err)
	}
	return h, nil
}
