package events

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skua-stock/skua/engine"
)

// place is where a movement is in the log. Of its record's movements it is the nth, from 0.
type place struct {
	index uint64
	n, of int
}

// last reports whether the movement is its record's last.
func (p place) last() bool { return p.n+1 == p.of }

// through is the index of the last record whose movements are all at the place or before it.
func (p place) through() uint64 {
	if p.last() {
		return p.index
	}
	return p.index - 1
}

func (p place) String() string { return string(p.append(nil)) }

func (p place) append(b []byte) []byte {
	b = p.appendID(b)
	return strconv.AppendInt(append(b, '-'), int64(p.of), 10)
}

// appendID appends the id of the movement's event.
func (p place) appendID(b []byte) []byte {
	b = strconv.AppendUint(b, p.index, 10)
	return strconv.AppendInt(append(b, '-'), int64(p.n), 10)
}

func parsePlace(s string) (p place, err error) {
	parts := strings.Split(s, "-")
	if len(parts) == 3 {
		p.index, err = strconv.ParseUint(parts[0], 10, 64)
		if err == nil {
			p.n, err = strconv.Atoi(parts[1])
		}
		if err == nil {
			p.of, err = strconv.Atoi(parts[2])
		}
	}
	if len(parts) != 3 || err != nil || p.index == 0 || p.n < 0 || p.n >= p.of || p.String() != s {
		return place{}, fmt.Errorf("%q is no place in a log", s)
	}
	return p, nil
}

// movements counts the movements of a record.
func movements(r *engine.Record) int {
	n := 0
	for a := range r.Acts {
		for e := range r.Acts[a].Events {
			if r.Acts[a].Events[e].Movement() {
				n++
			}
		}
	}
	return n
}
