package wal

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reseal makes the checksum of a changed segment header right again.
func reseal(b []byte) {
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// TestFormatDoesNotChange pins the bytes on disk. If it fails, old logs cannot be read any more.
func TestFormatDoesNotChange(t *testing.T) {
	header := segmentHeader{salt: 0x1122334455667788, number: 7, first: 42}.encode()
	want := "534b554157414c00" + "01000000" + "00000000" + "8877665544332211" +
		"0700000000000000" + "2a00000000000000" + "0000000000000000" + "0000000000000000" +
		"00000000" + "e62027ab"
	if diff := cmp.Diff(want, hex.EncodeToString(header[:headerUsed])); diff != "" {
		t.Errorf("segment header (-want +got):\n%s", diff)
	}
	if len(header) != headerBytes || !bytes.Equal(header[headerUsed:], make([]byte, headerBytes-headerUsed)) {
		t.Error("the rest of the header page must be zero")
	}
	var g group
	g.add(42, []byte("abc"))
	g.add(43, nil)
	g.add(44, bytes.Repeat([]byte{'z'}, 130))
	g.finish(0x1122334455667788, 41)
	want = "bb21bed2" + "89000000" + "8877665544332211" + "2a00000000000000" + "2900000000000000" +
		"03000000" + "00000000" + "03616263" + "00" + "8201" + hex.EncodeToString(bytes.Repeat([]byte{'z'}, 130))
	if diff := cmp.Diff(want, hex.EncodeToString(g.buf)); diff != "" {
		t.Errorf("frame (-want +got):\n%s", diff)
	}
}
