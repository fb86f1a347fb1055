package engine

import (
	"iter"
	"strings"
)

// Image is a stock written down: the whole of it but for the holds, of which it has only those
// that changed since the last image, so that a million holds at rest cost nothing.
type Image struct {
	SKU          string
	Sequence     uint64
	Settings     Settings
	Levels       []Level
	FreedThrough Time
	NextExpiry   Time
	// Open is how many holds the stock has in all.
	Open int
	// Holds are in the pieces in which they were captured, so that nothing is copied to make room for
	// more. A hold may be there twice; the later one counts, and Gone counts most.
	Holds [][]HoldImage
	// Gone are the holds of earlier images that are over.
	Gone []uint64
}

// HoldImage is one hold written down.
type HoldImage struct {
	Nonce       uint64
	Deadline    Time
	State       ReservationState
	Owner, Home string
	Others      []Line
	Lines       []HoldLineImage
}

// HoldLineImage is one line of a hold, at the level with this index.
type HoldLineImage struct {
	Level int
	LineStatus
}

// Track starts the bookkeeping of what changed; everything after it is in the next Capture.
func (s *Stock) Track() { s.tracked = true }

// Capture adds to im at most limit of the holds that changed since the last image, and reports
// whether there are more; when there are not, it writes down the rest of the stock as well, and the
// image is whole. Between two calls for one image the stock may change: a hold that does is in a
// later piece again, and the last word on it counts. The image shares settings with the stock,
// which replaces and never changes them.
func (s *Stock) Capture(im *Image, limit int) (more bool) {
	var changed []place
	if s.holds != nil {
		changed = s.holds.changed
	}
	n := min(limit, len(changed))
	holds := make([]HoldImage, 0, n)
	lines := make([]HoldLineImage, 0, n) // One piece of memory for the holds of one line: most.
	var rests imageRests
	for _, p := range changed[:n] {
		if p > s.holds.used {
			continue // All holds were over in between.
		}
		h := s.holds.at(p)
		if !h.changed {
			continue // It is over; if an image had it, it is in gone. Or the place is listed twice.
		}
		h.changed, h.saved = false, true
		from := len(lines)
		lines = s.holds.appendLines(lines, h)
		holds = append(holds, imageOf(h, lines[from:len(lines):len(lines)]))
		rests.add(s.holds, h, &holds[len(holds)-1], n-len(holds))
	}
	rests.give(holds)
	if len(holds) > 0 {
		im.Holds = append(im.Holds, holds)
	}
	if s.rest != nil {
		im.Gone = append(im.Gone, s.rest.gone...)
		s.rest.gone = nil
	}
	if n < len(changed) {
		s.holds.changed = changed[n:]
		return true
	}
	if s.holds != nil {
		s.holds.changed = nil
	}
	im.SKU, im.Sequence, im.Settings = s.sku, s.sequence, *s.settings
	im.Levels = s.allLevels()
	im.FreedThrough, im.NextExpiry = s.freedThrough, s.NextExpiry()
	im.Open = s.Holds()
	return false
}

func (hs *holds) appendLines(lines []HoldLineImage, h *hold) []HoldLineImage {
	for i := range hs.countLines(h) {
		level, l := hs.line(h, i)
		lines = append(lines, HoldLineImage{Level: int(level), LineStatus: *l})
	}
	return lines
}

// imageOf writes a hold down without its rest.
func imageOf(h *hold, lines []HoldLineImage) HoldImage {
	return HoldImage{Nonce: h.nonce, Deadline: h.deadline, State: h.state, Lines: lines}
}

// imageRests are the rests of the holds of one piece of an image, read in one go: else there would be
// one piece of memory for the text of each, and one for its lines.
type imageRests struct {
	text   strings.Builder
	others int
}

// restToRead is in the image of a hold whose rest is still to be given.
var restToRead = make([]Line, 0)

// add reads the rest of a hold, if it has one; after it there are at most so many more.
func (r *imageRests) add(hs *holds, h *hold, im *HoldImage, more int) {
	if h.rest == 0 {
		return
	}
	if r.text.Cap() == 0 {
		r.text.Grow((1 + more) * restBytesUsual)
	}
	hs.more.rests.read(&r.text, h.rest)
	r.others += hs.linesElsewhere(h)
	im.Others = restToRead
}

// give gives the rests to the images that they were added for.
func (r *imageRests) give(images []HoldImage) {
	if r.text.Len() == 0 {
		return
	}
	read, lines := restReader{text: r.text.String()}, make([]Line, 0, r.others)
	for i := range images {
		im := &images[i]
		if im.Others == nil {
			continue
		}
		rest := read.rest(lines[len(lines):])
		lines = lines[:len(lines)+len(rest.others)]
		im.Owner, im.Home, im.Others = rest.owner, rest.home, rest.others
	}
}

// Restore makes a stock from an image and all its holds, in any order. The stock tracks its
// changes from here on.
func Restore(im Image, holds iter.Seq[HoldImage]) *Stock {
	s := NewStock(im.SKU)
	s.exists, s.sequence, s.tracked = true, im.Sequence, true
	s.decide(&im.Settings)
	for _, l := range im.Levels {
		s.addLevel(l.Key, l.Counts)
	}
	for h := range holds {
		s.restoreHold(h)
	}
	s.free(im.FreedThrough)
	return s
}

func (s *Stock) restoreHold(im HoldImage) {
	p, h := s.anyHolds().add(im.Nonce)
	h.deadline, h.state, h.saved = im.Deadline, im.State, true
	if im.Owner != "" || im.Home != "" || im.Others != nil {
		s.holds.giveRest(h, im.Owner, im.Home, im.Others)
	}
	for i, l := range im.Lines {
		if i == 0 {
			h.level, h.LineStatus = int32(l.Level), l.LineStatus
		} else {
			s.holds.addLine(h, holdLine{level: int32(l.Level), LineStatus: l.LineStatus})
		}
	}
	if h.state == Active {
		s.link(p)
	}
}
