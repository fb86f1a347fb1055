package events

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

// movementEvent is a message as a consumer reads it.
type movementEvent struct {
	SpecVersion     string       `json:"specversion"`
	ID              string       `json:"id"`
	Source          string       `json:"source"`
	Type            string       `json:"type"`
	Subject         string       `json:"subject"`
	Time            string       `json:"time"`
	DataContentType string       `json:"datacontenttype"`
	Sequence        string       `json:"sequence"`
	Data            movementData `json:"data"`
}

type movementData struct {
	SKU           string           `json:"sku"`
	Sequence      uint64           `json:"sequence"`
	Type          string           `json:"type"`
	At            string           `json:"at"`
	Location      string           `json:"location"`
	Quantity      int64            `json:"quantity"`
	To            string           `json:"to"`
	Before        map[string]int64 `json:"before"`
	After         map[string]int64 `json:"after"`
	Cause         string           `json:"cause"`
	Reason        string           `json:"reason"`
	Actor         string           `json:"actor"`
	Reference     string           `json:"reference_document_uri"`
	ReservationID string           `json:"reservation_id"`
	Owner         string           `json:"owner"`
	ExpiresAt     string           `json:"expires_at"`
	Alerts        []string         `json:"alerts"`
	EventID       string           `json:"event_id"`
	OccurredAt    string           `json:"occurred_at"`
	RecordedAt    string           `json:"recorded_at"`
}

// readEvent reads an event and refuses any field that this test does not know.
func readEvent(t testing.TB, b []byte, e *movementEvent) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(e); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
}

func exampleMovement() engine.Movement {
	return engine.Movement{
		SKU: "größe \"L\"", Sequence: 4242, Type: engine.StockReserved, At: 1_790_000_000_123,
		Level: engine.LevelKey{Location: "main"}, Quantity: 2, Cause: engine.OpReserve,
		Before: engine.Counts{OnHand: 10, Reserved: 3, Safety: 1},
		After:  engine.Counts{OnHand: 10, Reserved: 10, Safety: 1},
		Reason: "reservation_created", Actor: "anna", Reference: "urn:order:7", Principal: "secret",
		Reservation: engine.ReservationRef{Home: "h", Nonce: 0xabc}, Owner: "cart-7",
		ExpiresAt: 1_790_000_900_123, Alerts: engine.OutOfStock | engine.SafetyStockReached,
	}
}

func TestCloudEventFieldByField(t *testing.T) {
	c := newEncoder("n 1/ü", reservationID)
	m := exampleMovement()
	states := func(available, reserved, safety int64) map[string]int64 {
		return map[string]int64{
			"on_hand": 10, "available": available, "reserved": reserved, "committed": 0, "safety_stock": safety,
			"damaged": 0, "quality_control": 0, "other": 0, "backordered": 0,
		}
	}
	want := movementEvent{
		SpecVersion: "1.0", ID: "4711-1", Source: "/skua/n%201%2F%C3%BC", Type: "stock.reserved",
		Subject: "größe \"L\"", Time: "2026-09-21T14:13:20.123Z", DataContentType: "application/json",
		Sequence: "00000000000000004242",
		Data: movementData{
			SKU: "größe \"L\"", Sequence: 4242, Type: "stock.reserved", At: "2026-09-21T14:13:20.123Z",
			Location: "main", Quantity: 2, Before: states(6, 3, 1), After: states(0, 10, 0), Cause: "reserve",
			Reason: "reservation_created", Actor: "anna", Reference: "urn:order:7", ReservationID: "h-abc",
			Owner: "cart-7", ExpiresAt: "2026-09-21T14:28:20.123Z",
			Alerts:  []string{"stock.out_of_stock", "stock.safety_stock_reached"},
			EventID: "4711-1", OccurredAt: "2026-09-21T14:13:20.123Z", RecordedAt: "2026-09-21T14:13:20.123Z",
		},
	}
	var got movementEvent
	b := c.event(nil, place{4711, 1, 3}, &m)
	readEvent(t, b, &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if bytes.Contains(b, []byte("secret")) {
		t.Error("the event tells who was authenticated")
	}

	want.ID, want.Type = "4711-1-out_of_stock", "stock.out_of_stock"
	got = movementEvent{}
	readEvent(t, c.alert(nil, place{4711, 1, 3}, "stock.out_of_stock", &m), &got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSequencesSortAsText is what CloudEvents asks of the attribute.
func TestSequencesSortAsText(t *testing.T) {
	last := ""
	for _, n := range []uint64{0, 1, 9, 10, 99, 1 << 40, math.MaxUint64} {
		s := string(appendPadded(nil, n))
		if len(s) != sequenceDigits || s <= last {
			t.Errorf("%q after %q", s, last)
		}
		last = s
	}
}

// TestAttributesAreLegal: names of CloudEvents attributes are lower case letters and digits, and
// their values are never empty.
func TestAttributesAreLegal(t *testing.T) {
	c := newEncoder("n1", reservationID)
	m := engine.Movement{SKU: "a", Sequence: 1, Type: engine.ItemCreated, Cause: engine.OpPutItem, Settings: &engine.Settings{}}
	var attributes map[string]any
	if err := json.Unmarshal(c.event(nil, place{1, 0, 1}, &m), &attributes); err != nil {
		t.Fatal(err)
	}
	for name, value := range attributes {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" || len(name) > 20 {
			t.Errorf("attribute %q", name)
		}
		if s, text := value.(string); name != "data" && (!text || s == "") {
			t.Errorf("attribute %s is %v", name, value)
		}
	}
}

func BenchmarkEvent(b *testing.B) {
	c := newEncoder("n1", reservationID)
	m := exampleMovement()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = c.event(buf[:0], place{4711, 1, 3}, &m)
	}
	b.SetBytes(int64(len(buf)))
}
