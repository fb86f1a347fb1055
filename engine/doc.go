// Package engine has the stock rules, as a pure function of state and command. It knows no clock,
// no dice, no goroutine and no disk: time and random numbers come in, events go out.
//
// # How it is used
//
// A [Stock] is one SKU with everything of it. A [Turn] is one moment in which some stocks are
// held. The caller
//
//  1. calls [Stock.Expire] on each stock until it reports false or only draining is left, and
//     applies and logs each record,
//  2. calls [Turn.Begin] with the time and the stocks, in visiting order,
//  3. looks up the command's idempotency key, and answers from the old record if it is known,
//  4. calls [Turn.Decide], which adds an [Act] to the turn's [Record] or returns a [Refusal],
//  5. calls [Record.Apply] and appends the record to the log,
//  6. answers with [Record.Answer] once the record is on disk.
//
// The same records, applied again in the same order, give the same stocks: that is recovery.
//
// # Levels
//
// A level is an item at a location. Stored are on_hand, reserved, committed, damaged,
// quality_control, other and the safety setting s. Derived are, with
// free = on_hand - reserved - committed - damaged - quality_control - other:
//
//	safety_stock = min(s, free), at least 0      available = free - s, at least 0
//	backordered  = -free, at least 0
//
// so that at every sequence on_hand + backordered = available + reserved + committed +
// safety_stock + damaged + quality_control + other, and available > 0 implies backordered = 0.
// on_hand is never less than damaged + quality_control + other.
//
// A level comes into being when stock first arrives: by receive or restock, by set to more than
// zero, or by adjust with a positive delta. What else names a level that is not there is refused
// with ITEM_NOT_STOCKED_AT_LOCATION.
//
// # Operations on a level
//
//   - receive and restock add to on_hand.
//   - adjust adds a delta to a state. On on_hand (the default) it may take any unit that is not set
//     aside, promised or not: a count is a fact, and promises that it leaves uncovered show as
//     backordered, beyond the item's backorder_limit if need be. On available it may take what is
//     available. On damaged, quality_control and other it takes what is there; on_hand moves along.
//   - set makes a state be a quantity, as if by adjust with the difference. Setting on_hand below
//     what is set aside is INVALID_QUANTITY_TOO_LOW. Setting available to x > 0 leaves exactly x
//     available: backorders and safety stock are covered first; to 0 takes what is available.
//   - move takes units from available, damaged, quality_control or other to another of them; from
//     on_hand takes any unit that is not set aside, promised or not. on_hand stays.
//
// # Reservations
//
// reserve takes units that are sellable at a location: free - s + room, where room is what the
// item's backorder_limit leaves after what its other locations owe; with a limit of 0, that is
// available. All lines are taken or none. Lines for one SKU and location are summed. A line
// without a location goes to the first location of the item's order (location_order, then the
// rest by name) that can serve all of it; these are placed after the fixed lines, the largest
// first, equals in the order given. A refusal names every failing line.
//
// commit is reserve and confirm in one. confirm turns reserved into committed; given lines, only
// their units, and the rest of the reservation is released. fulfill takes committed units off
// on_hand, which must have them; cancel gives them back. Both may name lines. A hold that falls
// due at T is free for every turn at or after T.
//
// The first event of a reservation step is that of its first line; there is one event a line, and
// a line that a step leaves alone has one that is no movement.
//
// # Refusals
//
// [Code] lists the refusals in order of precedence: when several apply, the first is given. Of
// several lines that fail, the refusal names all that fail with that code.
package engine
