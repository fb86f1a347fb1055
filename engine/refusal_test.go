package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// cure makes one refusal go away, which is the one expected before.
type cure struct {
	code engine.Code
	cure func(w *world, c *engine.Command)
}

// TestPrecedence starts with commands of which everything is wrong, and cures one thing after the
// other: at each point the answer is the code that the list of codes has first. In the end nothing
// is wrong. The world has item a at x with 5 units of which 2 are damaged, and item b nowhere.
func TestPrecedence(t *testing.T) {
	settle := func(c func(c *engine.Command)) func(*world, *engine.Command) {
		return func(_ *world, cmd *engine.Command) { c(cmd) }
	}
	key := cure{engine.IdempotencyKeyRequired, settle(func(c *engine.Command) { c.Key = "k" })}
	actor := cure{engine.InvalidRequest, settle(func(c *engine.Command) { c.Actor = "" })}
	reason := cure{engine.InvalidReason, settle(func(c *engine.Command) { c.Reason = "correction" })}
	reference := cure{engine.InvalidReferenceDocument, settle(func(c *engine.Command) { c.Reference = "order:7" })}
	bad := engine.Command{Actor: "\x00", Reason: "whim", Reference: "no uri"}
	with := func(c engine.Command) engine.Command {
		c.Actor, c.Reason, c.Reference = bad.Actor, bad.Reason, bad.Reference
		return c
	}
	for name, test := range map[string]struct {
		command engine.Command
		cures   []cure
	}{
		"set": {
			with(engine.Command{
				Op: engine.OpSet, SKU: ".", Location: "x", State: engine.Reserved, Quantity: -1,
				HasIfMatch: true, IfMatch: 99, HasChangeFrom: true, ChangeFrom: 99,
			}),
			[]cure{
				key, actor,
				{engine.InvalidRequest, settle(func(c *engine.Command) { c.SKU = "nothing" })},
				{engine.InvalidStateName, settle(func(c *engine.Command) { c.State = engine.OnHand })},
				reason, reference,
				{engine.InvalidQuantityTooLow, settle(func(c *engine.Command) { c.Quantity = engine.QuantityMax + 1 })},
				{engine.InvalidQuantityTooHigh, settle(func(c *engine.Command) { c.Quantity = 0 })},
				{engine.ItemNotFound, settle(func(c *engine.Command) { c.SKU = "a" })},
				// 2 are set aside, so on_hand cannot be 0.
				{engine.InvalidQuantityTooLow, settle(func(c *engine.Command) { c.Location = "y" })},
				{engine.VersionConflict, settle(func(c *engine.Command) { c.HasIfMatch = false })},
				{engine.ItemNotStockedAtLocation, settle(func(c *engine.Command) { c.Location, c.Quantity = "x", 2 })},
				{engine.ChangeFromQuantityStale, settle(func(c *engine.Command) { c.ChangeFrom = 5 })},
			},
		},
		"adjust": {
			engine.Command{
				Op: engine.OpAdjust, SKU: "a", Location: "x", State: engine.Available, Quantity: engine.QuantityMax,
				HasIfMatch: true, IfMatch: 99, HasChangeFrom: true, ChangeFrom: 99,
			},
			[]cure{
				key, reason,
				{engine.InvalidQuantityTooHigh, settle(func(c *engine.Command) { c.Quantity = -4 })},
				{engine.VersionConflict, settle(func(c *engine.Command) { c.IfMatch = 3 })},
				{engine.ChangeFromQuantityStale, settle(func(c *engine.Command) { c.ChangeFrom = 3 })},
				{engine.InsufficientStock, settle(func(c *engine.Command) { c.Quantity = -3 })},
			},
		},
		"reserve": {
			with(engine.Command{
				Op: engine.OpReserve, TTL: 1 << 40, Reservation: engine.ReservationRef{Nonce: 2},
				Lines: append(slices.Repeat([]engine.Line{{SKU: "a", Location: "x", Quantity: 0}}, engine.LinesMax),
					engine.Line{SKU: "", Quantity: engine.QuantityMax + 1}),
			}),
			[]cure{
				key, actor,
				{engine.TooManyLines, settle(func(c *engine.Command) { c.Lines = c.Lines[engine.LinesMax-1:] })},
				{engine.InvalidRequest, settle(func(c *engine.Command) { c.Lines[1].SKU = "nothing" })},
				reason, reference,
				{engine.InvalidQuantityTooLow, settle(func(c *engine.Command) { c.Lines[0].Quantity = 1 })},
				{engine.InvalidQuantityTooHigh, settle(func(c *engine.Command) { c.Lines[1].Quantity = 9 })},
				{engine.TTLTooLong, settle(func(c *engine.Command) {
					c.TTL = 1
					c.Lines = append(c.Lines, engine.Line{SKU: "b", Location: "x", Quantity: 1},
						engine.Line{SKU: "a", Quantity: engine.QuantityMax})
				})},
				{engine.InvalidQuantityTooHigh, settle(func(c *engine.Command) { c.Lines[3].Quantity = 3 })},
				{engine.ItemNotFound, settle(func(c *engine.Command) { c.Lines[1].SKU = "a" })},
				{engine.ItemNotStockedAtLocation, settle(func(c *engine.Command) { c.Lines[2].SKU = "a" })},
				{engine.InsufficientStock, settle(func(c *engine.Command) { c.Lines = c.Lines[:1] })},
			},
		},
		"confirm": {
			with(engine.Command{
				Op: engine.OpConfirm, Reservation: engine.ReservationRef{Home: "a", Nonce: 99},
				Lines: []engine.Line{{SKU: "..", Quantity: 0}},
			}),
			[]cure{
				key, actor,
				{engine.InvalidRequest, settle(func(c *engine.Command) { c.Lines[0].SKU = "a" })},
				reason, reference,
				{engine.InvalidQuantityTooLow, settle(func(c *engine.Command) { c.Lines[0].Quantity = 9 })},
				{engine.ReservationNotFound, settle(func(c *engine.Command) { c.Reservation.Nonce = 1 })},
				{engine.ExceedsReservedQuantity, settle(func(c *engine.Command) { c.Lines[0].Quantity = 1 })},
			},
		},
		"fulfill": {
			engine.Command{
				Op: engine.OpFulfill, Key: "k", Reservation: engine.ReservationRef{Nonce: 1},
				Lines: []engine.Line{{SKU: "a", Quantity: 9}},
			},
			[]cure{
				{engine.ReservationNotConfirmed, func(w *world, _ *engine.Command) {
					w.do(&engine.Command{Op: engine.OpConfirm, Reservation: engine.ReservationRef{Nonce: 1}})
					w.do(&engine.Command{Op: engine.OpSet, SKU: "a", Location: "x", Quantity: 2})
				}},
				{engine.ExceedsReservedQuantity, settle(func(c *engine.Command) { c.Lines = nil })},
				{engine.InsufficientStock, func(w *world, _ *engine.Command) {
					w.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: "x", Quantity: 1})
				}},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.do(&engine.Command{Op: engine.OpPutItem, SKU: "a"})
			w.do(&engine.Command{Op: engine.OpReceive, SKU: "a", Location: "x", Quantity: 5})
			w.do(&engine.Command{Op: engine.OpMove, SKU: "a", Location: "x", Quantity: 2, From: engine.Available, To: engine.Damaged})
			w.do(&engine.Command{Op: engine.OpPutItem, SKU: "b"})
			if name == "confirm" || name == "fulfill" {
				w.do(&engine.Command{
					Op: engine.OpReserve, Lines: []engine.Line{{SKU: "a", Quantity: 1}}, Reservation: engine.ReservationRef{Nonce: 1},
				})
			}
			c := test.command
			for _, step := range test.cures {
				if code := try(w, &c); code != step.code {
					t.Fatalf("answered %v, should be %v", code, step.code)
				}
				step.cure(w, &c)
			}
			if code := try(w, &c); code != engine.NotRefused {
				t.Fatalf("answered %v although nothing is wrong", code)
			}
		})
	}
}

// try gives the code that a command is answered with; one that is valid also goes to the twin.
func try(w *world, c *engine.Command) engine.Code {
	if r := c.Validate(); r.Refused() {
		return r.Code
	}
	return w.do(c)[0].Refusal.Code
}

// TestValidate says of each field what it must be.
func TestValidate(t *testing.T) {
	long := strings.Repeat("x", 600)
	ok := func(c engine.Command) engine.Command {
		if c.Key == "" {
			c.Key = "k"
		}
		return c
	}
	receive := func(change func(c *engine.Command)) engine.Command {
		c := ok(engine.Command{Op: engine.OpReceive, SKU: "a", Location: "x", Quantity: 1})
		change(&c)
		return c
	}
	put := func(s engine.Settings) engine.Command {
		return ok(engine.Command{Op: engine.OpPutItem, SKU: "a", Settings: s})
	}
	move := func(from, to engine.State) engine.Command {
		return receive(func(c *engine.Command) { c.Op, c.From, c.To = engine.OpMove, from, to })
	}
	lines := func(op engine.Op, ls ...engine.Line) engine.Command { return ok(engine.Command{Op: op, Lines: ls}) }
	a := engine.Line{SKU: "a", Quantity: 1}
	for name, test := range map[string]struct {
		command engine.Command
		code    engine.Code
		field   string
	}{
		"receive":               {receive(func(c *engine.Command) {}), engine.NotRefused, ""},
		"longest names":         {receive(func(c *engine.Command) { c.SKU, c.Location = long[:128], strings.Repeat("é", 64) }), engine.NotRefused, ""},
		"no sku":                {receive(func(c *engine.Command) { c.SKU = "" }), engine.InvalidRequest, "sku"},
		"sku too long":          {receive(func(c *engine.Command) { c.SKU = long[:129] }), engine.InvalidRequest, "sku"},
		"sku with control":      {receive(func(c *engine.Command) { c.SKU = "a\u0085" }), engine.InvalidRequest, "sku"},
		"sku not UTF-8":         {receive(func(c *engine.Command) { c.SKU = "\xff" }), engine.InvalidRequest, "sku"},
		"sku a path":            {receive(func(c *engine.Command) { c.SKU = ".." }), engine.InvalidRequest, "sku"},
		"location a path":       {receive(func(c *engine.Command) { c.Location = "." }), engine.InvalidRequest, "location"},
		"no location":           {receive(func(c *engine.Command) { c.Location = "" }), engine.InvalidRequest, "location"},
		"nothing received":      {receive(func(c *engine.Command) { c.Quantity = 0 }), engine.InvalidQuantityTooLow, "quantity"},
		"most received":         {receive(func(c *engine.Command) { c.Quantity = engine.QuantityMax }), engine.NotRefused, ""},
		"too much received":     {receive(func(c *engine.Command) { c.Quantity = engine.QuantityMax + 1 }), engine.InvalidQuantityTooHigh, "quantity"},
		"key too long":          {receive(func(c *engine.Command) { c.Key = long[:256] }), engine.InvalidRequest, "Idempotency-Key"},
		"longest key":           {receive(func(c *engine.Command) { c.Key = long[:255] }), engine.NotRefused, ""},
		"key with control":      {receive(func(c *engine.Command) { c.Key = "a\nb" }), engine.InvalidRequest, "Idempotency-Key"},
		"actor too long":        {receive(func(c *engine.Command) { c.Actor = long[:256] }), engine.InvalidRequest, "actor"},
		"reference":             {receive(func(c *engine.Command) { c.Reference = "https://shop.example/orders/7" }), engine.NotRefused, ""},
		"reference too long":    {receive(func(c *engine.Command) { c.Reference = "order:" + long }), engine.InvalidReferenceDocument, "reference_document_uri"},
		"reference no scheme":   {receive(func(c *engine.Command) { c.Reference = "7:order" }), engine.InvalidReferenceDocument, "reference_document_uri"},
		"reference with space":  {receive(func(c *engine.Command) { c.Reference = "order: 7" }), engine.InvalidReferenceDocument, "reference_document_uri"},
		"every reason":          {receive(func(c *engine.Command) { c.Reason = "cycle_count_available" }), engine.NotRefused, ""},
		"no such reason":        {receive(func(c *engine.Command) { c.Reason = "whim" }), engine.InvalidReason, "reason"},
		"adjust":                {receive(func(c *engine.Command) { c.Op, c.Reason, c.Quantity = engine.OpAdjust, "damaged", -engine.QuantityMax }), engine.NotRefused, ""},
		"adjust without reason": {receive(func(c *engine.Command) { c.Op = engine.OpAdjust }), engine.InvalidReason, "reason"},
		"adjust by nothing":     {receive(func(c *engine.Command) { c.Op, c.Reason, c.Quantity = engine.OpAdjust, "damaged", 0 }), engine.InvalidQuantityTooLow, "delta"},
		"adjust by too little": {receive(func(c *engine.Command) {
			c.Op, c.Reason, c.Quantity = engine.OpAdjust, "damaged", -engine.QuantityMax-1
		}), engine.InvalidQuantityTooLow, "delta"},
		"adjust by too much":     {receive(func(c *engine.Command) { c.Op, c.Reason, c.Quantity = engine.OpAdjust, "damaged", engine.QuantityMax+1 }), engine.InvalidQuantityTooHigh, "delta"},
		"adjust reserved":        {receive(func(c *engine.Command) { c.Op, c.Reason, c.State = engine.OpAdjust, "damaged", engine.Reserved }), engine.InvalidStateName, "state"},
		"set to nothing":         {receive(func(c *engine.Command) { c.Op, c.Quantity = engine.OpSet, 0 }), engine.NotRefused, ""},
		"set below nothing":      {receive(func(c *engine.Command) { c.Op, c.Quantity = engine.OpSet, -1 }), engine.InvalidQuantityTooLow, "quantity"},
		"set safety_stock":       {receive(func(c *engine.Command) { c.Op, c.State = engine.OpSet, engine.SafetyStock }), engine.InvalidStateName, "state"},
		"set from below nothing": {receive(func(c *engine.Command) { c.Op, c.HasChangeFrom, c.ChangeFrom = engine.OpSet, true, -1 }), engine.InvalidQuantityTooLow, "change_from_quantity"},
		"move":                   {move(engine.Available, engine.Damaged), engine.NotRefused, ""},
		"move off on_hand":       {move(engine.OnHand, engine.Other), engine.NotRefused, ""},
		"move to itself":         {move(engine.Damaged, engine.Damaged), engine.InvalidStateName, "to"},
		"move on_hand available": {move(engine.OnHand, engine.Available), engine.InvalidStateName, "to"},
		"move to on_hand":        {move(engine.Damaged, engine.OnHand), engine.InvalidStateName, "to"},
		"move committed":         {move(engine.Committed, engine.Damaged), engine.InvalidStateName, "from"},
		"move from nowhere":      {move(engine.StateUnset, engine.Damaged), engine.InvalidStateName, "from"},

		"settings": {put(engine.Settings{
			BackorderLimit: 1, ReorderPoint: 2, SafetyStock: map[string]int64{"x": 0}, LocationOrder: []string{"x", "y"},
		}), engine.NotRefused, ""},
		"limit below nothing":  {put(engine.Settings{BackorderLimit: -1}), engine.InvalidQuantityTooLow, "backorder_limit"},
		"reorder too high":     {put(engine.Settings{ReorderPoint: engine.QuantityMax + 1}), engine.InvalidQuantityTooHigh, "reorder_point"},
		"safety below nothing": {put(engine.Settings{SafetyStock: map[string]int64{"x": -1}}), engine.InvalidQuantityTooLow, "safety_stock.x"},
		"safety nowhere":       {put(engine.Settings{SafetyStock: map[string]int64{"": 1}}), engine.InvalidRequest, "safety_stock"},
		"order twice":          {put(engine.Settings{LocationOrder: []string{"x", "y", "x"}}), engine.InvalidRequest, "location_order[2]"},
		"order nowhere":        {put(engine.Settings{LocationOrder: []string{"x", ""}}), engine.InvalidRequest, "location_order[1]"},
		"order of too many":    {put(engine.Settings{LocationOrder: make([]string, engine.LocationsMax+1)}), engine.InvalidRequest, "location_order"},

		"reserve":               {lines(engine.OpReserve, a, a), engine.NotRefused, ""},
		"reserve nothing":       {lines(engine.OpReserve), engine.InvalidRequest, "lines"},
		"reserve no units":      {lines(engine.OpReserve, a, engine.Line{SKU: "a"}), engine.InvalidQuantityTooLow, "lines[1].quantity"},
		"reserve no item":       {lines(engine.OpReserve, a, engine.Line{Quantity: 1}), engine.InvalidRequest, "lines[1].sku"},
		"reserve two of none":   {lines(engine.OpReserve, a, engine.Line{SKU: "a"}, engine.Line{SKU: "a"}), engine.InvalidQuantityTooLow, "lines[1].quantity"},
		"reserve at a path":     {lines(engine.OpReserve, engine.Line{SKU: "a", Location: ".", Quantity: 1}), engine.InvalidRequest, "lines[0].location"},
		"reserve most lines":    {lines(engine.OpReserve, slices.Repeat([]engine.Line{a}, engine.LinesMax)...), engine.NotRefused, ""},
		"reserve too many":      {lines(engine.OpReserve, slices.Repeat([]engine.Line{a}, engine.LinesMax+1)...), engine.TooManyLines, "lines"},
		"commit nothing":        {lines(engine.OpCommit), engine.InvalidRequest, "lines"},
		"hold too long":         {ok(engine.Command{Op: engine.OpReserve, Lines: []engine.Line{a}, TTL: engine.HoldTTLMax.Milliseconds() + 1}), engine.TTLTooLong, "ttl_ms"},
		"hold longest":          {ok(engine.Command{Op: engine.OpReserve, Lines: []engine.Line{a}, TTL: engine.HoldTTLMax.Milliseconds()}), engine.NotRefused, ""},
		"hold for less":         {ok(engine.Command{Op: engine.OpExtend, TTL: -1}), engine.InvalidRequest, "ttl_ms"},
		"confirm all":           {lines(engine.OpConfirm), engine.NotRefused, ""},
		"confirm none of one":   {lines(engine.OpConfirm, engine.Line{SKU: "a"}, a), engine.NotRefused, ""},
		"confirm none":          {lines(engine.OpConfirm, engine.Line{SKU: "a"}, engine.Line{SKU: "b"}), engine.InvalidQuantityTooLow, "lines"},
		"cancel less than none": {lines(engine.OpCancel, engine.Line{SKU: "a", Quantity: -1}), engine.InvalidQuantityTooLow, "lines[0].quantity"},
		"owner too long":        {ok(engine.Command{Op: engine.OpReserve, Lines: []engine.Line{a}, Owner: long}), engine.InvalidRequest, "owner"},
		"release":               {ok(engine.Command{Op: engine.OpRelease}), engine.NotRefused, ""},
		"read without a key":    {engine.Command{Op: engine.OpGetItem, SKU: "a"}, engine.NotRefused, ""},
		"read nothing":          {engine.Command{Op: engine.OpGetItem}, engine.InvalidRequest, "sku"},
		"change without a key":  {engine.Command{Op: engine.OpRelease}, engine.IdempotencyKeyRequired, "Idempotency-Key"},
	} {
		t.Run(name, func(t *testing.T) {
			r := test.command.Validate()
			if r.Code != test.code || r.Field != test.field {
				t.Errorf("answered %v for %q (%s), should be %v for %q", r.Code, r.Field, r.Detail, test.code, test.field)
			}
			if r.Refused() && r.Detail == "" {
				t.Error("refused without a word")
			}
		})
	}
}

// TestFingerprint changes one field after the other: each makes another command of it.
func TestFingerprint(t *testing.T) {
	base := engine.Command{Op: engine.OpConfirm, Lines: []engine.Line{{SKU: "a", Location: "x", Quantity: 1}}}
	prints := map[uint64]string{base.Fingerprint(): "nothing"}
	for name, change := range map[string]func(c *engine.Command){
		"op":            func(c *engine.Command) { c.Op = engine.OpFulfill },
		"actor":         func(c *engine.Command) { c.Actor = "a" },
		"reference":     func(c *engine.Command) { c.Reference = "a" },
		"reason":        func(c *engine.Command) { c.Reason = "a" },
		"sku":           func(c *engine.Command) { c.SKU = "a" },
		"location":      func(c *engine.Command) { c.Location = "a" },
		"quantity":      func(c *engine.Command) { c.Quantity = 1 },
		"state":         func(c *engine.Command) { c.State = 1 },
		"from":          func(c *engine.Command) { c.From = 1 },
		"to":            func(c *engine.Command) { c.To = 1 },
		"change from":   func(c *engine.Command) { c.HasChangeFrom = true },
		"change from 5": func(c *engine.Command) { c.HasChangeFrom, c.ChangeFrom = true, 5 },
		"match":         func(c *engine.Command) { c.HasIfMatch = true },
		"match 5":       func(c *engine.Command) { c.HasIfMatch, c.IfMatch = true, 5 },
		"line sku":      func(c *engine.Command) { c.Lines = []engine.Line{{SKU: "b", Location: "x", Quantity: 1}} },
		"line location": func(c *engine.Command) { c.Lines = []engine.Line{{SKU: "a", Location: "y", Quantity: 1}} },
		"line quantity": func(c *engine.Command) { c.Lines = []engine.Line{{SKU: "a", Location: "x", Quantity: 2}} },
		"line split":    func(c *engine.Command) { c.Lines = []engine.Line{{SKU: "ax", Quantity: 1}} },
		"two lines":     func(c *engine.Command) { c.Lines = append(slices.Clone(c.Lines), c.Lines...) },
		"no lines":      func(c *engine.Command) { c.Lines = nil },
		"ttl":           func(c *engine.Command) { c.TTL = 1 },
		"owner":         func(c *engine.Command) { c.Owner = "a" },
		"home":          func(c *engine.Command) { c.Reservation.Home = "a" },
		"nonce":         func(c *engine.Command) { c.Reservation.Nonce = 1 },
		"settings": func(c *engine.Command) {
			c.Op, c.Settings = engine.OpPutItem, engine.Settings{SafetyStock: map[string]int64{"x": 1}}
		},
		"other settings": func(c *engine.Command) {
			c.Op, c.Settings = engine.OpPutItem, engine.Settings{LocationOrder: []string{"x"}}
		},
	} {
		c := engine.Command{Op: base.Op, Lines: base.Lines}
		change(&c)
		if other, ok := prints[c.Fingerprint()]; ok {
			t.Errorf("another %s is the same as another %s", name, other)
		}
		prints[c.Fingerprint()] = name
	}
	// The nonce of a new reservation is drawn for each attempt, so it must not tell retries apart.
	first := engine.Command{Op: engine.OpReserve, Lines: base.Lines, Reservation: engine.ReservationRef{Nonce: 1}}
	retry := engine.Command{Op: engine.OpReserve, Lines: base.Lines, Reservation: engine.ReservationRef{Nonce: 2}}
	if first.Fingerprint() != retry.Fingerprint() {
		t.Error("a retry of a reservation is taken for another command")
	}
	// A key is one principal's: the same key of another is another key, however they are cut.
	one, other := engine.Command{Principal: "ab", Key: "c"}, engine.Command{Principal: "a", Key: "bc"}
	if one.KeyHash() == other.KeyHash() {
		t.Error("two principals share a key")
	}
}

// TestCodes holds the words that clients see against the order of precedence.
func TestCodes(t *testing.T) {
	codes := engine.Codes()
	if codes[0] != engine.IdempotencyKeyRequired || codes[len(codes)-1] != engine.LinkedLineFailed || !slices.IsSorted(codes) {
		t.Errorf("the codes are %v", codes)
	}
	seen := map[string]bool{}
	for _, c := range codes {
		if c.String() == "" || seen[c.String()] {
			t.Errorf("code %d is called %q", c, c.String())
		}
		seen[c.String()] = true
	}
}
