// Package natsapi is the NATS door: every operation of the API as request and reply on
// stock.v1.<operation>, by the service protocol of nats.go/micro, so that `nats micro ls`, `info`
// and `stats` show it.
//
// The payload is the JSON of the HTTP body, with "sku" or "id" beside it. The idempotency key
// comes in the header Idempotency-Key, or in the member "idempotency_key" for clients without
// headers; If-Match likewise, or "if_match". A refusal has the headers Nats-Service-Error (the
// code's name) and Nats-Service-Error-Code (the HTTP status), and the problem as its payload.
//
// micro runs the handlers of an endpoint one after the other, so none here waits: a handler
// decodes and puts the command where one goroutine hands over all that wait, and the answer is sent by
// another when it comes. An answer never waits for a slow connection either: there is room for as
// many as can be in flight.
package natsapi
