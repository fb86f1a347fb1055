package bench

import (
	"math/rand/v2"
	"strconv"

	"github.com/skua-stock/skua/engine"
)

// source makes the commands of one worker. It is part of what is measured beside the engine, so it
// makes nothing twice: the names are cut from one string, the keys from one string for every
// keysAtOnce, and the command of a slot is used again.
type source struct {
	w     Workload
	rng   *rand.Rand
	names names
	ranks ranks
	keys  keys
	// steps are the reservations that wait for what comes next, oldest first.
	steps queue
	told  Ledger
}

// step is what comes next for a reservation.
type step struct {
	op  engine.Op
	ref engine.ReservationRef
}

// newSources makes the sources of so many workers, which share what is drawn beforehand.
func newSources(w Workload, run string, workers int) []*source {
	names, drawn := makeNames(w.SKUs), drawRanks(w)
	all := make([]*source, workers)
	for i := range all {
		rng := rand.New(rand.NewPCG(uint64(i), 7))
		all[i] = &source{w: w, rng: rng, names: names, keys: keys{prefix: run + "-" + strconv.Itoa(i) + "-"}}
		if drawn != nil {
			all[i].ranks = ranks{drawn, rng.IntN(len(drawn))}
		}
	}
	return all
}

// next fills in the command of a slot.
func (s *source) next(sl *slot) bool {
	c := &sl.cmd
	lines := c.Lines[:0]
	sl.then = engine.OpNone
	if s.w.Reads > 0 && s.rng.Float64() < s.w.Reads {
		*c = engine.Command{Op: engine.OpGetItem, SKU: s.sku(), Lines: lines}
		return true
	}
	if st, ok := s.steps.take(); ok {
		if st.op == engine.OpConfirm {
			sl.then = engine.OpFulfill
		}
		*c = engine.Command{Op: st.op, Key: s.keys.next(), Reservation: st.ref, Lines: lines}
		return true
	}
	ttl := s.w.TTL
	switch fate := s.w.fate(s.rng); fate {
	case engine.OpExpire:
		ttl = LapseTTL
	default:
		sl.then = fate
	}
	for range s.w.Lines {
		lines = append(lines, engine.Line{SKU: s.sku(), Location: Location, Quantity: 1})
	}
	*c = engine.Command{Op: engine.OpReserve, TTL: ttl, Key: s.keys.next(), Lines: lines}
	return true
}

// fate draws what becomes of a reservation.
func (w *Workload) fate(rng *rand.Rand) engine.Op {
	if w.Confirmed+w.Released+w.Lapsed == 0 {
		return engine.OpNone
	}
	switch r := rng.Float64(); {
	case r < w.Confirmed:
		return engine.OpConfirm
	case r < w.Confirmed+w.Released:
		return engine.OpRelease
	case r < w.Confirmed+w.Released+w.Lapsed:
		return engine.OpExpire
	}
	return engine.OpNone
}

// accepted hears that the command of a slot was accepted.
func (s *source) accepted(sl *slot) {
	units := int64(s.w.Lines)
	switch sl.cmd.Op {
	case engine.OpReserve:
		s.told.Reserved += units
		if sl.cmd.TTL == LapseTTL {
			s.told.Lapsed += units
		}
	case engine.OpRelease:
		s.told.Released += units
	case engine.OpFulfill:
		s.told.Fulfilled += units
	}
	if sl.then != engine.OpNone {
		s.steps.put(step{sl.then, sl.cmd.Reservation})
	}
}

func (s *source) sku() string {
	if s.ranks.drawn != nil {
		return s.names.at(s.ranks.next())
	}
	return s.names.at(s.rng.IntN(s.w.SKUs))
}

// names are the names of items, all of one length.
type names struct {
	all    string
	length int
}

func makeNames(n int) names {
	b := make([]byte, 0, n*len(SKU(0)))
	for i := range n {
		b = strconv.AppendInt(append(b, "SKU-"...), int64(firstSKU+i), 10)
	}
	return names{string(b), len(SKU(0))}
}

func (n names) at(i int) string { return n.all[i*n.length : (i+1)*n.length] }

// ranks are items by popularity, drawn beforehand, since drawing one costs more than the rest of a
// command. The run goes round and round, each worker from another place.
type ranks struct {
	drawn []uint32
	at    int
}

// ranksDrawn is how many items are drawn beforehand; a power of two.
const ranksDrawn = 1 << 19

// drawRanks draws for a workload whose items are not all alike, and nothing for others.
func drawRanks(w Workload) []uint32 {
	if w.Zipf == 0 {
		return nil
	}
	zipf := rand.NewZipf(rand.New(rand.NewPCG(1, 7)), w.Zipf, 1, uint64(w.SKUs-1))
	drawn := make([]uint32, ranksDrawn)
	for i := range drawn {
		drawn[i] = uint32(zipf.Uint64())
	}
	return drawn
}

func (r *ranks) next() int {
	r.at = (r.at + 1) % len(r.drawn)
	return int(r.drawn[r.at])
}

// keys are idempotency keys, all of one length.
type keys struct {
	prefix string
	n      uint32
	chunk  string
	buf    []byte
}

// keysAtOnce is how many keys are cut from one string, and so how many are kept in memory with one
// that is; keyDigits is the length of the number in each.
const (
	keysAtOnce = 32
	keyDigits  = 8
)

func (k *keys) next() string {
	length := len(k.prefix) + keyDigits
	i := int(k.n % keysAtOnce)
	if i == 0 {
		k.buf = k.buf[:0]
		for j := range uint32(keysAtOnce) {
			k.buf = appendHex(append(k.buf, k.prefix...), k.n+j)
		}
		k.chunk = string(k.buf)
	}
	k.n++
	return k.chunk[i*length : (i+1)*length]
}

func appendHex(b []byte, n uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[n>>shift&15])
	}
	return b
}

// queue is a ring that grows.
type queue struct {
	ring       []step
	head, size int
}

func (q *queue) put(s step) {
	if q.size == len(q.ring) {
		ring := make([]step, max(64, 2*q.size))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.size)%len(q.ring)] = s
	q.size++
}

func (q *queue) take() (s step, ok bool) {
	if q.size == 0 {
		return step{}, false
	}
	s, q.ring[q.head] = q.ring[q.head], step{}
	q.head = (q.head + 1) % len(q.ring)
	q.size--
	return s, true
}
