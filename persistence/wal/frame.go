package wal

import (
	"encoding/binary"
	"hash/crc32"
)

// A frame is the unit of validation: a header and a payload of length-prefixed records.
//
//	 0  uint32  CRC-32C of everything after this field
//	 4  uint32  payload length in bytes
//	 8  uint64  salt of the segment
//	16  uint64  index of the first record (of the next one, in a seal frame)
//	24  uint64  synced through: every record up to this index was on disk before this was written
//	32  uint32  number of records; 0 in a seal frame
//	36  uint32  flags, 0
//	40  payload: for each record its length as uvarint, then its bytes
//
// All integers are little endian. These offsets are the disk format and must not change.
const (
	frameCRCAt    = 0
	frameLengthAt = 4
	frameSaltAt   = 8
	frameFirstAt  = 16
	frameSyncedAt = 24
	frameCountAt  = 32
	frameFlagsAt  = 36

	frameHeaderBytes = 40

	// payloadBytesMax bounds what a reader believes of a length, before it allocates.
	payloadBytesMax = RecordBytesMax + binary.MaxVarintLen32
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// frameHeader is the decoded header of a frame.
type frameHeader struct {
	crc    uint32
	length int
	salt   uint64
	first  uint64
	synced uint64
	count  uint32
	flags  uint32
}

// parseFrameHeader decodes b, which holds at least frameHeaderBytes. It validates nothing.
func parseFrameHeader(b []byte) frameHeader {
	_ = b[frameHeaderBytes-1]
	return frameHeader{
		crc:    binary.LittleEndian.Uint32(b[frameCRCAt:]),
		length: int(binary.LittleEndian.Uint32(b[frameLengthAt:])),
		salt:   binary.LittleEndian.Uint64(b[frameSaltAt:]),
		first:  binary.LittleEndian.Uint64(b[frameFirstAt:]),
		synced: binary.LittleEndian.Uint64(b[frameSyncedAt:]),
		count:  binary.LittleEndian.Uint32(b[frameCountAt:]),
		flags:  binary.LittleEndian.Uint32(b[frameFlagsAt:]),
	}
}

// finishFrame fills in the header of frame, whose payload is in place, and checksums it.
func finishFrame(frame []byte, salt, first, synced uint64, count uint32) {
	binary.LittleEndian.PutUint32(frame[frameLengthAt:], uint32(len(frame)-frameHeaderBytes))
	binary.LittleEndian.PutUint64(frame[frameSaltAt:], salt)
	binary.LittleEndian.PutUint64(frame[frameFirstAt:], first)
	binary.LittleEndian.PutUint64(frame[frameSyncedAt:], synced)
	binary.LittleEndian.PutUint32(frame[frameCountAt:], count)
	binary.LittleEndian.PutUint32(frame[frameFlagsAt:], 0)
	binary.LittleEndian.PutUint32(frame[frameCRCAt:], checksum(frame))
}

// checksum covers everything of the frame but the checksum itself.
func checksum(frame []byte) uint32 {
	return crc32.Checksum(frame[frameLengthAt:], castagnoli)
}

// last is the index of the last record that is known once this frame is: first-1 for a seal.
func (h frameHeader) last() uint64 { return h.first + uint64(h.count) - 1 }

// size is the length of the whole frame in bytes.
func (h frameHeader) size() int64 { return frameHeaderBytes + int64(h.length) }

// badFrame says why bytes are not a frame. Whether that is damage or the end of what was written
// depends on what follows; an error of another type is the disk's.
type badFrame string

func (e badFrame) Error() string { return string(e) }

const (
	badEnd    badFrame = "the file ends"
	badSalt   badFrame = "there is no frame of this segment"
	badLength badFrame = "the length of the frame is out of bounds"
	badCRC    badFrame = "the checksum of the frame does not match"
	badFlags  badFrame = "the frame has flags that this program does not know"
	badRecord badFrame = "the records do not fill the frame"
)

// checkHeader says what is wrong with a header before any of its payload is read. available is
// how many bytes the file holds from the start of the frame.
func (h frameHeader) checkHeader(salt uint64, available int64) error {
	switch {
	case h.salt != salt:
		return badSalt
	case h.length > payloadBytesMax || h.size() > available:
		return badLength
	}
	return nil
}

// nextRecord splits the first record off a payload. The checksum has vouched for the payload, so
// an error is a defect of the writer, or a CRC that collided.
func nextRecord(payload []byte) (record, rest []byte, err error) {
	n, width := binary.Uvarint(payload)
	if width <= 0 || n > uint64(len(payload)-width) || n > RecordBytesMax {
		return nil, nil, badRecord
	}
	end := width + int(n)
	return payload[width:end:end], payload[end:], nil
}

// uvarintLen is the number of bytes that n takes as a uvarint.
func uvarintLen(n int) int {
	width := 1
	for ; n >= 0x80; n >>= 7 {
		width++
	}
	return width
}
