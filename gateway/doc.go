// Package gateway has what both doors of the engine share: the port through which they reach it,
// the JSON of every operation, and the one table that turns a refusal into an HTTP status, a NATS
// code and a problem type.
//
// A door parses a request with this package, hands the command to the [Port], and writes the
// answer with this package. It knows no stock rule, and neither does anything else here.
package gateway
