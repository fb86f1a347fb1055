package soak

import (
	"fmt"
	"math"
	"slices"
)

// Finding is what the samples say of one thing that could grow.
type Finding struct {
	What string `json:"what"`
	How  string `json:"how"`
	// Before and After are medians, of times that ought to be alike.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	// Grew says that After is more than Before beyond what chance does.
	Grew bool `json:"grew"`
	// Known is false when the run was too short to tell.
	Known bool `json:"known"`
}

// The bounds of a verdict. What was settled once is allowed to move by slack, or by some units of
// its own, before it counts as growth.
const (
	slack        = 0.15
	alikeFrom    = 20.0 // seconds of age from which lives are compared
	alikeTo      = 80.0
	settledShare = 0.3    // of the run: what has a bound has reached it by then
	longLife     = 600.0  // seconds of a life that is long enough to be compared with itself
	longRun      = 1200.0 // seconds of a run in which all that the server keeps has reached its bounds
)

// thing is something that could grow: of one process, or on disk.
type thing struct {
	name  string
	of    func(*Sample) float64
	floor float64 // growth below is nothing
}

func things() (ofLife, onDisk []thing) {
	ofLife = []thing{
		{"resident memory, MiB", func(s *Sample) float64 { return float64(s.RSS) / (1 << 20) }, 32},
		{"heap, MiB", func(s *Sample) float64 { return float64(s.Heap) / (1 << 20) }, 32},
		{"goroutines", func(s *Sample) float64 { return float64(s.Goroutines) }, 20},
		{"open files", func(s *Sample) float64 { return float64(s.Files) }, 10},
		{"sockets", func(s *Sample) float64 { return float64(s.Sockets) }, 20},
	}
	onDisk = []thing{
		{"log, MiB", func(s *Sample) float64 { return float64(s.Log) / (1 << 20) }, 128},
		{"snapshots and history, MiB", func(s *Sample) float64 { return float64(s.State) / (1 << 20) }, 64},
		{"event streams, MiB", func(s *Sample) float64 { return float64(s.Streams) / (1 << 20) }, 64},
		{"p99, ms", func(s *Sample) float64 { return s.P99 }, 10},
	}
	return ofLife, onDisk
}

// judge compares times that ought to be alike.
func judge(all []Sample) (found []Finding) {
	if len(all) == 0 {
		return nil
	}
	ofLife, always := things()
	settled := all[len(all)-1].At * settledShare
	middle := (settled + all[len(all)-1].At) / 2
	young := func(s *Sample) bool { return s.Age >= alikeFrom && s.Age <= alikeTo && s.At >= settled && s.Rate > 0 }
	for _, t := range ofLife {
		found = append(found, t.compare("lives of the same age, early and late", all,
			func(s *Sample) bool { return young(s) && s.At < middle }, func(s *Sample) bool { return young(s) && s.At >= middle }))
	}
	life, from, to := longest(all)
	third := (to - from) / 3
	for _, t := range ofLife {
		f := t.compare(fmt.Sprintf("one life of %.0f minutes, its second and its last third", to/60), all,
			func(s *Sample) bool { return s.Life == life && s.Age >= from+third && s.Age < from+2*third },
			func(s *Sample) bool { return s.Life == life && s.Age >= from+2*third })
		f.Known = f.Known && to-from >= longLife
		found = append(found, f)
	}
	for _, t := range always {
		f := t.compare("the run, from when it was settled, early and late", all,
			func(s *Sample) bool { return s.At >= settled && s.At < middle && s.Rate > 0 },
			func(s *Sample) bool { return s.At >= middle && s.Rate > 0 })
		f.Known = f.Known && all[len(all)-1].At >= longRun
		found = append(found, f)
	}
	return found
}

// longest is the life that lasted longest, and the ages between which it was sampled.
func longest(all []Sample) (life int, from, to float64) {
	begin := make(map[int]float64)
	for _, s := range all {
		if _, ok := begin[s.Life]; !ok {
			begin[s.Life] = s.Age
		}
		if s.Age-begin[s.Life] > to-from {
			life, from, to = s.Life, begin[s.Life], s.Age
		}
	}
	return life, from, to
}

func (t *thing) compare(how string, all []Sample, early, late func(*Sample) bool) Finding {
	f := Finding{What: t.name, How: how}
	var a, b []float64
	for i := range all {
		if early(&all[i]) {
			a = append(a, t.of(&all[i]))
		}
		if late(&all[i]) {
			b = append(b, t.of(&all[i]))
		}
	}
	if f.Known = len(a) >= 5 && len(b) >= 5; !f.Known {
		return f
	}
	f.Before, f.After = median(a), median(b)
	f.Grew = f.After > f.Before*(1+slack) && f.After > f.Before+t.floor
	return f
}

func median(all []float64) float64 {
	slices.Sort(all)
	n := len(all)
	if n == 0 {
		return math.NaN()
	}
	return (all[(n-1)/2] + all[n/2]) / 2
}

// OK reports whether nothing was wrong and nothing grew.
func (r *Result) OK() bool {
	return r.DefectCount == 0 && !slices.ContainsFunc(r.Verdict, func(f Finding) bool { return f.Known && f.Grew })
}
