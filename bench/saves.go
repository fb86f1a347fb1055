package bench

import "time"

// saves counts the snapshots that are completed during a run. It looks now and then, which misses
// some of those that come more often.
type saves struct {
	saved  func() (int64, error) // see [Target.Saved]; nil knows of none
	looked time.Time
	last   int64
	seen   int
	failed error
}

// look looks whether there was one since the last look. The first look counts none.
func (s *saves) look() {
	if s.saved == nil || s.failed != nil {
		return
	}
	first := s.looked.IsZero()
	s.looked = time.Now()
	n, err := s.saved()
	if err != nil {
		s.failed = err
		return
	}
	if n > s.last && !first {
		s.seen++
	}
	s.last = n
}

// watch is a progress function that looks too.
func (s *saves) watch(progress func(float64)) func(float64) {
	return func(done float64) {
		if time.Since(s.looked) >= savesEvery {
			s.look()
		}
		if progress != nil {
			progress(done)
		}
	}
}
