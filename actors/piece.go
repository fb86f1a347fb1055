package actors

import (
	"sync"

	"github.com/skua-stock/skua/engine"
)

// SubmitEach is Submit for many commands, each by itself: answer gets the number of the one that it
// is for. Those on one SKU alone are done in order. Many together cost less than one by one, see
// warming.
func (s *System) SubmitEach(cmds []*engine.Command, answer func(i int, a *engine.Answer)) {
	p := pieces.Get().(*piece)
	defer pieces.Put(p)
	for at := 0; at < len(cmds); at += pieceCommands {
		s.submitPiece(p, cmds[at:min(at+pieceCommands, len(cmds))], at, answer)
	}
}

// piece is what is handed over together; it is reused.
type piece struct {
	errands []errand
	calls   []*call
	warmth  byte // of no meaning; see warming
}

var pieces = sync.Pool{New: func() any { return new(piece) }}

func (s *System) submitPiece(p *piece, cmds []*engine.Command, at int, answer func(int, *engine.Answer)) {
	p.errands, p.calls = p.errands[:0], p.calls[:0]
	closing := s.closing.Load()
	for _, cmd := range cmds { // The texts, too, are read side by side before anything is made of them.
		for i := range cmd.Lines {
			if sku := cmd.Lines[i].SKU; sku != "" {
				p.warmth += sku[0]
			}
		}
		if len(cmd.Key) > 0 {
			p.warmth += cmd.Key[0]
		}
	}
	for i, cmd := range cmds {
		if closing && cmd.Op.Mutates() {
			answer(at+i, &engine.Answer{Op: cmd.Op, Err: engine.ErrUnavailable})
			continue
		}
		e := s.errand(cmd)
		e.each, e.i = answer, at+i
		p.errands = append(p.errands, e)
	}
	var err error
	p.calls, err = s.admission.admit(p.calls, p.errands)
	for i := range p.errands[len(p.calls):] {
		e := &p.errands[len(p.calls)+i]
		answer(e.i, &engine.Answer{Op: e.cmd.Op, Err: err})
	}
	for _, k := range p.calls { // Their memory was last used by who gave answers.
		p.warmth += byte(k.warmth())
	}
	for i, k := range p.calls {
		k.begin(&p.errands[i])
	}
	now := engine.Time(0)
	if len(p.calls) > 1 {
		s.warm(p.calls)
		now = s.clock.time()
	}
	for rest := p.calls; len(rest) > 0; {
		k := rest[0]
		k.now = now
		n := 1
		if k.joins() {
			for n < len(rest) && rest[n].sku == k.sku && rest[n].joins() {
				n++
			}
		}
		s.dispatchAll(rest[:n])
		rest = rest[n:]
	}
	clear(p.errands)
	clear(p.calls)
}

// dispatchAll sends calls to the one SKU that they change, for one turn; see together.
func (s *System) dispatchAll(calls []*call) {
	first := calls[0]
	if len(calls) > 1 {
		if c, err := s.acquireFor(first.sku, first.hash, uint32(len(calls)), false); err == nil {
			for _, k := range calls {
				k.cell = c
			}
			c.post(newBunch(calls))
			return
		}
	}
	for _, k := range calls { // Some may be within the limits.
		s.dispatch(k)
	}
}
