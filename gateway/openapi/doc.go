// Package openapi writes the OpenAPI 3.1 document of the HTTP API, and the JSON Schemas of the
// NATS operations, from the table of operations and the types of package gateway. The document
// cannot say something else than the code, because it is made of it.
//
// docs/reference/openapi.yaml is the same document, committed, so that a change of the contract
// shows in review; `go test ./gateway/openapi -update` writes it anew.
package openapi
