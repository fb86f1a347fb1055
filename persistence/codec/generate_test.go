package codec

import (
	"math"

	"pgregory.net/rapid"

	"github.com/skua-stock/skua/engine"
)

// The generators draw every field over all that the formats can hold, which is more than the engine
// ever makes: the formats shall not be the reason that something cannot be.

func texts(maximum int) *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.StringN(0, 8, 16), rapid.StringN(0, maximum, maximum))
}

func times() *rapid.Generator[engine.Time] {
	return rapid.OneOf(rapid.Just(engine.Time(0)), rapid.Map(rapid.Int64(), func(t int64) engine.Time { return engine.Time(t) }))
}

func quantities() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(-100, 100), rapid.Int64(),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, engine.QuantityMax}))
}

func someCounts() *rapid.Generator[engine.Counts] {
	return rapid.Custom(func(t *rapid.T) engine.Counts {
		q := func(name string) int64 { return quantities().Draw(t, name) }
		return engine.Counts{
			OnHand: q("on hand"), Reserved: q("reserved"), Committed: q("committed"), Damaged: q("damaged"),
			QualityControl: q("quality control"), Other: q("other"), Safety: q("safety"),
		}
	})
}

func someSettings() *rapid.Generator[engine.Settings] {
	return rapid.Custom(func(t *rapid.T) engine.Settings {
		s := engine.Settings{
			BackorderLimit: quantities().Draw(t, "backorder limit"),
			ReorderPoint:   quantities().Draw(t, "reorder point"),
			LocationOrder:  rapid.SliceOfN(texts(128), 0, 4).Draw(t, "order"),
			SafetyStock:    rapid.MapOfN(texts(128), quantities(), 0, 4).Draw(t, "safety stock"),
		}
		if len(s.LocationOrder) == 0 {
			s.LocationOrder = nil
		}
		if len(s.SafetyStock) == 0 {
			s.SafetyStock = nil
		}
		return s
	})
}

func lineStatuses() *rapid.Generator[engine.LineStatus] {
	return rapid.Custom(func(t *rapid.T) engine.LineStatus {
		return engine.LineStatus{
			Quantity: quantities().Draw(t, "quantity"), Open: quantities().Draw(t, "open"),
			Fulfilled: quantities().Draw(t, "fulfilled"),
		}
	})
}

func levelKeys() *rapid.Generator[engine.LevelKey] {
	return rapid.Custom(func(t *rapid.T) engine.LevelKey {
		return engine.LevelKey{
			Location: texts(128).Draw(t, "location"), Lot: texts(128).Draw(t, "lot"),
			Pool: texts(128).Draw(t, "pool"),
		}
	})
}

func someLines() *rapid.Generator[[]engine.Line] {
	line := rapid.Custom(func(t *rapid.T) engine.Line {
		return engine.Line{
			SKU: texts(128).Draw(t, "sku"), Location: texts(128).Draw(t, "location"),
			Quantity: quantities().Draw(t, "quantity"),
		}
	})
	return rapid.Map(rapid.SliceOfN(line, 0, 4), func(ls []engine.Line) []engine.Line {
		if len(ls) == 0 {
			return nil
		}
		return ls
	})
}

func someEvents(skus int) *rapid.Generator[engine.Event] {
	return rapid.Custom(func(t *rapid.T) engine.Event {
		e := engine.Event{
			Type:     engine.EventType(rapid.ByteMax(eventTypes-1).Draw(t, "type")),
			Stock:    rapid.IntRange(0, skus-1).Draw(t, "stock"),
			Sequence: rapid.Uint64().Draw(t, "sequence"),
			Level:    levelKeys().Draw(t, "level"),
			Before:   someCounts().Draw(t, "before"), After: someCounts().Draw(t, "after"),
			Quantity: quantities().Draw(t, "quantity"),
			From:     engine.State(rapid.ByteMax(states-1).Draw(t, "from")),
			To:       engine.State(rapid.ByteMax(states-1).Draw(t, "to")),
			Line:     lineStatuses().Draw(t, "line"),
			Alerts:   engine.Alerts(rapid.ByteMax(alertBits).Draw(t, "alerts")),
		}
		if rapid.Bool().Draw(t, "has settings") {
			s := someSettings().Draw(t, "settings")
			e.Settings = &s
		}
		return e
	})
}

func someActs(skus []string) *rapid.Generator[engine.Act] {
	return rapid.Custom(func(t *rapid.T) engine.Act {
		homes := []*rapid.Generator[string]{texts(128)}
		a := engine.Act{
			Op:          engine.Op(rapid.ByteMax(ops-1).Draw(t, "op")),
			Fingerprint: rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, "fingerprint"),
			Principal:   texts(255).Draw(t, "principal"), Actor: texts(255).Draw(t, "actor"),
			Reference: texts(512).Draw(t, "reference"), Owner: texts(255).Draw(t, "owner"),
			Reason:    rapid.OneOf(rapid.SampledFrom(engine.Reasons), texts(64)).Draw(t, "reason"),
			State:     engine.ReservationState(rapid.ByteMax(reservationStates-1).Draw(t, "state")),
			ExpiresAt: times().Draw(t, "expires at"), Holds: quantities().Draw(t, "holds"),
			Others: someLines().Draw(t, "others"),
		}
		copy(a.KeyHash[:], rapid.SliceOfN(rapid.Byte(), 0, 16).Draw(t, "key"))
		if len(skus) > 0 {
			homes = append(homes, rapid.SampledFrom(skus))
			a.Events = rapid.SliceOfN(someEvents(len(skus)), 0, 4).Draw(t, "events")
		}
		a.Reservation = engine.ReservationRef{
			Home:  rapid.OneOf(homes...).Draw(t, "home"),
			Nonce: rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64()).Draw(t, "nonce"),
		}
		return a
	})
}

func someEntries() *rapid.Generator[Entry] {
	return rapid.Custom(func(t *rapid.T) Entry {
		e := Entry{
			Epoch: rapid.Uint32().Draw(t, "epoch"),
			Part:  rapid.Bool().Draw(t, "part"),
			Positions: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Position {
				return Position{rapid.Uint16().Draw(t, "partition"), rapid.Uint64().Draw(t, "number")}
			}), 0, 3).Draw(t, "positions"),
		}
		r := &e.Record
		r.Time = times().Draw(t, "time")
		r.SKUs = rapid.SliceOfN(texts(128), 0, 4).Draw(t, "skus")
		e.Prev = rapid.SliceOfN(rapid.Uint64(), len(r.SKUs), len(r.SKUs)).Draw(t, "prev")
		r.Acts = rapid.SliceOfN(someActs(r.SKUs), 0, 3).Draw(t, "acts")
		return e
	})
}

func someHolds() *rapid.Generator[engine.HoldImage] {
	return rapid.Custom(func(t *rapid.T) engine.HoldImage {
		return engine.HoldImage{
			Nonce: rapid.Uint64().Draw(t, "nonce"), Deadline: times().Draw(t, "deadline"),
			State: engine.ReservationState(rapid.ByteMax(reservationStates-1).Draw(t, "state")),
			Owner: texts(255).Draw(t, "owner"), Home: texts(128).Draw(t, "home"),
			Others: someLines().Draw(t, "others"),
			Lines: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) engine.HoldLineImage {
				return engine.HoldLineImage{
					Level:      rapid.IntRange(0, math.MaxInt32).Draw(t, "level"),
					LineStatus: lineStatuses().Draw(t, "status"),
				}
			}), 0, 4).Draw(t, "lines"),
		}
	})
}

func someImages() *rapid.Generator[engine.Image] {
	return rapid.Custom(func(t *rapid.T) engine.Image {
		return engine.Image{
			SKU: texts(128).Draw(t, "sku"), Sequence: rapid.Uint64().Draw(t, "sequence"),
			Settings:     someSettings().Draw(t, "settings"),
			FreedThrough: times().Draw(t, "freed"), NextExpiry: times().Draw(t, "next"),
			Open: rapid.IntRange(0, math.MaxInt).Draw(t, "open"),
			Levels: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) engine.Level {
				return engine.Level{Key: levelKeys().Draw(t, "key"), Counts: someCounts().Draw(t, "counts")}
			}), 0, 4).Draw(t, "levels"),
		}
	})
}
