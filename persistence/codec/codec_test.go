package codec

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/skua-stock/skua/engine"
)

// exact compares all of it. EquateEmpty is for the slices that are reused, which come back empty
// where there were none; the comparer is there because Settings has an Equal of its own, which
// sees no difference between none and empty.
var exact = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *engine.Settings) bool { return reflect.DeepEqual(a, b) }),
}

func decode(t interface{ Fatal(args ...any) }, b []byte) *Entry {
	var d Decoder
	var e Entry
	if err := d.Entry(b, &e); err != nil {
		t.Fatal(err)
	}
	return &e
}

func TestEntryComesBack(t *testing.T) {
	var d Decoder // Reused, as is the entry, so that what one case leaves behind would be seen.
	var got Entry
	rapid.Check(t, func(t *rapid.T) {
		want := someEntries().Draw(t, "entry")
		b := AppendEntry([]byte("before"), &want)
		if !bytes.HasPrefix(b, []byte("before")) {
			t.Fatal("what was there before is gone")
		}
		if err := d.Entry(b[len("before"):], &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestPartHasEventsOfOneSKU(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := someEntries().Draw(t, "entry")
		if len(whole.Record.SKUs) == 0 {
			t.Skip("no SKU to make a part of")
		}
		sku := rapid.IntRange(0, len(whole.Record.SKUs)-1).Draw(t, "sku")
		want := Entry{Epoch: whole.Epoch, Part: true, Prev: whole.Prev[sku : sku+1]}
		want.Record.Time = whole.Record.Time
		want.Record.SKUs = whole.Record.SKUs[sku : sku+1]
		for _, a := range whole.Record.Acts {
			events := a.Events
			a.Events = nil
			for _, e := range events {
				if e.Stock == sku {
					e.Stock = 0
					a.Events = append(a.Events, e)
				}
			}
			if a.Events != nil {
				want.Record.Acts = append(want.Record.Acts, a)
			}
		}
		got := decode(t, AppendPart(nil, &whole, sku))
		if diff := cmp.Diff(&want, got, exact); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestItemComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want, index := someImages().Draw(t, "image"), rapid.Uint64().Draw(t, "index")
		withHolds := want
		withHolds.Holds, withHolds.Gone = [][]engine.HoldImage{{{Nonce: 1}}}, []uint64{2}
		got, last, err := DecodeItem(AppendItem(nil, &withHolds, index))
		if err != nil || last != index {
			t.Fatal(err, last)
		}
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestHoldComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := someHolds().Draw(t, "hold")
		got, err := DecodeHold(AppendHold(nil, &want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEmptyIsNormalised(t *testing.T) {
	e := Entry{Record: engine.Record{SKUs: []string{"a", "b"}, Acts: []engine.Act{{
		Others: []engine.Line{},
		Events: []engine.Event{{Settings: &engine.Settings{
			SafetyStock: map[string]int64{}, LocationOrder: []string{},
		}}},
	}}}}
	got := decode(t, AppendEntry(nil, &e))
	if diff := cmp.Diff([]uint64{0, 0}, got.Prev); diff != "" {
		t.Error(diff)
	}
	a := &got.Record.Acts[0]
	if s := a.Events[0].Settings; a.Others != nil || s.SafetyStock != nil || s.LocationOrder != nil {
		t.Errorf("%+v", a)
	}
}

// TestSettingsAreNotShared: stocks keep the settings of the records that they apply.
func TestSettingsAreNotShared(t *testing.T) {
	var d Decoder
	var e Entry
	records := [2][]byte{}
	for i := range records {
		records[i] = AppendEntry(nil, &Entry{Record: engine.Record{SKUs: []string{"a"}, Acts: []engine.Act{{
			Others: []engine.Line{{SKU: "o", Quantity: int64(i)}},
			Events: []engine.Event{{Settings: &engine.Settings{
				SafetyStock: map[string]int64{"main": int64(i)}, LocationOrder: []string{string(rune('a' + i))},
			}}},
		}}}})
	}
	if err := d.Entry(records[0], &e); err != nil {
		t.Fatal(err)
	}
	kept, others := *e.Record.Acts[0].Events[0].Settings, e.Record.Acts[0].Others
	if err := d.Entry(records[1], &e); err != nil {
		t.Fatal(err)
	}
	want := engine.Settings{SafetyStock: map[string]int64{"main": 0}, LocationOrder: []string{"a"}}
	if diff := cmp.Diff(want, kept); diff != "" || others[0].Quantity != 0 {
		t.Error(diff, others)
	}
}

func TestOtherKindsAndVersionsAreRefused(t *testing.T) {
	var d Decoder
	var e Entry
	entry := AppendEntry(nil, &e)
	for kind := KindPrepare; kind <= KindAbort; kind++ {
		entry[0] = byte(kind)
		if err := d.Entry(entry, &e); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []Kind{0, KindItem, KindHold, 6, 255} {
		entry[0] = byte(kind)
		if err := d.Entry(entry, &e); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	entry[0], entry[1] = byte(KindRecord), recordVersion+1
	if err := d.Entry(entry, &e); !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
	item, hold := AppendItem(nil, &engine.Image{}, 0), AppendHold(nil, &engine.HoldImage{})
	item[1]++
	hold[1]++
	if _, _, err := DecodeItem(item); !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
	if _, err := DecodeHold(hold); !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
}

// TestEveryCutIsAnError: no entry is the beginning of another.
func TestEveryCutIsAnError(t *testing.T) {
	whole := goldenEntry()
	b := AppendEntry(nil, whole)
	im, h := goldenImage(), goldenHold()
	item, hold := AppendItem(nil, im, 99), AppendHold(nil, h)
	var d Decoder
	var e Entry
	for i := range b {
		if err := d.Entry(b[:i], &e); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", i, len(b), err)
		}
	}
	for i := range item {
		if _, _, err := DecodeItem(item[:i]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", i, len(item), err)
		}
	}
	for i := range hold {
		if _, err := DecodeHold(hold[:i]); !errors.Is(err, ErrMalformed) {
			t.Fatalf("%d of %d bytes: %v", i, len(hold), err)
		}
	}
	if err := d.Entry(append(b, 0), &e); !errors.Is(err, ErrMalformed) {
		t.Error("a byte too many:", err)
	}
	if err := d.Entry(make([]byte, EntryBytesMax+1), &e); !errors.Is(err, ErrMalformed) {
		t.Error("too long:", err)
	}
}

// TestHugeCountsTakeNoMemory: a count is not believed before its elements are there.
func TestHugeCountsTakeNoMemory(t *testing.T) {
	head := []byte{byte(KindRecord), recordVersion, 0, 0, 0}
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}
	var d Decoder
	var e Entry
	for zeros := range 4 {
		b := append(append(append([]byte{}, head...), make([]byte, zeros)...), huge...)
		if err := d.Entry(b, &e); !errors.Is(err, ErrMalformed) {
			t.Error(zeros, err)
		}
	}
	item := append([]byte{byte(KindItem), itemVersion, 0}, huge...)
	if _, _, err := DecodeItem(item); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestCallersBugsPanic(t *testing.T) {
	for name, f := range map[string]func(){
		"an event of no SKU": func() {
			AppendEntry(nil, &Entry{Record: engine.Record{Acts: []engine.Act{{Events: make([]engine.Event, 1)}}}})
		},
		"more previous records than SKUs": func() { AppendEntry(nil, &Entry{Prev: []uint64{1}}) },
		"a hold at no level": func() {
			AppendHold(nil, &engine.HoldImage{Lines: []engine.HoldLineImage{{Level: -1}}})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s went through", name)
				}
			}()
			f()
		}()
	}
}

// TestNumbers holds the engine's enumerations to the numbers that are on disk. When it does not
// compile or fails, the engine has to be put right, not the test: append, never insert.
func TestNumbers(t *testing.T) {
	names := func(n byte, name func(i byte) string) (list []string) {
		for i := range n {
			list = append(list, name(i))
		}
		return list
	}
	for _, c := range []struct{ got, want []string }{
		{names(ops, func(i byte) string { return engine.Op(i).String() }), []string{
			"", "put_item", "receive", "adjust", "set", "move", "restock", "reserve", "commit", "confirm",
			"release", "extend", "fulfill", "cancel", "get_item", "get_reservation", "expire", "free",
		}},
		{names(eventTypes, func(i byte) string { return engine.EventType(i).String() }), []string{
			"", "stock.item_created", "stock.item_updated", "stock.received", "stock.adjusted", "stock.set",
			"stock.moved", "stock.restocked", "stock.reserved", "stock.committed",
			"stock.reservation_confirmed", "stock.reservation_released", "stock.reservation_extended",
			"stock.reservation_expired", "stock.fulfilled", "stock.cancelled", "",
		}},
		{names(states, func(i byte) string { return engine.State(i).String() }), []string{
			"", "on_hand", "available", "reserved", "committed", "safety_stock", "damaged",
			"quality_control", "other", "backordered",
		}},
		{names(reservationStates, func(i byte) string { return engine.ReservationState(i).String() }), []string{
			"", "active", "confirmed", "partially_fulfilled", "released", "expired", "fulfilled", "cancelled",
		}},
		{engine.Alerts(alertBits).Names(), []string{
			"stock.out_of_stock", "stock.back_in_stock", "stock.reorder_point_reached",
			"stock.safety_stock_reached", "stock.backordered", "stock.backorder_filled",
		}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Error(diff)
		}
	}
	for n, reason := range reasons {
		if got := reasonNumber(reason); got != byte(n) {
			t.Errorf("reason %q is read as %d and written as %d", reason, n, got)
		}
	}
	for _, reason := range engine.Reasons {
		if reasonNumber(reason) == reasonText {
			t.Errorf("reason %q has no number yet", reason)
		}
	}
}

// TestEveryFieldIsKnown fails when the engine gets a field that nobody thought of writing. A field
// that belongs to the state of a stock or the answer to a command needs a new version of a format.
func TestEveryFieldIsKnown(t *testing.T) {
	for _, c := range []struct {
		of   any
		want string
	}{
		{engine.Record{}, "Time SKUs Acts"},
		{engine.Act{}, "Op KeyHash Fingerprint Principal Actor Reference Reason Reservation Owner State " +
			"ExpiresAt Holds Others Events"},
		{engine.Event{}, "Type Stock Sequence Level Before After Quantity From To Line Alerts Settings"},
		{engine.LevelKey{}, "Location Lot Pool"},
		{engine.Counts{}, "OnHand Reserved Committed Damaged QualityControl Other Safety"},
		{engine.LineStatus{}, "Quantity Open Fulfilled"},
		{engine.Settings{}, "BackorderLimit ReorderPoint SafetyStock LocationOrder"},
		{engine.ReservationRef{}, "Home Nonce"},
		{engine.Line{}, "SKU Location Quantity"},
		{engine.Image{}, "SKU Sequence Settings Levels FreedThrough NextExpiry Open Holds Gone"},
		{engine.Level{}, "Key Counts"},
		{engine.HoldImage{}, "Nonce Deadline State Owner Home Others Lines"},
		{engine.HoldLineImage{}, "Level LineStatus"},
	} {
		var names []string
		for i := range reflect.TypeOf(c.of).NumField() {
			names = append(names, reflect.TypeOf(c.of).Field(i).Name)
		}
		if diff := cmp.Diff(c.want, strings.Join(names, " ")); diff != "" {
			t.Errorf("%T: %s", c.of, diff)
		}
	}
}

func TestAllocations(t *testing.T) {
	e := reserveEntry()
	buf := AppendEntry(nil, e)
	if len(buf) > 110 {
		t.Errorf("a reservation of one line takes %d bytes, 110 were promised", len(buf))
	}
	t.Logf("a reservation of one line takes %d bytes", len(buf))
	if n := testing.AllocsPerRun(100, func() { buf = AppendEntry(buf[:0], e) }); n != 0 {
		t.Errorf("encoding allocates %v times", n)
	}
	var d Decoder
	var got Entry
	if n := testing.AllocsPerRun(100, func() {
		if err := d.Entry(buf, &got); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("decoding again allocates %v times", n)
	}
}

func TestNamesAreBounded(t *testing.T) {
	var n names
	for i := range 3 * NamesMax {
		b := []byte{byte(i), byte(i >> 8), byte(i >> 16)}
		if got := n.of(b); got != string(b) {
			t.Fatalf("%q for %q", got, b)
		}
	}
	if len(n.slots) != NamesMax {
		t.Error(len(n.slots))
	}
}
