package engine

import (
	"iter"
	"slices"
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
	// Holds may have a hold twice; the later one counts, and Gone counts most.
	Holds []HoldImage
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
	n := min(limit, len(s.changed))
	im.Holds = slices.Grow(im.Holds, n)
	lines := make([]HoldLineImage, 0, n) // One piece of memory for the holds of one line: most.
	for _, h := range s.changed[:n] {
		if h.state.Final() {
			continue // It is over; if an image had it, it is in gone.
		}
		h.changed, h.saved = false, true
		from := len(lines)
		lines = h.appendLines(lines)
		im.Holds = append(im.Holds, h.imageWith(lines[from:len(lines):len(lines)]))
	}
	clear(s.changed[:n]) // The holds must not be kept alive by what is left of the list.
	im.Gone = append(im.Gone, s.gone...)
	s.changed, s.gone = s.changed[n:], nil
	if len(s.changed) > 0 {
		return true
	}
	s.changed = nil
	im.SKU, im.Sequence, im.Settings = s.sku, s.sequence, s.settings
	im.Levels = append([]Level(nil), s.levels...)
	im.FreedThrough, im.NextExpiry = s.freedThrough, s.NextExpiry()
	im.Open = len(s.holds)
	return false
}

func (h *hold) image() HoldImage { return h.imageWith(h.appendLines(nil)) }

func (h *hold) appendLines(lines []HoldLineImage) []HoldLineImage {
	for i := range h.lines() {
		l := h.at(i)
		lines = append(lines, HoldLineImage{Level: int(l.level), LineStatus: l.LineStatus})
	}
	return lines
}

func (h *hold) imageWith(lines []HoldLineImage) HoldImage {
	im := HoldImage{
		Nonce: h.nonce, Deadline: h.deadline, State: h.state, Owner: h.owner(),
		Others: h.others(), Lines: lines,
	}
	if h.rest != nil {
		im.Home = h.rest.home
	}
	return im
}

// Restore makes a stock from an image and all its holds, in any order. The stock tracks its
// changes from here on.
func Restore(im Image, holds iter.Seq[HoldImage]) *Stock {
	s := &Stock{
		sku: im.SKU, exists: true, sequence: im.Sequence, settings: im.Settings, tracked: true,
	}
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
	h := &hold{nonce: im.Nonce, deadline: im.Deadline, state: im.State, saved: true}
	if im.Owner != "" || im.Home != "" || im.Others != nil || len(im.Lines) > 1 {
		h.rest = &holdRest{owner: im.Owner, home: im.Home, others: im.Others}
	}
	for i, l := range im.Lines {
		line := holdLine{level: int32(l.Level), LineStatus: l.LineStatus}
		if i == 0 {
			h.line = line
		} else {
			h.rest.lines = append(h.rest.lines, line)
		}
	}
	if s.holds == nil {
		s.holds = make(map[uint64]*hold)
	}
	s.holds[h.nonce] = h
	if h.state == Active {
		s.queue.link(h)
	}
}
