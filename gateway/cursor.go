package gateway

import (
	"encoding/base64"
	"encoding/binary"
	"strings"

	"github.com/skua-stock/skua/engine"
)

// Cursors are opaque to clients: a letter that says what for, and a place, in URL-safe base64.
// The letter keeps the cursor of one list from being taken by another.
const (
	itemsCursor   = 'i'
	historyCursor = 'h'
	eventsCursor  = 'e'
)

func encodeCursor(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func decodeCursor(field, cursor string, kind byte) ([]byte, *Problem) {
	bad := func() ([]byte, *Problem) {
		return nil, Invalid(field, "%s is not a cursor of this list; use what it gave you, unchanged", field)
	}
	if len(cursor) > CursorBytesMax {
		return bad()
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	// The decoder passes over line breaks; a place has one cursor, so they are none.
	if err != nil || len(raw) == 0 || raw[0] != kind || strings.ContainsAny(cursor, "\r\n") {
		return bad()
	}
	return raw[1:], nil
}

// uvarints reads numbers that fill raw, in their shortest form, so that a place has one cursor.
func uvarints(raw []byte, into ...*uint64) bool {
	for _, n := range into {
		v, size := binary.Uvarint(raw)
		if size <= 0 || size > 1 && raw[size-1] == 0 {
			return false
		}
		*n, raw = v, raw[size:]
	}
	return len(raw) == 0
}

// ItemsCursor is the place after an item in the list of items.
func ItemsCursor(after string) string { return encodeCursor(append([]byte{itemsCursor}, after...)) }

// ParseItemsCursor reads it; an empty cursor is the beginning.
func ParseItemsCursor(cursor string) (after string, p *Problem) {
	if cursor == "" {
		return "", nil
	}
	raw, p := decodeCursor("cursor", cursor, itemsCursor)
	if p != nil {
		return "", p
	}
	if bad := engine.ValidName(string(raw)); bad != "" {
		return "", Invalid("cursor", "cursor is not a cursor of this list; use what it gave you, unchanged")
	}
	return string(raw), nil
}

// HistoryCursor is the place before a sequence in the history of an item.
func HistoryCursor(before uint64) string {
	return encodeCursor(binary.AppendUvarint([]byte{historyCursor}, before))
}

// ParseHistoryCursor reads it; an empty cursor is the newest movement.
func ParseHistoryCursor(cursor string) (before uint64, p *Problem) {
	if cursor == "" {
		return 0, nil
	}
	raw, p := decodeCursor("cursor", cursor, historyCursor)
	if p != nil {
		return 0, p
	}
	if !uvarints(raw, &before) || before == 0 {
		return 0, Invalid("cursor", "cursor is not a cursor of this list; use what it gave you, unchanged")
	}
	return before, nil
}

// EventCursor is a place in the stream of events: the next movement to tell is number n of the
// record at index. It is the id of the event before.
func EventCursor(index uint64, n int) string {
	raw := binary.AppendUvarint([]byte{eventsCursor}, index)
	return encodeCursor(binary.AppendUvarint(raw, uint64(n)))
}

// ParseEventCursor reads an event's id. Field names where it came from.
func ParseEventCursor(field, cursor string) (index uint64, n int, p *Problem) {
	raw, p := decodeCursor(field, cursor, eventsCursor)
	if p != nil {
		return 0, 0, p
	}
	var number uint64
	if !uvarints(raw, &index, &number) || index == 0 || number > 1<<31 {
		return 0, 0, Invalid(field, "%s is not the id of an event", field)
	}
	return index, int(number), nil
}
