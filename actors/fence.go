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
		c.amend(func(r *cellRest) { r.fault = engine.ErrInternal })
		s.wal.Await(c.last, &reload{c})
	}
}

// reload is what waits for a fenced cell's last record.
type reload struct{ cell *cell }

// Durable implements Waiter.
func (r *reload) Durable(err error) {
	c := r.cell
	if err != nil {
		c.release(1) // The log is dead and the process is about to be.
		return
	}
	c.sys().read(func() {
		c.saveMu.Lock()
		c.reloads++
		stock, last, saved, err := c.sys().snapshots.Load(c.sku, c.last)
		if err != nil {
			c.fail(err)
		} else {
			c.scheduled = 0
			c.take(stock, last, saved)
		}
		c.saveMu.Unlock()
		c.resume()
		c.release(1)
	})
}
