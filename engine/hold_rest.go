package engine

import (
	"cmp"
	"encoding/binary"
	"strings"
)

// holdRest is what only some holds have: what a reservation over several SKUs needs besides, and an
// owner. It is read from the bytes that it is kept in.
type holdRest struct {
	owner string
	// home is the SKU that keeps the reservation, when it is another.
	home string
	// others are the reservation's lines on other SKUs, kept by the home.
	others []Line
}

// restTexts keep the rests of holds in bytes, each in a chain of pieces of one size: so they have no
// pointers either, nothing is moved to make room, and what is free again fits for any.
type restTexts struct {
	pages [][]restPiece // as large as those of the holds
	made  place         // pieces that were ever taken
	free  place         // the first of the pieces that are free again
}

// restPiece is a part of a rest. Two fill a cache line, and one is enough for the name of a home.
type restPiece struct {
	next place // in the rest, or among the free
	text [restPieceBytes]byte
}

const (
	restPieceBytes = 28
	// restBytesUsual is for how many bytes of a rest there is room where they come one after another:
	// of three holds of an order over three SKUs, one has two pieces.
	restBytesUsual = 2 * restPieceBytes
)

func (t *restTexts) at(p place) *restPiece {
	page, i := restPageOf(p)
	return &t.pages[page][i]
}

// restPageOf says which page has a piece, and where.
func restPageOf(p place) (page, i int) {
	if p <= roomAtFirst {
		return 0, int(p - 1)
	}
	page, i = pageOf(p)
	return page + 1, i
}

// next is the piece that is taken next, or was last; zero before there is any.
func (t *restTexts) next() place { return cmp.Or(t.free, t.made) }

// take makes a piece, or takes a free one.
func (t *restTexts) take() place {
	if p := t.free; p != 0 {
		t.free = t.at(p).next
		return p
	}
	t.made++
	page, _ := restPageOf(t.made)
	if page == len(t.pages) {
		t.pages = append(t.pages, make([]restPiece, roomAtFirst<<min(max(page-1, 0), pagesBelow)))
	}
	return t.made
}

// write keeps bytes and returns where they begin.
func (t *restTexts) write(b []byte) (head place) {
	head = t.take()
	for p := head; ; {
		piece := t.at(p)
		b = b[copy(piece.text[:], b):]
		if len(b) == 0 {
			piece.next = 0
			return head
		}
		piece.next = t.take()
		p = piece.next
	}
}

// read appends what was written to b, and what follows it in its last piece.
func (t *restTexts) read(b *strings.Builder, head place) {
	for p := head; p != 0; {
		piece := t.at(p)
		b.Write(piece.text[:])
		p = piece.next
	}
}

// remove frees the pieces of a rest.
func (t *restTexts) remove(head place) {
	last := t.at(head)
	for last.next != 0 {
		last = t.at(last.next)
	}
	last.next, t.free = t.free, head
}

// giveRest gives a hold what only some have.
func (hs *holds) giveRest(h *hold, owner, home string, others []Line) {
	var few [2 * restBytesUsual]byte
	b := appendRestHead(few[:0], len(others), owner, home)
	for i := range others {
		b = appendRestLine(b, others[i].SKU, others[i].Location, others[i].Quantity)
	}
	h.rest = hs.extra().rests.write(b)
}

// giveLinesElsewhere is giveRest for the home of an act, with its lines on other SKUs, if it has any.
func (hs *holds) giveLinesElsewhere(h *hold, r *Record, act *Act, home int) {
	others := 0
	for i := range act.Events {
		if act.Events[i].Stock != home {
			others++
		}
	}
	if others == 0 && act.Owner == "" {
		return
	}
	var few [2 * restBytesUsual]byte
	b := appendRestHead(few[:0], others, act.Owner, "")
	for i := range act.Events {
		if e := &act.Events[i]; e.Stock != home {
			b = appendRestLine(b, r.SKUs[e.Stock], e.Level.Location, e.Line.Quantity)
		}
	}
	h.rest = hs.extra().rests.write(b)
}

// appendRestHead begins with how many lines are elsewhere, and whether the home is: what is asked
// most.
func appendRestHead(b []byte, others int, owner, home string) []byte {
	first := uint64(others) << 1
	if home != "" {
		first |= restAway
	}
	b = binary.AppendUvarint(b, first)
	b = appendRestText(b, owner)
	if home != "" {
		b = appendRestText(b, home)
	}
	return b
}

// restAway says that the home is another SKU.
const restAway = 1

func appendRestLine(b []byte, sku, location string, quantity int64) []byte {
	return binary.AppendUvarint(appendRestText(appendRestText(b, sku), location), uint64(quantity))
}

func appendRestText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// restReader reads rests from the text of their pieces. What it gives out are parts of that.
type restReader struct {
	text string
	at   int
}

// number reads a number. It is binary.Uvarint for a string.
func (r *restReader) number() (n uint64) {
	for shift := 0; ; shift += 7 {
		c := r.text[r.at]
		r.at++
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
}

func (r *restReader) string() (s string) {
	n := int(r.number())
	r.at += n
	return r.text[r.at-n : r.at]
}

// rest reads the next rest; its lines are appended to lines.
func (r *restReader) rest(lines []Line) (rest holdRest) {
	first := r.number()
	rest.owner = r.string()
	if first&restAway != 0 {
		rest.home = r.string()
	}
	from := len(lines)
	for range first >> 1 {
		lines = append(lines, Line{SKU: r.string(), Location: r.string(), Quantity: int64(r.number())})
	}
	if len(lines) > from {
		rest.others = lines[from:len(lines):len(lines)]
	}
	if over := r.at % restPieceBytes; over > 0 {
		r.at += restPieceBytes - over // The next begins with a piece of its own.
	}
	return rest
}

// restOf reads what only some holds have.
func (hs *holds) restOf(h *hold) (rest holdRest) {
	if h.rest == 0 {
		return rest
	}
	var text strings.Builder
	text.Grow((1 + hs.linesElsewhere(h)) * restPieceBytes)
	hs.more.rests.read(&text, h.rest)
	r := restReader{text: text.String()}
	return r.rest(make([]Line, 0, hs.linesElsewhere(h)))
}

// restFirst is what a rest begins with, or zero.
func (hs *holds) restFirst(h *hold) uint64 {
	if h.rest == 0 {
		return 0
	}
	first, _ := binary.Uvarint(hs.more.rests.at(h.rest).text[:])
	return first
}

// away reports whether another SKU is the reservation's home.
func (hs *holds) away(h *hold) bool { return hs.restFirst(h)&restAway != 0 }

// linesElsewhere counts the reservation's lines on other SKUs, which the home keeps.
func (hs *holds) linesElsewhere(h *hold) int { return int(hs.restFirst(h) >> 1) }
