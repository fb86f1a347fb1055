package events

import (
	"strconv"

	"github.com/nats-io/nats.go"
)

// The headers of a message, beside those that JetStream reads.
const (
	// HeaderContentType says that a message is a CloudEvent in structured mode.
	HeaderContentType = "content-type"
	// HeaderType is the type of the event, so that a consumer need not read the body to know it.
	HeaderType = "Skua-Type"
	// HeaderPlace is where the movement is in the log: index, number of the movement within the
	// record, and how many movements the record has, as 4711-0-3.
	HeaderPlace = "Skua-Place"
	// HeaderNode is whose log that is.
	HeaderNode = "Skua-Node"

	contentType = "application/cloudevents+json"
)

// header is the header of one message after the other, in the same memory.
type header struct {
	fields         nats.Header
	id, typ, place []string
}

func newHeader(node string) *header {
	h := &header{id: []string{""}, typ: []string{""}, place: []string{""}}
	h.fields = nats.Header{
		nats.MsgIdHdr: h.id, HeaderType: h.typ, HeaderPlace: h.place,
		HeaderContentType: {contentType}, HeaderNode: {node},
	}
	return h
}

// expect says which sequence the stream has to be at.
func (h *header) expect(sequence uint64) {
	h.fields[nats.ExpectedLastSeqHdr] = append(h.fields[nats.ExpectedLastSeqHdr][:0], strconv.FormatUint(sequence, 10))
}

// of is the header of a message, until the next call.
func (h *header) of(m *message) nats.Header {
	h.id[0], h.typ[0], h.place[0] = m.id, m.typ, m.placeHeader
	return h.fields
}
