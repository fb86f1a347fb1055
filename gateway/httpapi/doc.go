// Package httpapi is the HTTP door: the API under /v1, the stream of events, health, and the
// OpenAPI document.
//
// A request on the hot path costs one goroutine wake-up: the handler decodes the body into an
// [engine.Command], hands it to the port with a pooled slot to answer into, sleeps until it is
// answered, and writes the answer with the functions of package gateway. A slot whose request was
// given up is left to the garbage collector, since its answer may still come.
//
//	s := httpapi.New(httpapi.Config{Port: port, Books: books, Feed: feed, Metrics: metrics})
//	go s.Serve(listener)
//	...
//	err := s.Shutdown(ctx)
package httpapi
