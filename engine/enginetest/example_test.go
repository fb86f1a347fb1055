package enginetest_test

import (
	"fmt"

	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/engine/enginetest"
)

// A twin is asked the same things as the engine; a hold that is due is free without being told.
func Example() {
	twin := enginetest.NewTwin()
	twin.Do(&engine.Command{Op: engine.OpPutItem, SKU: "tea"}, 1)
	twin.Do(&engine.Command{Op: engine.OpReceive, SKU: "tea", Location: "main", Quantity: 3}, 1)
	hold := &engine.Command{
		Op: engine.OpReserve, TTL: 10, Lines: []engine.Line{{SKU: "tea", Quantity: 2}},
		Reservation: engine.ReservationRef{Nonce: 1},
	}
	fmt.Println(twin.Do(hold, 2).Reservation.State)
	hold.Reservation.Nonce = 2
	fmt.Println(twin.Do(hold, 3).Code)
	fmt.Println(twin.Amounts("tea", "main", 11).Available, twin.Amounts("tea", "main", 12).Available)
	// Output:
	// active
	// INSUFFICIENT_STOCK
	// 1 3
}
