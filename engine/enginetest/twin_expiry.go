package enginetest

import (
	"fmt"

	"github.com/skua-stock/skua/engine"
)

// Due lists the reservations that are due by now and have lines of the item, but of which its
// ledger does not say so yet.
func (t *Twin) Due(sku string, now engine.Time) []uint64 {
	var due []uint64
	for _, nonce := range t.Nonces() {
		r := t.reservations[nonce]
		if r.stateAt(now) == engine.Expired && r.of(sku) > 0 && !r.writtenOut[sku] {
			due = append(due, nonce)
		}
	}
	return due
}

// WrittenOut tells the twin that the ledger of the item has a movement for each line of an expired
// reservation. It says what is wrong with that, if anything is.
func (t *Twin) WrittenOut(sku string, nonce uint64, now engine.Time) error {
	r := t.reservations[nonce]
	switch {
	case r == nil:
		return fmt.Errorf("reservation %d expired, which never was", nonce)
	case r.stateAt(now) != engine.Expired:
		return fmt.Errorf("reservation %d expired at %d, but is %v until %d", nonce, now, r.state, r.expiresAt)
	case r.writtenOut[sku]:
		return fmt.Errorf("reservation %d expired twice on %q", nonce, sku)
	}
	n := uint64(0)
	for _, l := range r.lines {
		if l.sku == sku {
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("reservation %d expired on %q, of which it has no line", nonce, sku)
	}
	r.writtenOut[sku] = true
	t.items[sku].sequence += n
	return nil
}

// Freed tells the twin that so many levels of an item had the units of very many due holds given
// back in one movement each.
func (t *Twin) Freed(sku string, levels int) { t.items[sku].sequence += uint64(levels) }
