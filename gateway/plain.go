package gateway

import (
	"strings"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// plain reads requests that are spelled plainly: ASCII without escapes, every member known and
// given once, numbers whole and without ornament, nothing left out that is required. That is how
// almost every client spells them, and it takes a small part of the time of the strict decoder.
//
// It knows no problems. On anything else it says "not mine", and the strict decoder decides, and
// words the problem. So there is one truth: plain accepts a part of what the strict decoder
// accepts, with the same meaning, which FuzzPlainAgrees holds it to.
type plain struct {
	raw []byte
	at  int
	plainObject
	lines []plainLine
}

// plainObject is what an object has. The texts are parts of raw until fill copies them.
type plainObject struct {
	seen members
	// operation is the one that op names.
	operation                          *Operation
	key, sku, id, location, owner      []byte
	actor, reference                   []byte
	reason                             string
	state                              engine.State
	ifMatch, quantity, changeFrom, ttl int64
}

type plainLine struct {
	seen          members
	sku, location []byte
	quantity      int64
}

var plains = sync.Pool{New: func() any { return new(plain) }}

func takePlain(raw []byte) *plain {
	p := plains.Get().(*plain)
	p.raw, p.at = raw, 0
	return p
}

func (p *plain) free() {
	p.raw, p.plainObject = nil, plainObject{}
	if cap(p.lines) > linesKeptMax {
		p.lines = nil
	}
	clear(p.lines[:cap(p.lines)])
	plains.Put(p)
}

// next skips white space and returns the byte after it, 0 at the end or at what no JSON has.
func (p *plain) next() byte {
	for p.at < len(p.raw) {
		c := p.raw[p.at]
		if c > ' ' {
			return c
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return 0
		}
		p.at++
	}
	return 0
}

// skip passes one byte, if it comes next.
func (p *plain) skip(c byte) bool {
	if p.next() != c {
		return false
	}
	p.at++
	return true
}

// text reads a string; ok is false when it is not plain.
func (p *plain) text() (t []byte, ok bool) {
	if !p.skip('"') {
		return nil, false
	}
	rest := p.raw[p.at:]
	for i, c := range rest {
		if !plainBytes[c] {
			p.at += i + 1
			return rest[:i:i], c == '"'
		}
	}
	return nil, false
}

// plainBytes are those that a plain string consists of.
var plainBytes = func() (is [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		is[c] = c != '"' && c != '\\'
	}
	return is
}()

// isPlain reports whether a string stands for itself in JSON.
func isPlain(s string) bool {
	for i := range len(s) {
		if !plainBytes[s[i]] {
			return false
		}
	}
	return true
}

// wholeDigits is how many digits a plain number has at most: so many cannot overflow.
const wholeDigits = 18

// whole reads a number without a sign.
func (p *plain) whole() (n int64, ok bool) {
	p.next()
	from := p.at
	for p.at < len(p.raw) && p.raw[p.at]-'0' <= 9 {
		if p.at-from == wholeDigits {
			return 0, false
		}
		n = n*10 + int64(p.raw[p.at]-'0')
		p.at++
	}
	digits := p.at - from
	// What follows has to be a comma or a bracket, which the caller looks for.
	return n, digits == 1 || digits > 1 && p.raw[from] != '0'
}

// signed reads a number that may be negative.
func (p *plain) signed() (n int64, ok bool) {
	if p.next() != '-' {
		return p.whole()
	}
	p.at++
	if p.at == len(p.raw) || p.raw[p.at]-'1' > 8 {
		return 0, false
	}
	n, ok = p.whole()
	return -n, ok
}

// object reads one object.
func (p *plain) object() bool {
	if p.seen != 0 {
		p.plainObject = plainObject{}
	}
	p.lines = p.lines[:0]
	if !p.skip('{') {
		return false
	}
	if p.skip('}') {
		return true
	}
	for {
		name, ok := p.text()
		if !ok || !p.skip(':') || !p.member(memberNamed(name)) {
			return false
		}
		if p.skip(',') {
			continue
		}
		return p.skip('}')
	}
}

// member reads the value of a member.
func (p *plain) member(m members) (ok bool) {
	if p.seen&m != 0 {
		return false
	}
	p.seen |= m
	switch m {
	case memberOp:
		if t, plainly := p.text(); plainly {
			p.operation = batchable[string(t)]
			ok = p.operation != nil
		}
	case memberKey:
		p.key, ok = p.text()
	case memberSKU:
		p.sku, ok = p.text()
	case memberID:
		p.id, ok = p.text()
	case memberLocation:
		p.location, ok = p.text()
	case memberOwner:
		p.owner, ok = p.text()
	case memberActor:
		p.actor, ok = p.text()
	case memberReference:
		p.reference, ok = p.text()
	case memberReason:
		if t, plainly := p.text(); plainly {
			p.reason, ok = engine.ReasonNamed(t)
		}
	case memberState:
		if t, plainly := p.text(); plainly {
			p.state, ok = engine.ParseState(string(t))
		}
	case memberIfMatch:
		p.ifMatch, ok = p.whole()
	case memberQuantity:
		p.quantity, ok = p.whole()
	case memberDelta:
		p.quantity, ok = p.signed()
	case memberChangeFrom:
		p.changeFrom, ok = p.whole()
	case memberTTL:
		p.ttl, ok = p.whole()
		ok = ok && p.ttl > 0
	case memberLines:
		ok = p.array()
	}
	return ok
}

// array reads lines, at least one.
func (p *plain) array() bool {
	if !p.skip('[') {
		return false
	}
	for len(p.lines) < engine.LinesMax {
		if !p.line() {
			return false
		}
		if p.skip(',') {
			continue
		}
		return p.skip(']')
	}
	return false
}

func (p *plain) line() bool {
	if !p.skip('{') {
		return false
	}
	p.lines = append(p.lines, plainLine{})
	l := &p.lines[len(p.lines)-1]
	for {
		name, ok := p.text()
		if !ok || !p.skip(':') {
			return false
		}
		m := memberNamed(name)
		if l.seen&m != 0 {
			return false
		}
		l.seen |= m
		switch m {
		case memberSKU:
			l.sku, ok = p.text()
		case memberQuantity:
			l.quantity, ok = p.whole()
		case memberLocation:
			l.location, ok = p.text()
			ok = ok && len(l.location) > 0
		default:
			return false
		}
		switch {
		case !ok:
			return false
		case p.skip(','):
			continue
		}
		return p.skip('}') && l.seen&lineRequired == lineRequired
	}
}

// ended reports whether nothing follows.
func (p *plain) ended() bool { return p.next() == 0 && p.at == len(p.raw) }

// fits reports whether the object is a whole request of a shape.
func (p *plain) fits(s plainShape) bool {
	return p.seen&^s.allowed == 0 && p.seen&s.required == s.required
}

// fill copies what the object has into a message. The texts of one message are one allocation,
// apart from those of its neighbours in a batch: who keeps one of them keeps little.
func (p *plain) fill(m *Message) {
	var texts textCopies
	texts.Grow(p.textBytes())
	c := &m.Command
	if p.seen&memberOp != 0 {
		m.Op = Text{S: p.operation.Name, Set: true}
	}
	m.Key = Text{S: texts.copy(p.key), Set: p.seen&memberKey != 0}
	m.SKU = Text{S: texts.copy(p.sku), Set: p.seen&memberSKU != 0}
	m.ID = Text{S: texts.copy(p.id), Set: p.seen&memberID != 0}
	m.IfMatch = Integer{N: p.ifMatch, Set: p.seen&memberIfMatch != 0}
	c.Location, c.Owner = texts.copy(p.location), texts.copy(p.owner)
	c.Actor, c.Reference, c.Reason = texts.copy(p.actor), texts.copy(p.reference), p.reason
	c.Quantity, c.State, c.TTL = p.quantity, p.state, p.ttl
	c.ChangeFrom, c.HasChangeFrom = p.changeFrom, p.seen&memberChangeFrom != 0
	if p.seen&memberLines == 0 {
		return
	}
	lines := m.lines[:0]
	for i := range p.lines {
		l := &p.lines[i]
		lines = append(lines, engine.Line{SKU: texts.copy(l.sku), Location: texts.copy(l.location), Quantity: l.quantity})
	}
	c.Lines, m.lines = lines, lines
}

func (p *plain) textBytes() int {
	n := len(p.key) + len(p.sku) + len(p.id) + len(p.location) + len(p.owner) + len(p.actor) + len(p.reference)
	for i := range p.lines {
		n += len(p.lines[i].sku) + len(p.lines[i].location)
	}
	return n
}

// textCopies makes strings that share one allocation.
type textCopies struct{ strings.Builder }

func (t *textCopies) copy(s []byte) string {
	if len(s) == 0 {
		return ""
	}
	from := t.Len()
	t.Write(s)
	return t.String()[from:]
}
