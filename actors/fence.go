package actors

import "github.com/skua-stock/skua/engine"

// fence throws away the memory of SKUs whose turn broke off while it changed them, and reloads
// them as the log has them: first everything that was appended before must be durable, so that
// answers that are parked on it still hold. The turn that calls it holds the cells; the fence adds
// a hold of its own, which the reload ends.
func (s *System) fence(cells []*cell) {
	s.metrics.fenced.Add(float64(len(cells)))
	for _, c := range cells {
		c.hold()
		c.enter() // The cell stays until it is well again.
		c.setFault(engine.ErrInternal)
		s.wal.Await(c.last, &reload{c})
	}
}

// reload is what waits for a fenced cell's last record.
type reload struct{ cell *cell }

// Durable implements Waiter. What is due is not tried again at once: what broke an expiry may do so
// for ever. When the log is dead the item refuses everything from here on, a snapshot too, which
// would wait for it otherwise.
func (r *reload) Durable(dead error) {
	c := r.cell
	c.sys().read(func() {
		c.saveMu.Lock()
		c.reloads++
		if stock, last, saved, err := c.readAgain(dead); err != nil {
			c.fail(err)
		} else {
			c.take(stock, last, saved)
			c.schedule(c.sys().clock.time() + engine.Time(expiryRetry.Milliseconds()))
		}
		c.saveMu.Unlock()
		c.resume()
		c.release(1)
	})
}

// readAgain reads the stock that the log explains, unless the log is dead.
func (c *cell) readAgain(dead error) (stock *engine.Stock, last uint64, saved any, err error) {
	if dead != nil {
		return nil, 0, nil, dead
	}
	return c.sys().snapshots.Load(c.sku, c.last)
}
