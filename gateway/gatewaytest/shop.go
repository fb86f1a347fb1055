// Package gatewaytest has a whole engine in memory behind the port of package gateway, for tests
// of the doors: it decides with the real rules, on one lock, and keeps every record as its log.
// Nothing of it is durable.
package gatewaytest

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// Shop is a port, its books and its feed.
type Shop struct {
	mu      sync.Mutex
	stocks  map[string]*engine.Stock
	keys    map[[16]byte]known
	ends    map[uint64]engine.ReservationState
	log     []*engine.Record
	oldest  int
	changed chan struct{}
	now     engine.Time
	nonce   uint64
	fail    func(*engine.Command) error
	answer  func(give func())
}

type known struct {
	print  uint64
	record *engine.Record
	act    int
}

// New returns an empty shop, whose clock stands at a fixed time.
func New() *Shop {
	return &Shop{
		stocks: make(map[string]*engine.Stock), keys: make(map[[16]byte]known),
		ends: make(map[uint64]engine.ReservationState), changed: make(chan struct{}),
		now: 1_767_225_600_000, // 2026-01-01T00:00:00Z
	}
}

// Advance moves the clock.
func (s *Shop) Advance(ms int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now += engine.Time(ms)
}

// Records returns how many records the log has.
func (s *Shop) Records() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.log)
}

// Forget lets the log go up to and with a record.
func (s *Shop) Forget(through int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = through
}

// Fail has f asked before each command; what it returns is the answer's error. Nil ends that.
func (s *Shop) Fail(f func(*engine.Command) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// Answer has f give each answer in its own way and time, or never. Nil ends that.
func (s *Shop) Answer(f func(give func())) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

func (s *Shop) give(f func()) {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	if answer != nil {
		answer(f)
		return
	}
	go f()
}

// Submit implements gateway.Port.
func (s *Shop) Submit(c *engine.Command, answer func(*engine.Answer)) {
	a := s.all([]*engine.Command{c})
	s.give(func() { answer(&a[0]); spoil(a) })
}

// SubmitEach implements gateway.Port. Each answer has its own time.
func (s *Shop) SubmitEach(cs []*engine.Command, answer func(i int, a *engine.Answer)) {
	for i, c := range cs {
		a := s.all([]*engine.Command{c})
		s.give(func() { answer(i, &a[0]); spoil(a) })
	}
}

// SubmitAll implements gateway.Port.
func (s *Shop) SubmitAll(cs []*engine.Command, answer func([]engine.Answer)) {
	a := s.all(cs)
	s.give(func() { answer(a); spoil(a) })
}

// spoil overwrites answers whose time is over: they are lent, and a door that keeps one shows it.
func spoil(answers []engine.Answer) {
	for i := range answers {
		a := &answers[i]
		for j := range a.Reservation.Lines {
			a.Reservation.Lines[j] = engine.LineView{SKU: "lent"}
		}
		for j := range a.Refusal.Lines {
			a.Refusal.Lines[j] = engine.RefusedLine{SKU: "lent"}
		}
		if a.Item != nil {
			*a.Item = engine.ItemView{SKU: "lent"}
		}
		*a = engine.Answer{SKU: "lent", Sequence: 1 << 60, Reservation: engine.ReservationView{Owner: "lent", Lines: a.Reservation.Lines}}
	}
}

func (s *Shop) all(cs []*engine.Command) []engine.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]engine.Answer, len(cs))
	if s.fail != nil {
		for i, c := range cs {
			if err := s.fail(c); err != nil {
				answers[i] = engine.Answer{Op: c.Op, Err: err}
				return answers
			}
		}
	}
	var turn engine.Turn
	turn.Begin(s.now, s.hold(cs))
	var fresh []int
	refused := -1
	for i, c := range cs {
		old, replayed := s.keys[c.KeyHash()]
		switch {
		case c.Op == engine.OpGetItem || c.Op == engine.OpGetReservation:
			answers[i] = s.read(&turn, c)
			continue
		case replayed && old.print == c.Fingerprint():
			answers[i] = old.record.Answer(old.act)
			answers[i].Replayed = true
			continue
		case replayed:
			answers[i] = engine.Answer{Refusal: engine.Refusal{
				Code: engine.IdempotencyKeyParameterMismatch, Field: "Idempotency-Key", Detail: "the key was used for another command",
			}}
		default:
			answers[i] = engine.Answer{Refusal: s.decide(&turn, c)}
		}
		if answers[i].Refusal.Refused() {
			refused = i
			break
		}
		fresh = append(fresh, i)
	}
	if refused >= 0 {
		for i := range answers {
			if i != refused {
				answers[i] = engine.Answer{Refusal: engine.Refusal{
					Code: engine.LinkedLineFailed, Detail: "another operation of the batch was refused",
				}}
			}
		}
		return answers
	}
	if len(fresh) > 0 {
		s.commit(&turn.Record)
	}
	for act, i := range fresh {
		answers[i] = turn.Record.Answer(act)
		s.keys[cs[i].KeyHash()] = known{cs[i].Fingerprint(), &turn.Record, act}
	}
	return answers
}

func (s *Shop) decide(turn *engine.Turn, c *engine.Command) engine.Refusal {
	if c.Op == engine.OpReserve || c.Op == engine.OpCommit {
		s.nonce++
		c.Reservation = engine.ReservationRef{Nonce: s.nonce}
	}
	if state, over := s.ends[c.Reservation.Nonce]; over && c.Op.Step() {
		return engine.StepRefused(c.Op, state)
	}
	return turn.Decide(c)
}

// hold gathers the stocks that commands need, with what is due expired.
func (s *Shop) hold(cs []*engine.Command) []*engine.Stock {
	var skus []string
	for _, c := range cs {
		switch {
		case c.Op.Step() || c.Op == engine.OpGetReservation:
			skus = append(skus, c.Reservation.Home)
			if home := s.stocks[c.Reservation.Home]; home != nil {
				others, _ := home.Participants(c.Reservation.Nonce)
				skus = append(skus, others...)
			}
		case len(c.Lines) > 0:
			for _, l := range c.Lines {
				skus = append(skus, l.SKU)
			}
		default:
			skus = append(skus, c.SKU)
		}
	}
	slices.Sort(skus)
	var stocks []*engine.Stock
	for _, sku := range slices.Compact(skus) {
		stock := s.stocks[sku]
		if stock == nil {
			stock = engine.NewStock(sku)
		}
		for r := new(engine.Record); stock.Expire(s.now, r); r = new(engine.Record) {
			r.Apply([]*engine.Stock{stock})
			s.file(r)
		}
		stocks = append(stocks, stock)
	}
	return stocks
}

func (s *Shop) commit(r *engine.Record) {
	stocks := make([]*engine.Stock, len(r.SKUs))
	for i, sku := range r.SKUs {
		if s.stocks[sku] == nil {
			s.stocks[sku] = engine.NewStock(sku)
		}
		stocks[i] = s.stocks[sku]
	}
	r.Apply(stocks)
	for _, stock := range stocks {
		if err := stock.Check(); err != nil {
			panic(err)
		}
		if !stock.Exists() {
			delete(s.stocks, stock.SKU())
		}
	}
	s.file(r)
}

func (s *Shop) file(r *engine.Record) {
	for i := range r.Acts {
		if r.Acts[i].State.Final() && r.Acts[i].Reservation.Nonce != 0 {
			s.ends[r.Acts[i].Reservation.Nonce] = r.Acts[i].State
		}
	}
	s.log = append(s.log, r)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Shop) read(turn *engine.Turn, c *engine.Command) engine.Answer {
	if c.Op == engine.OpGetItem {
		stock := s.stocks[c.SKU]
		if stock == nil {
			return engine.Answer{Refusal: engine.Refusal{Code: engine.ItemNotFound, Field: "sku", Detail: "there is no such item"}}
		}
		v := stock.View()
		return engine.Answer{Op: c.Op, SKU: c.SKU, Sequence: v.Sequence, Item: &v}
	}
	v, ok := turn.ReservationView(c.Reservation)
	if state := s.ends[c.Reservation.Nonce]; !ok && state != engine.StateNone {
		v, ok = engine.ReservationView{Ref: c.Reservation, State: state}, true
	}
	if !ok {
		return engine.Answer{Refusal: engine.StepRefused(c.Op, engine.StateNone)}
	}
	return engine.Answer{Op: c.Op, Reservation: v}
}

// AppendReservationID implements gateway.Port.
func (s *Shop) AppendReservationID(b []byte, ref engine.ReservationRef) []byte {
	id := append(binary.AppendUvarint(nil, ref.Nonce), ref.Home...)
	return base64.RawURLEncoding.AppendEncode(append(b, "r1"...), id)
}

// Reservation implements gateway.Port.
func (s *Shop) Reservation(id string) (ref engine.ReservationRef, ok bool) {
	text, ok := strings.CutPrefix(id, "r1")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	nonce, n := binary.Uvarint(raw)
	if !ok || err != nil || n <= 0 || nonce == 0 {
		return ref, false
	}
	return engine.ReservationRef{Home: string(raw[n:]), Nonce: nonce}, true
}
