// Package engine has the stock rules, as a pure function of state and command. It knows no clock,
// no dice, no goroutine and no disk: time and random numbers come in, events go out.
//
// # How it is used
//
// A [Stock] is one SKU with everything of it. A [Turn] is one moment in which some stocks are
// held. The caller takes the time once, and
//
//  1. calls [Stock.Expire] on each stock until [Stock.HasDue] reports false, and applies and logs
//     each record,
//  2. calls [Turn.Begin] with the same time and the stocks, in visiting order,
//  3. looks up the command's idempotency key, and answers from the old record if it is known,
//  4. calls [Turn.Decide], which adds an [Act] to the turn's [Record] or returns a [Refusal],
//  5. calls [Record.Apply] and appends the record to the log,
//  6. answers with [Record.Answer] once the record is on disk.
//
// For an atomic batch, 3 and 4 are done for each command: each sees those before it. If one is
// refused, the turn is spoiled and nothing happened. The same records, applied again in the same
// order, give the same stocks: that is recovery.
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
// on_hand is never less than damaged + quality_control + other. Over all locations of an item,
// on_hand is at most QuantityMax, and so is reserved + committed; what would go beyond is refused
// with INVALID_QUANTITY_TOO_HIGH.
//
// A level comes into being when stock first arrives: by receive or restock, by set to more than
// zero, or by adjust with a positive delta. What else names a level that is not there is refused
// with ITEM_NOT_STOCKED_AT_LOCATION. Where change_from_quantity is compared, a level that is not
// there has zero of everything.
//
// # Operations on an item
//
//   - put_item creates an item or replaces all its settings. That is one movement, and one more
//     for each level whose safety setting changes by it.
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
// Each is one movement of the level, also when it finds everything as it should be. If-Match is
// compared with the item's sequence, which is 0 before the item exists.
//
// # Reservations
//
// reserve takes units that are sellable at a location: free - s + room, where room is what the
// item's backorder_limit leaves after what its other locations owe, and at least 0; with a limit
// of 0, that is available. All lines are taken or none. Lines for one SKU and location are summed.
// A line without a location goes to the first location of the item's order (location_order, then
// the rest by name) that can serve all of it; these are placed after the fixed lines, the largest
// first, equals in the order given. A line finds what those placed before it left. A refusal names
// every failing line, and of one without a location how much the best location could serve.
//
// commit is reserve and confirm in one. confirm turns reserved into committed; given lines, only
// their units, and the rest of the reservation is released. release gives all back. extend has the
// hold fall due TTL after now, be that later than before or earlier. fulfill takes committed units
// off on_hand, which must have as many that are not set aside; cancel gives them back. Both may
// name lines. Lines of a step that name one line of the reservation are summed; a location may be
// left out where the reservation has one line for the item, and otherwise that is INVALID_REQUEST.
//
// A reservation is active, then confirmed, partially_fulfilled after the first units left, and over
// by the step that leaves nothing open: fulfilled or cancelled by which of the two that was. Only
// an active one has an expires_at. An atomic batch may take one step of a reservation, and none of
// one that it makes.
//
// The lines of a reservation are kept by item in visiting order, the first of which is its home,
// and within an item in the order in which they were placed. A step has one event for each line in
// that order; a line that it leaves alone has one that is no movement.
//
// # Expiry
//
// A hold that falls due at T is free for every turn at or after T. Each line of it has a movement.
// When more is due than one record should hold, the units are freed at once by one movement for
// each level, and the lines have movements later that change no level; until then the reservation
// shows as expired.
//
// # Alerts
//
// A movement by which a level's available units become zero raises out_of_stock, and
// safety_stock_reached too where a safety setting withholds what is left; one by which they become
// more than zero raises back_in_stock. More backordered raises backordered, less backorder_filled.
// reorder_point_reached is raised when the item's available units over all locations were above
// the reorder point and no longer are: on the last movement of the item by that command.
//
// # Refusals
//
// [Code] lists the refusals in order of precedence: when several apply, the first is given. Of
// several lines that fail, the refusal names all that fail with that code. What cannot be known
// does not apply: of too many lines none is looked at, of an item that does not exist nothing else
// is said, and of a reservation that is in no state for a step its lines are not looked at.
package engine
