package node

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/skua-stock/skua/engine"
)

// TestOversell has a thousand clients want one unit each of a hundred, again and again: exactly a
// hundred get one.
func TestOversell(t *testing.T) {
	n := open(t, vfs.NewMem())
	for round := range 20 {
		sku := fmt.Sprint("S", round)
		stocked(t, n, sku, 100)
		var sold, refused atomic.Int64
		var wg sync.WaitGroup
		for client := range 1000 {
			wg.Go(func() {
				a := do(n, engine.Command{Op: engine.OpReserve, Key: fmt.Sprint(round, "-", client), Lines: []engine.Line{{SKU: sku, Quantity: 1}}})
				switch {
				case a.Err != nil:
					t.Error(a.Err)
				case a.Refusal.Code == engine.InsufficientStock:
					refused.Add(1)
				default:
					sold.Add(1)
				}
			})
		}
		wg.Wait()
		if sold.Load() != 100 || refused.Load() != 900 {
			t.Fatalf("%d sold, %d refused", sold.Load(), refused.Load())
		}
	}
	shut(t, n)
}

// TestOversellOrders does the same with orders of three lines over five scarce items. How many
// orders fit depends on which come first, but no item may be short, none may have units that no
// order has, and an order is refused only if one of its items was sold out at that moment.
func TestOversellOrders(t *testing.T) {
	const skus, units = 5, 60
	n := open(t, vfs.NewMem())
	for round := range 10 {
		name := func(i int) string { return fmt.Sprint("R", round, "S", i%skus) }
		for i := range skus {
			stocked(t, n, name(i), units)
		}
		var taken [skus]atomic.Int64
		var sold atomic.Int64
		var wg sync.WaitGroup
		for client := range 1000 {
			wg.Go(func() {
				c := engine.Command{Op: engine.OpReserve, Key: fmt.Sprint(round, "-", client)}
				picks := [3]int{client % skus, (client + 1 + client/skus%2) % skus, (client + 3) % skus}
				for _, i := range picks {
					c.Lines = append(c.Lines, engine.Line{SKU: name(i), Quantity: 1})
				}
				a := do(n, c)
				switch {
				case a.Err != nil:
					t.Error(a.Err)
				case a.Refusal.Refused():
					if len(a.Refusal.Lines) == 0 {
						t.Errorf("a refusal names no line: %+v", a.Refusal)
					}
				default:
					sold.Add(1)
					for _, i := range picks {
						taken[i%skus].Add(1)
					}
				}
			})
		}
		wg.Wait()
		soldOut := 0
		for i := range skus {
			v := must(t, n, engine.Command{Op: engine.OpGetItem, SKU: name(i)}).Item
			if v.Total(engine.Reserved) != taken[i].Load() || v.Total(engine.Available) != units-taken[i].Load() || v.Total(engine.Backordered) != 0 {
				t.Fatalf("item %d: %d taken, %+v", i, taken[i].Load(), v.Levels)
			}
			if v.Total(engine.Available) == 0 {
				soldOut++
			}
		}
		if sold.Load() > skus*units/3 || soldOut == 0 {
			t.Fatalf("%d orders sold, %d items sold out", sold.Load(), soldOut)
		}
	}
	shut(t, n)
}
