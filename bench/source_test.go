package bench

import (
	"math"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// TestWorkloads draws each workload and counts what it asks for.
func TestWorkloads(t *testing.T) {
	const draws = 200_000
	for _, w := range Workloads() {
		s := newSources(w, "run", 1)[0]
		ops := map[engine.Op]int{}
		keys := map[string]bool{}
		lapsed, first := 0, 0
		var sl slot
		for n := range draws {
			s.next(&sl)
			c := &sl.cmd
			if ops[c.Op]++; c.Op == engine.OpGetItem {
				continue
			}
			if keys[c.Key] || len(c.Key) == 0 {
				t.Fatalf("%s: the key %q comes twice", w.Name, c.Key)
			}
			keys[c.Key] = true
			switch {
			case c.Op != engine.OpReserve:
				if c.Reservation.Nonce == 0 || c.Reservation.Nonce > uint64(n) {
					t.Fatalf("%s: a step goes to reservation %d", w.Name, c.Reservation.Nonce)
				}
			case len(c.Lines) != w.Lines || c.TTL <= 0:
				t.Fatalf("%s: %+v", w.Name, c)
			default:
				c.Reservation.Nonce = uint64(n + 1) // As a driver does.
				if c.TTL == LapseTTL {
					lapsed++
				}
				if c.Lines[0].SKU == SKU(0) {
					first++
				}
			}
			s.accepted(&sl)
		}
		share := func(what string, n, of int, want float64) {
			if got := float64(n) / float64(of); math.Abs(got-want) > 0.01 {
				t.Errorf("%s: the share of %s is %.3f, want %.3f", w.Name, what, got, want)
			}
		}
		share("reads", ops[engine.OpGetItem], draws, w.Reads)
		reserved := max(1, ops[engine.OpReserve])
		share("confirmed", ops[engine.OpConfirm], reserved, w.Confirmed)
		share("fulfilled", ops[engine.OpFulfill], reserved, w.Confirmed)
		share("released", ops[engine.OpRelease], reserved, w.Released)
		share("lapsed", lapsed, reserved, w.Lapsed)
		switch w.Name {
		case "hot":
			share("the first item", first, reserved, 1)
		case "zipf":
			if first < reserved/20 {
				t.Errorf("zipf: the most popular item comes %d times in %d", first, reserved)
			}
		case "mixed":
			share("reserve", ops[engine.OpReserve], draws, 0.60)
			share("confirm and fulfil", ops[engine.OpConfirm]+ops[engine.OpFulfill], draws, 0.15)
			share("release", ops[engine.OpRelease], draws, 0.10)
		}
	}
}

// TestSeeded: a run asks for the same every time, and each worker for something else.
func TestSeeded(t *testing.T) {
	w, err := Find("zipf")
	if err != nil {
		t.Fatal(err)
	}
	draw := func(worker int) (all string) {
		s := newSources(w, "run", 3)[worker]
		var sl slot
		for range 20 {
			s.next(&sl)
			all += sl.cmd.Lines[0].SKU + sl.cmd.Key + " "
		}
		return all
	}
	first := draw(1)
	if again := draw(1); again != first {
		t.Error("the same worker asks for something else the second time")
	}
	if first == draw(2) {
		t.Error("two workers ask for the same")
	}
}
