package peer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/engine"
)

// step confirms, releases or fulfils. Who loses the race for a reservation finds it in another state.
func (r *racer) step(cmd *engine.Command) (taken int64, err error) {
	key := cmd.Reservation.Home
	e, err := r.reservations.Get(always, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, errState
	}
	if err != nil {
		return 0, fmt.Errorf("read the reservation: %w", err)
	}
	said, err := readRacer(string(e.Value()))
	if err != nil {
		return 0, fmt.Errorf("read the reservation: %w", err)
	}
	says, ok := said.after(cmd.Op, time.Now().UnixMilli())
	if !ok {
		return 0, errState
	}
	_, err = r.reservations.Update(always, key, []byte(says), e.Revision())
	if errors.Is(err, jetstream.ErrKeyRevisionMismatch) {
		return 0, errState
	}
	if err != nil {
		return 0, fmt.Errorf("update the reservation: %w", err)
	}
	if cmd.Op != engine.OpRelease {
		return 0, nil
	}
	for _, l := range said.lines {
		if err := r.change(l.SKU, l.Quantity); err != nil {
			return 0, err
		}
	}
	return -units(said.lines), nil
}

// racerSaid is what a reservation says.
type racerSaid struct {
	state string
	ends  int64
	// text is its lines as they are written.
	text  string
	lines []engine.Line
}

func readRacer(value string) (said racerSaid, err error) {
	first, text, _ := strings.Cut(value, "\n")
	state, ends, _ := strings.Cut(first, " ")
	said = racerSaid{state: state, text: text}
	if said.ends, err = strconv.ParseInt(ends, 10, 64); err != nil {
		return said, err
	}
	for line := range strings.Lines(text) {
		quantity, sku, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(quantity, 10, 64)
		if err != nil {
			return said, err
		}
		said.lines = append(said.lines, engine.Line{SKU: sku, Quantity: n})
	}
	return said, nil
}

// after is what it says after a step, if that can be taken now.
func (s *racerSaid) after(op engine.Op, now int64) (says string, ok bool) {
	live := s.state == racerActive && s.ends > now
	switch op {
	case engine.OpConfirm:
		return fmt.Sprintf("%s %d\n%s", racerConfirmed, s.ends, s.text), live
	case engine.OpRelease:
		return fmt.Sprintf("%s %d\n", racerReleased, s.ends), live
	case engine.OpFulfill:
		return fmt.Sprintf("%s %d\n%s", racerFulfilled, s.ends, s.text), s.state == racerConfirmed
	}
	return "", false
}
