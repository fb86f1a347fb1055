package sim

import (
	"fmt"
	"math/rand/v2"

	"github.com/skua-stock/skua/engine"
)

// plan is what a client wants next.
type plan struct {
	dice    *rand.Rand
	weather *weather
	name    string
	n       int
	holds   []engine.ReservationRef
	due     map[engine.ReservationRef]engine.Time
	seen    map[string]uint64 // sequences of items
}

var settable = []engine.State{engine.OnHand, engine.Available, engine.Damaged, engine.QualityControl, engine.Other}

func (p *plan) item() string {
	if p.weather.cold > 0 && p.dice.IntN(3) == 0 {
		return p.weather.sku(p.weather.items + p.dice.IntN(p.weather.cold))
	}
	return p.weather.sku(p.dice.IntN(p.weather.items))
}

func (p *plan) location() string {
	return [...]string{"main", "east"}[p.dice.IntN(p.weather.locations)]
}

func (p *plan) some(percent int) bool { return p.dice.IntN(100) < percent }

// read draws something to look at.
func (p *plan) read() *engine.Command {
	if n := len(p.holds); n > 0 && p.some(40) {
		return &engine.Command{Op: engine.OpGetReservation, Reservation: p.holds[p.dice.IntN(n)]}
	}
	return &engine.Command{Op: engine.OpGetItem, SKU: p.item()}
}

// change draws a change that is valid.
func (p *plan) change() *engine.Command {
	for {
		c := p.draw()
		if r := c.Validate(); !r.Refused() {
			return c
		}
	}
}

func (p *plan) draw() *engine.Command {
	p.n++
	c := &engine.Command{Key: fmt.Sprintf("%s-%d", p.name, p.n), Actor: p.name}
	if p.some(10) {
		c.Reference = "order:7"
	}
	switch roll := p.dice.IntN(100); {
	case roll < 45 || len(p.holds) == 0 && roll < 80:
		p.reserve(c)
	case roll < 80:
		p.step(c)
	default:
		p.stock(c)
	}
	return c
}

func (p *plan) reserve(c *engine.Command) {
	c.Op = engine.OpReserve
	if p.some(15) {
		c.Op = engine.OpCommit
	} else if !p.some(5) {
		c.TTL = 1 + spread(p.dice, p.weather.ttl).Milliseconds()
	}
	lines := 1
	if p.some(50) {
		lines = 1 + p.dice.IntN(5)
	}
	if p.some(1) {
		lines = 1 + p.dice.IntN(40)
	}
	for range lines {
		l := engine.Line{SKU: p.item(), Quantity: 1 + p.dice.Int64N(1+p.weather.units/4)}
		if p.some(70) {
			l.Location = p.location()
		}
		c.Lines = append(c.Lines, l)
	}
	if p.some(20) {
		c.Owner = "cart-" + p.name
	}
}

func (p *plan) step(c *engine.Command) {
	at := len(p.holds) - 1
	if p.some(30) {
		at = p.dice.IntN(len(p.holds))
	}
	c.Reservation = p.holds[at]
	c.Op = [...]engine.Op{
		engine.OpConfirm, engine.OpConfirm, engine.OpRelease, engine.OpExtend, engine.OpFulfill, engine.OpFulfill, engine.OpCancel,
	}[p.dice.IntN(7)]
	switch {
	case c.Op == engine.OpExtend:
		c.TTL = 1 + spread(p.dice, p.weather.ttl).Milliseconds()
	case c.Op != engine.OpRelease && p.some(20):
		c.Lines = append(c.Lines, engine.Line{SKU: p.item(), Location: p.location(), Quantity: 1 + p.dice.Int64N(2)})
	}
}

func (p *plan) stock(c *engine.Command) {
	c.SKU = p.item()
	if p.some(5) {
		c.HasIfMatch, c.IfMatch = true, p.seen[c.SKU]
	}
	roll := p.dice.IntN(10)
	if roll == 0 {
		c.Op = engine.OpPutItem
		c.Settings = engine.Settings{BackorderLimit: p.dice.Int64N(4), ReorderPoint: p.dice.Int64N(3)}
		if p.some(50) {
			c.Settings.SafetyStock = map[string]int64{p.location(): p.dice.Int64N(3)}
		}
		if p.some(50) {
			c.Settings.LocationOrder = []string{p.location()}
		}
		return
	}
	c.Location, c.Quantity = p.location(), 1+p.dice.Int64N(1+p.weather.units/2)
	switch {
	case roll < 4:
		c.Op = engine.OpReceive
	case roll < 5:
		c.Op = engine.OpRestock
	case roll < 7:
		c.Op, c.Reason, c.State = engine.OpAdjust, "correction", settable[p.dice.IntN(5)]
		if p.some(50) {
			c.Quantity = -c.Quantity
		}
	case roll < 8:
		c.Op, c.State = engine.OpSet, settable[p.dice.IntN(5)]
		c.Quantity--
	default:
		c.Op, c.From, c.To = engine.OpMove, settable[p.dice.IntN(5)], settable[1+p.dice.IntN(4)]
	}
	if c.Op == engine.OpAdjust && p.some(20) {
		c.HasChangeFrom, c.ChangeFrom = true, p.dice.Int64N(4)
	}
}
