// Package enginetest has what tests of the stock rules need: a twin of the engine that is too
// simple to be wrong, and generators of commands that go where the engine is most likely to be.
//
// A [Twin] keeps plain maps of structs, adds everything up again for every question, and knows
// nothing of events, records, queues of deadlines or sums that are kept along the way. It was
// written from the documentation of package engine, not from its code, and it shares nothing with
// it but the words: commands, codes, states and time. Where the two disagree, one of them or the
// documentation is wrong.
//
//	twin := enginetest.NewTwin()
//	twin.Do(&engine.Command{Op: engine.OpPutItem, SKU: "tea"}, now)
//	twin.Do(&engine.Command{Op: engine.OpReceive, SKU: "tea", Location: "main", Quantity: 3}, now)
//	twin.Amounts("tea", "main", now).Of(engine.Available) // 3
//
// Time only goes forward. A hold that is due is free at once: there is nothing to call. The
// engine also writes out that it expired, and so gives it a place in the ledger; the twin is told of that
// (see [Twin.WrittenOut]), checks that it is so, and counts it in the sequence of the item.
//
// [Scene] says of how many SKUs, locations and units a generated world is; [Scene.Command] draws the
// next command for it with pgregory.net/rapid.
package enginetest
