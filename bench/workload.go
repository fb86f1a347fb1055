package bench

import "fmt"

// Workload says what is asked of the engine.
type Workload struct {
	Name string `json:"name"`
	// SKUs is how many items there are; Lines how many of them one order takes from.
	SKUs  int `json:"skus"`
	Lines int `json:"lines"`
	// TTL is the life of the holds, in milliseconds.
	TTL int64 `json:"ttl_ms"`
	// Zipf is the exponent of the items' popularity; zero makes all alike.
	Zipf float64 `json:"zipf,omitempty"`
	// Reads is the share of operations that read an item.
	Reads float64 `json:"reads,omitempty"`
	// Confirmed, Released and Lapsed are the shares of reservations that are confirmed and then
	// fulfilled, that are given back, and that are left to expire, after a life of LapseTTL. The
	// rest stays as it is.
	Confirmed float64 `json:"confirmed,omitempty"`
	Released  float64 `json:"released,omitempty"`
	Lapsed    float64 `json:"lapsed,omitempty"`
}

// The sizes of the workloads.
const (
	// items is how many items most workloads have.
	items = 100_000
	// holdTTL is the life of a hold, in milliseconds: that of a cart.
	holdTTL = 15 * 60 * 1000
	// LapseTTL is the life of a hold that is left to expire, in milliseconds: short, so that it
	// falls due while the run goes on.
	LapseTTL = 500
)

// Workloads are those that there are.
func Workloads() []Workload {
	return []Workload{
		{Name: "uniform", SKUs: items, Lines: 1, TTL: holdTTL},
		{Name: "hot", SKUs: 1, Lines: 1, TTL: holdTTL},
		{Name: "zipf", SKUs: items, Lines: 1, TTL: holdTTL, Zipf: 1.1},
		{Name: "order", SKUs: items, Lines: 3, TTL: holdTTL},
		{Name: "life", SKUs: items, Lines: 1, TTL: holdTTL, Confirmed: 0.60, Released: 0.25, Lapsed: 0.15},
		{Name: "read", SKUs: items, Reads: 1},
		// Of 100 operations 15 read, 60 reserve, 15 confirm or fulfil, and 10 release.
		{Name: "mixed", SKUs: items, Lines: 1, TTL: holdTTL, Reads: 0.15, Confirmed: 0.125, Released: 1.0 / 6},
	}
}

// Find finds a workload by its name.
func Find(name string) (Workload, error) {
	for _, w := range Workloads() {
		if w.Name == name {
			return w, nil
		}
	}
	return Workload{}, fmt.Errorf("there is no workload %q", name)
}

// Steps reports whether reservations are confirmed, fulfilled and released, so that the driver has
// to remember which they are.
func (w Workload) Steps() bool { return w.Confirmed+w.Released > 0 }

// Stock is how many units an item begins with: more than any run takes.
const Stock = 1 << 40

// Location is where all stock is.
const Location = "main"

// firstSKU is added to the number of an item to name it, so that all names are of one length.
const firstSKU = 10_000_000

// SKU names an item.
func SKU(n int) string { return fmt.Sprintf("SKU-%d", firstSKU+n) }
