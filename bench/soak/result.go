package soak

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Result is what a soak found.
type Result struct {
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	// Partial says that it was ended before its time.
	Partial  bool   `json:"partial"`
	Seed     uint64 `json:"seed"`
	Capacity int    `json:"capacity"` // operations a second of the calibration, if there was one
	Rate     int    `json:"rate"`     // operations a second that were offered
	// Settings are the flags of the server.
	Settings []string `json:"settings"`

	Answered   int64 `json:"answered"`
	Refused    int64 `json:"refused"`    // of them, for want of stock or because a hold was over
	Retried    int64 `json:"retried"`    // tries that were not the first
	Overloaded int64 `json:"overloaded"` // tries that were refused as OVERLOADED
	Missed     int64 `json:"missed"`     // operations that fell due while too many were under way
	ReadsLost  int64 `json:"reads_lost"` // reads that a kill cut off
	Expired    int64 `json:"expired"`    // holds that were over before anything became of them
	Asked      int64 `json:"asked_again"`
	Audits     int64 `json:"audits"`   // histories that were read and chained
	Compared   int64 `json:"compared"` // movements of them that were compared with their event
	Checks     int   `json:"checks"`   // times that skua check looked at the data directory

	Events   map[string]int64 `json:"events"`   // by reader
	Repeated map[string]int64 `json:"repeated"` // of them, those that came again

	Kills   []Kill    `json:"kills"`
	Samples []Sample  `json:"samples"`
	Verdict []Finding `json:"verdict"`

	DefectCount  int      `json:"defect_count"`
	Defects      []string `json:"defects"`
	TroubleCount int      `json:"trouble_count"`
	Trouble      []string `json:"trouble"` // requests that failed while nobody was killed, and were tried again
}

// Kill is one death of the server, and its next start. Times are in seconds.
type Kill struct {
	At      float64 `json:"at_seconds"`
	Signal  string  `json:"signal"`
	Age     float64 `json:"age_seconds"`
	Stop    float64 `json:"stop_seconds"`
	Ready   float64 `json:"ready_seconds"`
	Checked bool    `json:"checked"`
	Asked   int     `json:"asked_again"`
}

// defects is how many there are so far.
func (r *Result) defects(s *soak) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.DefectCount
}

// sum brings the counts up to date.
func (r *Result) sum(s *soak) {
	c := &s.counts
	r.Seconds = time.Since(s.began).Seconds()
	r.Answered, r.Refused, r.Retried, r.Overloaded = c.answered.Load(), c.refused.Load(), c.retried.Load(), c.overloaded.Load()
	r.Missed, r.ReadsLost, r.Asked = c.missed.Load(), c.readsLost.Load(), c.asked.Load()
	r.Audits, r.Compared = c.audits.Load(), c.compared.Load()
	s.books.mu.Lock()
	r.Expired = s.books.expired
	s.books.mu.Unlock()
	r.Events, r.Repeated = make(map[string]int64), make(map[string]int64)
	for _, one := range s.readers {
		one.mu.Lock()
		r.Events[one.name], r.Repeated[one.name] = one.events, one.repeated
		one.mu.Unlock()
	}
}

// conclude says what it all means.
func (r *Result) conclude(s *soak) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.sum(s)
	r.Verdict = judge(r.Samples)
}

// write writes the result so far, as a whole or not at all.
func (s *soak) write() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result.sum(s)
	b, err := json.MarshalIndent(s.result, "", " ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.c.Dir, "soak.json")
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Load reads a result that was written.
func Load(path string) (*Result, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	r.Verdict = judge(r.Samples)
	return r, nil
}
