package codec

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

// A golden that changes is a broken promise: data directories with those bytes are out there, and
// this program must read them. -update is for new goldens of new versions; the only other lawful
// use is before the first release. Write a new version next to the old one instead.
var update = flag.Bool("update", false, "write goldens; read the comment at the flag first")

// golden compares bytes with a file of testdata and returns what the file holds.
func golden(t *testing.T, name string, got []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name+".hex")
	if *update {
		if err := os.WriteFile(path, lines(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readGolden(t, path)
	if diff := cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(got)); diff != "" {
		t.Errorf("%s: the bytes are not what they were: %s", name, diff)
	}
	return want
}

func readGolden(t testing.TB, path string) []byte {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// lines writes bytes as hex, 32 to a line.
func lines(b []byte) []byte {
	var text []byte
	for len(b) > 0 {
		n := min(32, len(b))
		text = append(hex.AppendEncode(text, b[:n]), '\n')
		b = b[n:]
	}
	return text
}

// reserveEntry is the record of the commonest command: a reservation of one line.
func reserveEntry() *Entry {
	e := &Entry{Epoch: 3, Positions: []Position{{Partition: 17, Number: 1_234_567}}, Prev: []uint64{7_654_321}}
	e.Record = engine.Record{Time: 1_790_000_000_123, SKUs: []string{"SKU-001234"}, Acts: []engine.Act{{
		Op: engine.OpReserve, Fingerprint: 0x0123456789abcdef, Reason: "reservation_created",
		KeyHash:     [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
		Reservation: engine.ReservationRef{Home: "SKU-001234", Nonce: 0xfedcba9876543210},
		State:       engine.Active, ExpiresAt: 1_790_000_900_123,
		Events: []engine.Event{{
			Type: engine.StockReserved, Sequence: 4242, Level: engine.LevelKey{Location: "main"},
			Before:   engine.Counts{OnHand: 1000, Reserved: 40, Committed: 120, Safety: 10},
			After:    engine.Counts{OnHand: 1000, Reserved: 42, Committed: 120, Safety: 10},
			Quantity: 2, Line: engine.LineStatus{Quantity: 2, Open: 2},
		}},
	}}}
	return e
}

// goldenEntry has every field of an entry, over several SKUs and acts.
func goldenEntry() *Entry {
	e := &Entry{
		Epoch: 4_000_000_000, Positions: []Position{{0, 1}, {65535, 1 << 60}}, Prev: []uint64{0, 300, 1 << 40},
	}
	e.Record = engine.Record{Time: 1_790_000_000_123, SKUs: []string{"a", "größe", strings.Repeat("x", 128)}}
	e.Record.Acts = []engine.Act{
		{
			Op: engine.OpMove, KeyHash: [16]byte{0: 0xff, 15: 0x01}, Fingerprint: 1, Principal: "shop",
			Actor: "anna", Reference: "urn:doc:1", Reason: "damaged",
			Events: []engine.Event{{
				Type: engine.StockMoved, Stock: 1, Sequence: 9,
				Level:    engine.LevelKey{Location: "main", Lot: "L1", Pool: "web"},
				Before:   engine.Counts{OnHand: engine.QuantityMax, Damaged: 1, QualityControl: 2, Other: 3},
				After:    engine.Counts{OnHand: engine.QuantityMax, Damaged: 2, QualityControl: 2, Other: 3},
				Quantity: -1, From: engine.Available, To: engine.Damaged,
				Alerts: engine.OutOfStock | engine.SafetyStockReached,
			}},
		},
		{
			Op: engine.OpPutItem, Reason: "a reason of later", Fingerprint: 2,
			Events: []engine.Event{{Type: engine.ItemCreated, Stock: 2, Sequence: 1, Settings: &engine.Settings{
				BackorderLimit: 5, ReorderPoint: 10, LocationOrder: []string{"north", "main"},
				SafetyStock: map[string]int64{"north": 7, "main": 3},
			}}},
		},
		{
			Op: engine.OpExpire, Reason: "expiry", State: engine.Expired, ExpiresAt: 1_790_000_000_000,
			Reservation: engine.ReservationRef{Home: "elsewhere", Nonce: 5}, Owner: "cart-7",
			Others: []engine.Line{{SKU: "b", Location: "main", Quantity: 2}},
			Events: []engine.Event{
				{
					Type: engine.ReservationExpiredEvent, Sequence: 3, Before: engine.Counts{Reserved: 2, Safety: 1},
					After: engine.Counts{Safety: 1}, Quantity: 2, Line: engine.LineStatus{Quantity: 2},
				},
				{Type: engine.LineUnchanged, Stock: 1, Line: engine.LineStatus{Quantity: 9, Open: 3, Fulfilled: 6}},
			},
		},
		{Op: engine.OpFree, Reason: "expiry", State: engine.Expired, Holds: 1_000_000},
	}
	return e
}

func goldenImage() *engine.Image {
	return &engine.Image{
		SKU: "größe", Sequence: 4242, FreedThrough: 1_790_000_000_000, NextExpiry: 1_790_000_900_123, Open: 1_000_000,
		Settings: engine.Settings{
			BackorderLimit: 5, ReorderPoint: 10, LocationOrder: []string{"north", "main"},
			SafetyStock: map[string]int64{"north": 7, "main": 3},
		},
		Levels: []engine.Level{
			{Key: engine.LevelKey{Location: "main"}, Counts: engine.Counts{OnHand: 100, Reserved: 2, Safety: 3}},
			{Key: engine.LevelKey{Location: "north", Lot: "L1", Pool: "web"}, Counts: engine.Counts{
				OnHand: 1, Reserved: 2, Committed: 3, Damaged: 4, QualityControl: 5, Other: 6, Safety: 7,
			}},
		},
	}
}

func goldenHold() *engine.HoldImage {
	return &engine.HoldImage{
		Nonce: 0xfedcba9876543210, Deadline: 1_790_000_900_123, State: engine.Active,
		Owner: "cart-7", Home: "a", Others: []engine.Line{{SKU: "b", Location: "main", Quantity: 2}},
		Lines: []engine.HoldLineImage{
			{Level: 0, LineStatus: engine.LineStatus{Quantity: 2, Open: 2}},
			{Level: 300, LineStatus: engine.LineStatus{Quantity: 9, Open: 3, Fulfilled: 6}},
		},
	}
}

func TestGoldens(t *testing.T) {
	for name, want := range map[string]*Entry{
		"record-v1-reserve": reserveEntry(), "record-v1-everything": goldenEntry(), "record-v1-empty": {},
	} {
		got := decode(t, golden(t, name, AppendEntry(nil, want)))
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	part := decode(t, golden(t, "record-v1-part", AppendPart(nil, goldenEntry(), 1)))
	if !part.Part || len(part.Record.Acts) != 2 || part.Prev[0] != 300 {
		t.Errorf("%+v", part)
	}
	im, last, err := DecodeItem(golden(t, "item-v1", AppendItem(nil, goldenImage(), 99)))
	if diff := cmp.Diff(*goldenImage(), im); diff != "" || last != 99 || err != nil {
		t.Error(diff, last, err)
	}
	h, err := DecodeHold(golden(t, "hold-v1", AppendHold(nil, goldenHold())))
	if diff := cmp.Diff(*goldenHold(), h); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
