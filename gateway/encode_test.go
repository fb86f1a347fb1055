package gateway

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	v2 "github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"github.com/skua-stock/skua/engine"
)

// agree holds what an append function wrote against the documented type: read strictly into the
// type and written by encoding/json it must be the same bytes, so that no member is missing,
// misspelled or in another place. want is the type filled by hand where the test knows it.
func agree[T any](t *testing.T, got []byte, want *T) {
	t.Helper()
	var read T
	if err := v2.Unmarshal(got, &read, v2.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%v in\n%s", err, got)
	}
	var again strings.Builder
	enc := json.NewEncoder(&again)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSuffix(again.String(), "\n"), string(got)); diff != "" {
		t.Fatalf("encoding/json (-) and the append function (+):\n%s", diff)
	}
	if want != nil {
		if diff := cmp.Diff(*want, read); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
}

// maker makes random values.
type maker struct{ *rand.Rand }

func (m maker) text() string {
	return [...]string{"main", `a"b\c`, "ü€😀", "x/y <&>", "1", strings.Repeat("n", 128)}[m.IntN(6)]
}

func (m maker) count() int64 {
	return [...]int64{0, 1, 7, 1 << 40, engine.QuantityMax}[m.IntN(5)]
}

func (m maker) signed() int64 { return m.count() * (1 - 2*m.Int64N(2)) }

func (m maker) counts() engine.Counts {
	return engine.Counts{
		OnHand: m.count() / 8, Reserved: m.count() / 8, Committed: m.count() / 8, Damaged: m.Int64N(9),
		QualityControl: m.Int64N(9), Other: m.Int64N(9), Safety: m.Int64N(20),
	}
}

func (m maker) settings() engine.Settings {
	s := engine.Settings{BackorderLimit: m.count(), ReorderPoint: m.count(), SafetyStock: map[string]int64{}, LocationOrder: []string{}}
	for range m.IntN(4) {
		s.SafetyStock[m.text()] = m.count()
		s.LocationOrder = append(s.LocationOrder, m.text())
	}
	return s
}

func (m maker) time() engine.Time { return engine.Time(m.Int64N(4e12)) }

func statesOf(c engine.Counts) States {
	return States{
		OnHand: c.OnHand, Available: c.Available(), Reserved: c.Reserved, Committed: c.Committed, SafetyStock: c.SafetyStock(),
		Damaged: c.Damaged, QualityControl: c.QualityControl, Other: c.Other, Backordered: c.Backordered(),
	}
}

func settingsOf(s engine.Settings) Settings { return Settings(s) }

func spelled(t engine.Time) string { return time.UnixMilli(int64(t)).UTC().Format(TimeLayout) }

func TestEncoding(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := maker{rand.New(rand.NewPCG(seed, 0))}
	for range 500 {
		item := engine.ItemView{SKU: m.text(), Sequence: m.Uint64(), Settings: m.settings()}
		want := Item{SKU: item.SKU, Sequence: item.Sequence, Levels: []Level{}, Settings: settingsOf(item.Settings)}
		for range m.IntN(4) {
			l := engine.LevelView{Key: engine.LevelKey{Location: m.text()}, Counts: m.counts()}
			item.Levels = append(item.Levels, l)
			want.Levels = append(want.Levels, Level{l.Key.Location, statesOf(l.Counts)})
		}
		for s, into := range map[engine.State]*int64{
			engine.OnHand: &want.Totals.OnHand, engine.Available: &want.Totals.Available, engine.Reserved: &want.Totals.Reserved,
			engine.Committed: &want.Totals.Committed, engine.SafetyStock: &want.Totals.SafetyStock, engine.Damaged: &want.Totals.Damaged,
			engine.QualityControl: &want.Totals.QualityControl, engine.Other: &want.Totals.Other, engine.Backordered: &want.Totals.Backordered,
		} {
			*into = item.Total(s)
		}
		agree(t, AppendAnswer(nil, engine.OpGetItem, &engine.Answer{Item: &item}, testID), &want)

		a := engine.Answer{SKU: m.text(), Sequence: m.Uint64(), Settings: &item.Settings}
		agree(t, AppendAnswer(nil, engine.OpPutItem, &a, testID), &ItemSettings{a.SKU, a.Sequence, settingsOf(item.Settings)})
		a.Level = engine.LevelView{Key: engine.LevelKey{Location: m.text()}, Counts: m.counts()}
		agree(t, AppendAnswer(nil, engine.OpSet, &a, testID), &Change{a.SKU, a.Sequence, a.Level.Key.Location, statesOf(a.Level.Counts)})
		testReservation(t, m)
		testMovement(t, m)
		testProblem(t, m)
	}
}

func testID(b []byte, ref engine.ReservationRef) []byte {
	b = append(append(append(b, "id-"...), ref.Home...), '-')
	return strconv.AppendUint(b, ref.Nonce, 10)
}

func testReservation(t *testing.T, m maker) {
	v := engine.ReservationView{
		Ref: engine.ReservationRef{Home: "h", Nonce: m.Uint64()}, State: engine.Active + engine.ReservationState(m.IntN(7)), ExpiresAt: m.time(),
		Lines: make([]engine.LineView, m.IntN(3)),
	}
	want := Reservation{ID: string(testID(nil, v.Ref)), State: v.State.String(), Lines: []ReservationLine{}}
	if m.IntN(2) == 0 {
		v.Owner = m.text()
		want.Owner = v.Owner
	}
	if v.State == engine.Active {
		want.ExpiresAt = spelled(v.ExpiresAt)
	}
	for i := range v.Lines {
		l := engine.LineView{
			SKU: m.text(), Location: m.text(), Sequence: m.Uint64N(2),
			LineStatus: engine.LineStatus{Quantity: m.count(), Open: m.count(), Fulfilled: m.count()},
		}
		v.Lines[i] = l
		w := ReservationLine{SKU: l.SKU, Location: l.Location, Quantity: l.Quantity, Committed: l.Open, Fulfilled: l.Fulfilled, Sequence: l.Sequence}
		if v.State == engine.Active {
			w.Reserved, w.Committed = l.Open, 0
		}
		want.Lines = append(want.Lines, w)
	}
	agree(t, AppendAnswer(nil, engine.OpReserve, &engine.Answer{Reservation: v}, testID), &want)
}

func testMovement(t *testing.T, m maker) {
	v := engine.Movement{
		SKU: m.text(), Sequence: m.Uint64(), Type: engine.ItemCreated + engine.EventType(m.IntN(14)), At: m.time(),
		Level: engine.LevelKey{Location: m.text()}, Before: m.counts(), After: m.counts(), Quantity: m.signed(),
		Cause: engine.OpPutItem + engine.Op(m.IntN(16)),
	}
	want := Movement{
		SKU: v.SKU, Sequence: v.Sequence, Type: v.Type.String(), At: spelled(v.At), Location: v.Level.Location, Quantity: v.Quantity,
		Before: statesOf(v.Before), After: statesOf(v.After), Cause: v.Cause.String(),
	}
	if m.IntN(2) == 0 {
		s := m.settings()
		v.From, v.To, v.Reason, v.Actor, v.Reference = engine.Available, engine.Damaged, "sale", m.text(), "order:7"
		v.Reservation, v.Owner, v.ExpiresAt = engine.ReservationRef{Home: "h", Nonce: 7}, m.text(), m.time()+1
		v.Holds, v.Settings, v.Alerts = 1+m.count(), &s, engine.Alerts(1+m.IntN(63))
		w := settingsOf(s)
		want.From, want.To, want.Reason, want.Actor, want.Reference = "available", "damaged", "sale", v.Actor, "order:7"
		want.ReservationID, want.Owner, want.ExpiresAt = "id-h-7", v.Owner, spelled(v.ExpiresAt)
		want.Holds, want.Settings, want.Alerts = v.Holds, &w, v.Alerts.Names()
	}
	agree(t, AppendMovement(nil, &v, testID), &want)
}

func testProblem(t *testing.T, m maker) {
	kinds := Kinds()
	p := &Problem{Kind: kinds[m.IntN(len(kinds))], Detail: m.text()}
	want := ProblemBody{Type: p.Kind.Type(), Title: p.Kind.Title, Status: p.Kind.Status, Detail: p.Detail, Code: p.Kind.Code}
	if m.IntN(2) == 0 {
		p.Field, p.Current, p.HasCurrent = m.text(), m.count(), true
		want.Field, want.Current, want.RequestID = p.Field, &p.Current, "r1"
		for range 1 + m.IntN(3) {
			l := engine.RefusedLine{SKU: m.text(), Requested: m.count(), Available: m.count()}
			w := ProblemLine{SKU: l.SKU}
			if l.Requested != 0 {
				w.Requested, w.Available = &l.Requested, &l.Available
			}
			if m.IntN(2) == 0 {
				l.Location, l.NextExpiryAt = m.text(), m.time()+1
				w.Location, w.NextExpiryAt = l.Location, spelled(l.NextExpiryAt)
			}
			p.Lines, want.Lines = append(p.Lines, l), append(want.Lines, w)
		}
	}
	agree(t, AppendProblem(nil, p, want.RequestID), &want)
}

// TestEncodingAllocatesNothing guards the hot path: into a buffer that is large enough, the
// answers to reserve and to a change cost no allocation.
func TestEncodingAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, 4096)
	a := engine.Answer{SKU: "A", Sequence: 7, Level: engine.LevelView{Key: engine.LevelKey{Location: "main"}}}
	a.Reservation = engine.ReservationView{State: engine.Active, Owner: "cart", ExpiresAt: 1, Lines: make([]engine.LineView, 3)}
	for _, op := range []engine.Op{engine.OpReserve, engine.OpReceive} {
		if n := testing.AllocsPerRun(100, func() { AppendAnswer(b, op, &a, testID) }); n != 0 {
			t.Errorf("%s: %v allocations", op, n)
		}
	}
}

// TestTimes holds the spelling of times against the layout.
func TestTimes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	m := maker{rand.New(rand.NewPCG(seed, 0))}
	times := []engine.Time{0, 1, -1, 999, 1000, -1000, 253_402_300_799_999, 951_827_199_999}
	for range 1000 {
		times = append(times, m.time(), -m.time())
	}
	for _, at := range times {
		if got, want := string(appendTime(nil, at)), `"`+spelled(at)+`"`; got != want {
			t.Errorf("%d is spelled %s, want %s", at, got, want)
		}
	}
}

// TestBadTextStaysJSON: a problem may repeat bytes of a client that are no UTF-8.
func TestBadTextStaysJSON(t *testing.T) {
	var read ProblemBody
	b := AppendProblem(nil, Invalid("a\xff", "no %s", "\xfe"), "")
	if err := v2.Unmarshal(b, &read); err != nil || read.Field != "a\ufffd" {
		t.Errorf("%s: %v", b, err)
	}
}

func FuzzKey(f *testing.F) {
	for _, s := range []string{"a", `"a"`, `"a\"b"`, `"`, `"a\`, `"a"b"`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		key, p := Key(s)
		if p != nil || !strings.HasPrefix(s, `"`) {
			return
		}
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
		if again, p := Key(quoted); p != nil || again != key || quoted != s {
			t.Fatalf("%q is the key %q, spelled %q, which is %q", s, key, quoted, again)
		}
	})
}
