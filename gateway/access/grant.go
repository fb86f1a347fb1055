package access

import (
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skua-stock/skua/engine"
)

// Grant is what one token allows. It never changes: when its record in the file does, the grant is
// over, and another takes its place. A nil grant allows everything.
type Grant struct {
	ID, Name string
	Scopes   Scopes
	// Locations and Prefixes are what it is restricted to: locations by name, items by how their SKU
	// begins. None means all. Both are sorted, and no prefix begins with another.
	Locations, Prefixes []string
	// NKey is the public key of its connections to the embedded NATS server, in place of the secret.
	NKey string
	// Expires is when it ends by itself; zero is never.
	Expires time.Time

	hash [sha256.Size]byte
	over chan struct{}
}

// Over is closed when the token was revoked, changed, or has expired: what goes on for long, as a
// stream of events, ends then. That of a nil grant never is.
func (g *Grant) Over() <-chan struct{} {
	if g == nil {
		return nil
	}
	return g.over
}

// Principal is the name that keys belong to and that movements have as their actor.
func (g *Grant) Principal() string {
	if g == nil {
		return ""
	}
	return g.Name
}

// Restricted reports whether there are locations or items that the grant is not for.
func (g *Grant) Restricted() bool { return g != nil && (len(g.Locations) > 0 || len(g.Prefixes) > 0) }

// RestrictedToLocations reports whether there are locations that the grant is not for.
func (g *Grant) RestrictedToLocations() bool { return g != nil && len(g.Locations) > 0 }

// Allows reports whether its scopes are enough for what any one of the needed is enough for.
func (g *Grant) Allows(needed Scopes) *Denial {
	if g == nil || g.Scopes.Allows(needed) {
		return nil
	}
	return &Denial{Scope, "", "the token lacks the scope " + strings.Join(needed.Names(), " or ")}
}

// HasLocation reports whether the grant is for a location.
func (g *Grant) HasLocation(location string) bool {
	return !g.RestrictedToLocations() || slices.Contains(g.Locations, location)
}

// HasSKU reports whether the grant is for an item.
func (g *Grant) HasSKU(sku string) bool {
	return g == nil || len(g.Prefixes) == 0 ||
		slices.ContainsFunc(g.Prefixes, func(prefix string) bool { return strings.HasPrefix(sku, prefix) })
}

// Item says whether an item may be looked at.
func (g *Grant) Item(field, sku string) *Denial {
	if g.HasSKU(sku) {
		return nil
	}
	return &Denial{SKU, field, "the token is restricted to SKUs that begin with " + strings.Join(g.Prefixes, " or ")}
}

// At says whether a location may be looked at.
func (g *Grant) At(field, location string) *Denial {
	switch {
	case g.HasLocation(location):
		return nil
	case location == "":
		return &Denial{Location, field, "a token that is restricted to locations must name one of them: " + strings.Join(g.Locations, ", ")}
	}
	return &Denial{Location, field, "the token is restricted to the locations " + strings.Join(g.Locations, ", ")}
}

// Command says whether everything that a command names is inside the restrictions. What a step does
// to its reservation is for [Grant.Reservation] to say, which needs the reservation itself.
func (g *Grant) Command(c *engine.Command) *Denial {
	if !g.Restricted() {
		return nil
	}
	switch {
	case c.Op == engine.OpReserve || c.Op == engine.OpCommit:
		return g.lines(c.Lines)
	case c.Op == engine.OpGetItem:
		return g.Item("sku", c.SKU)
	case c.Op == engine.OpPutItem && g.RestrictedToLocations():
		return &Denial{Location, "sku", "settings are for all locations of an item: a token that is restricted to locations cannot change them"}
	case c.Op == engine.OpPutItem:
		return g.Item("sku", c.SKU)
	case c.Op.Step() || c.Op == engine.OpGetReservation:
		return nil
	}
	if d := g.Item("sku", c.SKU); d != nil {
		return d
	}
	return g.At("location", c.Location)
}

func (g *Grant) lines(lines []engine.Line) *Denial {
	for i := range lines {
		if !g.HasSKU(lines[i].SKU) {
			return g.Item(lineField(i, "sku"), lines[i].SKU)
		}
		if !g.HasLocation(lines[i].Location) {
			return g.At(lineField(i, "location"), lines[i].Location)
		}
	}
	return nil
}

func lineField(i int, name string) string { return "lines[" + strconv.Itoa(i) + "]." + name }

// Reservation says whether all lines of a reservation are inside the restrictions. The item and the
// location of a line never change once it is reserved, so that what was true of them when they were
// read is true when a step is taken. One that is over may have no lines any more; no step changes it.
func (g *Grant) Reservation(v *engine.ReservationView) *Denial {
	if !g.Restricted() {
		return nil
	}
	if len(v.Lines) == 0 && !v.State.Final() {
		return &Denial{SKU, "id", "the reservation has lines that the token is not for"}
	}
	for i := range v.Lines {
		if !g.HasSKU(v.Lines[i].SKU) {
			return &Denial{SKU, "id", "the reservation has items that the token is not for"}
		}
		if !g.HasLocation(v.Lines[i].Location) {
			return &Denial{Location, "id", "the reservation has locations that the token is not for"}
		}
	}
	return nil
}

// View is an item as the grant shows it: with the levels that it is for, and what the settings say
// of their locations. The item itself stays as it is.
func (g *Grant) View(v *engine.ItemView) *engine.ItemView {
	if !g.RestrictedToLocations() {
		return v
	}
	shown := *v
	shown.Levels = nil
	for _, l := range v.Levels {
		if g.HasLocation(l.Key.Location) {
			shown.Levels = append(shown.Levels, l)
		}
	}
	shown.Settings = *g.settings(&v.Settings)
	return &shown
}

// Movement is a movement as the grant shows it, or nil for one that it does not. A movement of no
// location in particular, as the creation of an item, is shown.
func (g *Grant) Movement(m *engine.Movement) *engine.Movement {
	switch {
	case !g.Restricted():
		return m
	case !g.HasSKU(m.SKU) || m.Level.Location != "" && !g.HasLocation(m.Level.Location):
		return nil
	case m.Settings == nil || !g.RestrictedToLocations():
		return m
	}
	shown := *m
	shown.Settings = g.settings(m.Settings)
	return &shown
}

func (g *Grant) settings(s *engine.Settings) *engine.Settings {
	shown := engine.Settings{BackorderLimit: s.BackorderLimit, ReorderPoint: s.ReorderPoint}
	for _, location := range g.Locations {
		if n, ok := s.SafetyStock[location]; ok {
			if shown.SafetyStock == nil {
				shown.SafetyStock = make(map[string]int64)
			}
			shown.SafetyStock[location] = n
		}
	}
	for _, location := range s.LocationOrder {
		if g.HasLocation(location) {
			shown.LocationOrder = append(shown.LocationOrder, location)
		}
	}
	return &shown
}
