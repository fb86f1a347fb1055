package events

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
)

// statusHeader is where the server says that nobody took a message.
const statusHeader = "Status"

// readAck reads what JetStream answered to a message.
func readAck(m *nats.Msg) (sequence uint64, err error) {
	if status := m.Header.Get(statusHeader); status != "" {
		return 0, fmt.Errorf("no stream takes the message (status %s)", status)
	}
	var ack struct {
		Sequence  uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
		Error     *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(m.Data, &ack); {
	case err != nil:
		return 0, fmt.Errorf("read acknowledgement: %w", err)
	case ack.Error != nil:
		return 0, fmt.Errorf("%s (%d)", ack.Error.Description, ack.Error.Code)
	case ack.Sequence == 0:
		return 0, errors.New("an acknowledgement without a sequence")
	}
	// A duplicate shows in its sequence, which is that of the first. For an alert that will do.
	return ack.Sequence, nil
}
