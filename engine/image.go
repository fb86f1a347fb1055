package engine

import "iter"

// Image is a stock written down: the whole of it but for the holds, of which it has only those
// that changed since the last image, so that a million holds at rest cost nothing.
type Image struct {
	SKU          string
	Sequence     uint64
	Settings     Settings
	Levels       []Level
	FreedThrough Time
	NextExpiry   Time
	Holds        []HoldImage
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

// Capture writes the stock down. The image shares settings with the stock, which replaces and
// never changes them; the rest is a copy.
func (s *Stock) Capture() Image {
	im := Image{
		SKU: s.sku, Sequence: s.sequence, Settings: s.settings,
		Levels:       append([]Level(nil), s.levels...),
		FreedThrough: s.freedThrough, NextExpiry: s.NextExpiry(),
		Gone: s.gone,
	}
	for _, nonce := range s.changed {
		h := s.holds[nonce]
		if h == nil || !h.changed {
			continue
		}
		h.changed, h.saved = false, true
		im.Holds = append(im.Holds, h.image())
	}
	s.changed, s.gone = nil, nil
	return im
}

func (h *hold) image() HoldImage {
	im := HoldImage{
		Nonce: h.nonce, Deadline: h.deadline, State: h.state, Owner: h.owner(),
		Others: h.others(), Lines: make([]HoldLineImage, h.lines()),
	}
	if h.rest != nil {
		im.Home = h.rest.home
	}
	for i := range im.Lines {
		l := h.at(i)
		im.Lines[i] = HoldLineImage{Level: int(l.level), LineStatus: l.LineStatus}
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
