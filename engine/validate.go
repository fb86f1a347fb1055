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
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f {
			return validUnicode(s)
		}
	}
	return ""
}

func validUnicode(s string) string {
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

// Validate reports what of the command itself breaks a rule, whatever the stock. It names the
// field and the rule. A command that passes may still be refused for what the stock is.
func (c *Command) Validate() Refusal {
	if c.Op.Mutates() {
		if r := c.validateCarried(); r.Refused() {
			return r
		}
	}
	switch c.Op {
	case OpReserve, OpCommit:
		return c.validateReservation()
	case OpConfirm, OpFulfill, OpCancel:
		return validateLines(c.Lines, true)
	case OpExtend:
		return validateTTL(c.TTL)
	case OpRelease, OpGetReservation:
		return Refusal{}
	}
	if bad := ValidName(c.SKU); bad != "" {
		return refuse(InvalidRequest, "sku", "sku "+bad)
	}
	switch c.Op {
	case OpGetItem:
		return Refusal{}
	case OpPutItem:
		return c.validateSettings()
	}
	if bad := ValidName(c.Location); bad != "" {
		return refuse(InvalidRequest, "location", "location "+bad)
	}
	return c.validateChange()
}

// validateCarried checks what every mutation carries: key, reason, reference and actor.
func (c *Command) validateCarried() Refusal {
	switch {
	case c.Key == "":
		return refuse(IdempotencyKeyRequired, "Idempotency-Key", "every change needs an idempotency key")
	case len(c.Key) > KeyBytesMax:
		return refuse(InvalidRequest, "Idempotency-Key",
			fmt.Sprintf("an idempotency key must be at most %d bytes, is %d", KeyBytesMax, len(c.Key)))
	case len(c.Owner) > OwnerBytesMax:
		return refuse(InvalidRequest, "owner",
			fmt.Sprintf("owner must be at most %d bytes, is %d", OwnerBytesMax, len(c.Owner)))
	case len(c.Actor) > ActorBytesMax:
		return refuse(InvalidRequest, "actor",
			fmt.Sprintf("actor must be at most %d bytes, is %d", ActorBytesMax, len(c.Actor)))
	}
	for _, f := range [...]struct{ field, text string }{{"owner", c.Owner}, {"actor", c.Actor}, {"Idempotency-Key", c.Key}} {
		if bad := validUnicode(f.text); bad != "" {
			return refuse(InvalidRequest, f.field, f.field+" "+bad)
		}
	}
	if c.Reason != "" {
		if _, ok := reasonSet[c.Reason]; !ok {
			return refuse(InvalidReason, "reason", "reason must be one of "+strings.Join(Reasons, ", "))
		}
	}
	return validateReference(c.Reference)
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

func (c *Command) validateSettings() Refusal {
	s := &c.Settings
	if r := validateAtLeast("backorder_limit", s.BackorderLimit, 0); r.Refused() {
		return r
	}
	if r := validateAtLeast("reorder_point", s.ReorderPoint, 0); r.Refused() {
		return r
	}
	if len(s.SafetyStock) > LocationsMax || len(s.LocationOrder) > LocationsMax {
		return refuse(InvalidRequest, "location_order", fmt.Sprintf("an item has at most %d locations", LocationsMax))
	}
	for _, loc := range slices.Sorted(maps.Keys(s.SafetyStock)) { // The same refusal every time.
		if bad := ValidName(loc); bad != "" {
			return refuse(InvalidRequest, "safety_stock", "a location of safety_stock "+bad)
		}
		if r := validateAtLeast("safety_stock."+loc, s.SafetyStock[loc], 0); r.Refused() {
			return r
		}
	}
	seen := make(map[string]bool, len(s.LocationOrder))
	for i, loc := range s.LocationOrder {
		field := fmt.Sprintf("location_order[%d]", i)
		if bad := ValidName(loc); bad != "" {
			return refuse(InvalidRequest, field, field+" "+bad)
		}
		if seen[loc] {
			return refuse(InvalidRequest, field, field+" names a location twice")
		}
		seen[loc] = true
	}
	return Refusal{}
}

// validateChange checks receive, restock, adjust, set and move.
func (c *Command) validateChange() Refusal {
	switch c.Op {
	case OpAdjust:
		if c.Reason == "" {
			return refuse(InvalidReason, "reason", "adjust needs a reason")
		}
		if !settable(c.State) {
			return refuse(InvalidStateName, "state", notSettable)
		}
		if c.Quantity == 0 {
			return refuse(InvalidQuantityTooLow, "delta", "delta must not be zero")
		}
		if c.Quantity < -QuantityMax {
			return refuse(InvalidQuantityTooLow, "delta", fmt.Sprintf("delta must be at least -%d", int64(QuantityMax)))
		}
		if c.Quantity > QuantityMax {
			return refuse(InvalidQuantityTooHigh, "delta", fmt.Sprintf("delta must be at most %d", int64(QuantityMax)))
		}
	case OpSet:
		if !settable(c.State) {
			return refuse(InvalidStateName, "state", notSettable)
		}
		if r := validateAtLeast("quantity", c.Quantity, 0); r.Refused() {
			return r
		}
	case OpMove:
		if !movable(c.From) && c.From != OnHand {
			return refuse(InvalidStateName, "from", "from must be one of available, damaged, quality_control, other, on_hand")
		}
		if !movable(c.To) {
			return refuse(InvalidStateName, "to", "to must be one of available, damaged, quality_control, other")
		}
		if c.From == c.To || c.From == OnHand && c.To == Available {
			return refuse(InvalidStateName, "to", "to must be another state than from")
		}
		return validateAtLeast("quantity", c.Quantity, 1)
	default:
		return validateAtLeast("quantity", c.Quantity, 1)
	}
	if c.HasChangeFrom {
		return validateAtLeast("change_from_quantity", c.ChangeFrom, 0)
	}
	return Refusal{}
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

func (c *Command) validateReservation() Refusal {
	if len(c.Lines) == 0 {
		return refuse(InvalidRequest, "lines", "a reservation needs at least one line")
	}
	if r := validateLines(c.Lines, false); r.Refused() {
		return r
	}
	if c.Op == OpCommit {
		return Refusal{}
	}
	return validateTTL(c.TTL)
}

// validateLines checks the lines of a reservation, or of a step: there a location must not be
// left out where the item has several, which only the stock can tell.
func validateLines(lines []Line, step bool) Refusal {
	var any int64
	if len(lines) > LinesMax {
		return refuse(TooManyLines, "lines", fmt.Sprintf("at most %d lines, there are %d", LinesMax, len(lines)))
	}
	for i := range lines {
		l := &lines[i]
		if bad := ValidName(l.SKU); bad != "" {
			return refuse(InvalidRequest, fmt.Sprintf("lines[%d].sku", i), "sku "+bad)
		}
		if l.Location != "" {
			if bad := ValidName(l.Location); bad != "" {
				return refuse(InvalidRequest, fmt.Sprintf("lines[%d].location", i), "location "+bad)
			}
		}
		if l.Quantity < 1 || l.Quantity > QuantityMax {
			least := int64(1)
			if step {
				least = 0
			}
			if r := validateAtLeast(fmt.Sprintf("lines[%d].quantity", i), l.Quantity, least); r.Refused() {
				return r
			}
		}
		any |= l.Quantity
	}
	if len(lines) > 0 && any == 0 {
		return refuse(InvalidQuantityTooLow, "lines", "at least one line must have a quantity of 1 or more")
	}
	return Refusal{}
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
