package engine

import (
	"testing"
	"unsafe"
)

// There may be millions of stocks, and thousands of commands. A turn waits for each cache line of them.
func TestCacheLines(t *testing.T) {
	const line = 64
	for what, bytes := range map[string][2]uintptr{
		"a stock":                   {unsafe.Sizeof(Stock{}), 2 * line},
		"a stock before its level":  {unsafe.Offsetof(Stock{}.first), line},
		"a level":                   {unsafe.Sizeof(level{}), line},
		"a hold":                    {unsafe.Sizeof(hold{}), line},
		"two pieces of rests":       {2 * unsafe.Sizeof(restPiece{}), line},
		"the first holds":           {unsafe.Sizeof(holds{}), (2 + roomAtFirst) * line},
		"what is before the holds":  {unsafe.Offsetof(holds{}.first), 2 * line},
		"what a reservation asks":   {unsafe.Offsetof(Command{}.SKU), 3 * line},
		"what every turn asks them": {unsafe.Offsetof(holds{}.changed), line},
	} {
		if bytes[0] != bytes[1] {
			t.Errorf("%s: %d bytes, not %d", what, bytes[0], bytes[1])
		}
	}
}
