package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reasons are the reasons that a change may carry, with the words of the field.
var Reasons = []string{
	"correction", "cycle_count_available", "damaged", "movement_created", "movement_updated",
	"movement_received", "movement_canceled", "other", "promotion", "quality_control", "received",
	"reservation_created", "reservation_updated", "reservation_deleted", "restock", "safety_stock",
	"shrinkage", "sale", "cancellation", "expiry", "import", "repair",
}

var reasonSet = func() map[string]string {
	m := make(map[string]string, len(Reasons))
	for _, r := range Reasons {
		m[r] = r
	}
	return m
}()

// ReasonNamed returns the one copy of a known reason, so that decoding it again allocates nothing.
func ReasonNamed(name []byte) (string, bool) { r, ok := reasonSet[string(name)]; return r, ok }

// ValidName says what is wrong with a SKU, a location, a lot or a pool; "" means nothing.
func ValidName(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case len(s) > NameBytesMax:
		return fmt.Sprintf("must be at most %d bytes, is %d", NameBytesMax, len(s))
	case s == "." || s == "..":
		return `must not be "." or ".."`
	}
	return validUnicode(s)
}

func validUnicode(s string) string {
	ascii := true
	for i := 0; i < len(s); i++ {
		ascii = ascii && s[i] >= 0x20 && s[i] < 0x7f
	}
	if ascii {
		return ""
	}
	if !utf8.ValidString(s) {
		return "must be valid UTF-8"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return "must not contain control characters"
		}
	}
	return ""
}

// faults keeps the refusal that comes first in the order of precedence; of several with one code,
// that which was met first.
type faults struct{ first Refusal }

func (f *faults) add(r Refusal) {
	if r.Refused() && (!f.first.Refused() || r.Code < f.first.Code) {
		f.first = r
	}
}

// name adds what is wrong with a SKU or a location.
func (f *faults) name(field, name string) {
	if bad := ValidName(name); bad != "" {
		f.add(refuse(InvalidRequest, field, field+" "+bad))
	}
}

// text adds what is wrong with a text that may be empty.
func (f *faults) text(field, text string, bytesMax int) {
	if len(text) > bytesMax {
		f.add(refuse(InvalidRequest, field, fmt.Sprintf("%s must be at most %d bytes, is %d", field, bytesMax, len(text))))
	}
	if bad := validUnicode(text); bad != "" {
		f.add(refuse(InvalidRequest, field, field+" "+bad))
	}
}

// Validate reports what of the command itself breaks a rule, whatever the stock. It names the
// field and the rule. A command that passes may still be refused for what the stock is.
func (c *Command) Validate() Refusal {
	var f faults
	if c.Op.Mutates() {
		c.validateCarried(&f)
	}
	switch c.Op {
	case OpReserve:
		c.validateReservation(&f)
		f.add(validateTTL(c.TTL))
	case OpCommit:
		c.validateReservation(&f)
	case OpConfirm, OpFulfill, OpCancel:
		validateLines(&f, c.Lines, true)
	case OpExtend:
		f.add(validateTTL(c.TTL))
	case OpGetItem:
		f.name("sku", c.SKU)
	case OpPutItem:
		f.name("sku", c.SKU)
		c.Settings.validate(&f)
	case OpReceive, OpRestock, OpAdjust, OpSet, OpMove:
		f.name("sku", c.SKU)
		f.name("location", c.Location)
		c.validateChange(&f)
	}
	return f.first
}

// validateCarried checks what every mutation carries: key, reason, reference and actor.
func (c *Command) validateCarried(f *faults) {
	if c.Key == "" {
		f.add(refuse(IdempotencyKeyRequired, "Idempotency-Key", "every change needs an idempotency key"))
	}
	f.text("Idempotency-Key", c.Key, KeyBytesMax)
	f.text("owner", c.Owner, OwnerBytesMax)
	f.text("actor", c.Actor, ActorBytesMax)
	if c.Reason != "" {
		if _, ok := reasonSet[c.Reason]; !ok {
			f.add(refuse(InvalidReason, "reason", "reason must be one of "+strings.Join(Reasons, ", ")))
		}
	}
	f.add(validateReference(c.Reference))
}

// validateReference asks for the outer form of a URI (RFC 3986: a scheme, then no spaces).
func validateReference(uri string) Refusal {
	if uri == "" {
		return Refusal{}
	}
	const field = "reference_document_uri"
	if len(uri) > ReferenceBytesMax {
		return refuse(InvalidReferenceDocument, field,
			fmt.Sprintf("%s must be at most %d bytes, is %d", field, ReferenceBytesMax, len(uri)))
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || scheme == "" || rest == "" || !schemeLetters(scheme) || strings.ContainsFunc(uri, unicode.IsSpace) ||
		validUnicode(uri) != "" {
		return refuse(InvalidReferenceDocument, field, field+` must be a URI such as "https://shop.example/orders/7" or "order:7"`)
	}
	return Refusal{}
}

func schemeLetters(s string) bool {
	for i, r := range s {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || !(('0' <= r && r <= '9') || r == '+' || r == '-' || r == '.')) {
			return false
		}
	}
	return true
}

func (s *Settings) validate(f *faults) {
	f.add(validateAtLeast("backorder_limit", s.BackorderLimit, 0))
	f.add(validateAtLeast("reorder_point", s.ReorderPoint, 0))
	tooMany := func(field string, n int) bool {
		if n > LocationsMax {
			f.add(refuse(InvalidRequest, field, fmt.Sprintf("an item has at most %d locations", LocationsMax)))
		}
		return n > LocationsMax
	}
	if !tooMany("safety_stock", len(s.SafetyStock)) {
		for _, loc := range slices.Sorted(maps.Keys(s.SafetyStock)) { // The same refusal every time.
			if bad := ValidName(loc); bad != "" {
				f.add(refuse(InvalidRequest, "safety_stock", "a location of safety_stock "+bad))
			}
			f.add(validateAtLeast("safety_stock."+loc, s.SafetyStock[loc], 0))
		}
	}
	if !tooMany("location_order", len(s.LocationOrder)) {
		seen := make(map[string]bool, len(s.LocationOrder))
		for i, loc := range s.LocationOrder {
			field := fmt.Sprintf("location_order[%d]", i)
			f.name(field, loc)
			if seen[loc] {
				f.add(refuse(InvalidRequest, field, field+" names a location twice"))
			}
			seen[loc] = true
		}
	}
}

// validateChange checks receive, restock, adjust, set and move.
func (c *Command) validateChange(f *faults) {
	switch c.Op {
	case OpAdjust:
		c.validateAdjust(f)
	case OpSet:
		if !settable(c.State) {
			f.add(refuse(InvalidStateName, "state", notSettable))
		}
		f.add(validateAtLeast("quantity", c.Quantity, 0))
	case OpMove:
		switch {
		case !movable(c.From) && c.From != OnHand:
			f.add(refuse(InvalidStateName, "from", "from must be one of available, damaged, quality_control, other, on_hand"))
		case !movable(c.To):
			f.add(refuse(InvalidStateName, "to", "to must be one of available, damaged, quality_control, other"))
		case c.From == c.To || c.From == OnHand && c.To == Available:
			f.add(refuse(InvalidStateName, "to", "to must be another state than from"))
		}
		f.add(validateAtLeast("quantity", c.Quantity, 1))
	default:
		f.add(validateAtLeast("quantity", c.Quantity, 1))
	}
	if c.HasChangeFrom && (c.Op == OpAdjust || c.Op == OpSet) {
		f.add(validateAtLeast("change_from_quantity", c.ChangeFrom, 0))
	}
}

func (c *Command) validateAdjust(f *faults) {
	if c.Reason == "" {
		f.add(refuse(InvalidReason, "reason", "adjust needs a reason"))
	}
	if !settable(c.State) {
		f.add(refuse(InvalidStateName, "state", notSettable))
	}
	switch {
	case c.Quantity == 0:
		f.add(refuse(InvalidQuantityTooLow, "delta", "delta must not be zero"))
	case c.Quantity < -QuantityMax:
		f.add(refuse(InvalidQuantityTooLow, "delta", fmt.Sprintf("delta must be at least -%d", int64(QuantityMax))))
	case c.Quantity > QuantityMax:
		f.add(refuse(InvalidQuantityTooHigh, "delta", fmt.Sprintf("delta must be at most %d", int64(QuantityMax))))
	}
}

const notSettable = "state must be one of on_hand, available, damaged, quality_control, other; " +
	"reserved and committed follow the reservations, safety_stock is a setting of the item"

func settable(s State) bool { return s == StateUnset || s == OnHand || movable(s) }

func movable(s State) bool {
	return s == Available || s == Damaged || s == QualityControl || s == Other
}

func validateAtLeast(field string, q, least int64) Refusal {
	if q < least {
		return refuse(InvalidQuantityTooLow, field, fmt.Sprintf("%s must be at least %d, is %d", field, least, q))
	}
	if q > QuantityMax {
		return refuse(InvalidQuantityTooHigh, field, fmt.Sprintf("%s must be at most %d", field, int64(QuantityMax)))
	}
	return Refusal{}
}

func (c *Command) validateReservation(f *faults) {
	if len(c.Lines) == 0 {
		f.add(refuse(InvalidRequest, "lines", "a reservation needs at least one line"))
	}
	validateLines(f, c.Lines, false)
}

// validateLines checks the lines of a reservation, or of a step: there a location must not be
// left out where the reservation has several for the item, which only the stock can tell. When
// there are too many lines, they are not looked at.
func validateLines(f *faults, lines []Line, step bool) {
	if len(lines) > LinesMax {
		f.add(refuse(TooManyLines, "lines", fmt.Sprintf("at most %d lines, there are %d", LinesMax, len(lines))))
		return
	}
	least := int64(1)
	if step {
		least = 0
	}
	var units int64
	for i := range lines {
		l := &lines[i]
		if bad := ValidName(l.SKU); bad != "" {
			f.add(refuse(InvalidRequest, fmt.Sprintf("lines[%d].sku", i), "sku "+bad))
		}
		if bad := ValidName(l.Location); bad != "" && l.Location != "" {
			f.add(refuse(InvalidRequest, fmt.Sprintf("lines[%d].location", i), "location "+bad))
		}
		if l.Quantity < least || l.Quantity > QuantityMax {
			f.add(validateAtLeast(fmt.Sprintf("lines[%d].quantity", i), l.Quantity, least))
		}
		units |= l.Quantity
	}
	if step && len(lines) > 0 && units == 0 {
		f.add(refuse(InvalidQuantityTooLow, "lines", "at least one line must have a quantity of 1 or more"))
	}
}

// validateTTL allows zero: the default.
func validateTTL(ttl int64) Refusal {
	if ttl < 0 {
		return refuse(InvalidRequest, "ttl_ms", fmt.Sprintf("ttl_ms must be at least %d", HoldTTLMin.Milliseconds()))
	}
	if ttl > HoldTTLMax.Milliseconds() {
		return refuse(TTLTooLong, "ttl_ms", fmt.Sprintf("ttl_ms must be at most %d", HoldTTLMax.Milliseconds()))
	}
	return Refusal{}
}
