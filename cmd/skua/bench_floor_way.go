package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/wal"
)

// The floors: ways that do a part of what a way in does and nothing else, driven by the same load.
// None is faster than its floor, and what is between them is Skua's own.
const (
	floorHTTP = "floor: echo answering a constant"
	floorNATS = "floor: NATS micro answering a constant"
	floorLog  = "floor: group commit of 96 bytes alone"
	floorTurn = "floor: the engine's turn and its group commit"
	// These wait, as Skua has to: what is asleep has to be woken.
	floorHTTPDurable = "floor: echo answering a constant after a group commit"
	floorNATSDurable = "floor: NATS micro answering a constant after a group commit"
)

// floors are the contenders that explain others. One item is enough for them, for they know of none;
// one client alone and the open loop are measured with the uniform workload, and their floor with them.
func (f *benchFlags) floors() []contender {
	hot := func(w bench.Workload) bool { return w.Name == "hot" }
	hotOrUniform := func(w bench.Workload) bool { return w.Name == "hot" || w.Name == "uniform" }
	lanes := func(window int) int { return min(window, f.Connections) }
	return []contender{
		{name: floorNATS, open: f.openFloor("nats", false), ways: []way{
			{name: floorNATS, floor: wayNATS, on: "no engine, no disk", windows: []int{256, 4096}, takes: hot, workers: lanes},
		}},
		{name: floorNATSDurable, open: f.openFloor("nats", true), ways: []way{
			{name: floorNATSDurable, floor: wayNATS, on: "no engine", windows: []int{1, 256, 4096}, takes: hotOrUniform, paced: true, workers: lanes},
		}},
		{name: floorHTTP, open: f.openFloor("http", false), ways: []way{
			{name: floorHTTP, floor: wayHTTP, on: "no engine, no disk", windows: []int{64}, takes: hot, workers: connections, waits: true},
		}},
		{name: floorHTTPDurable, open: f.openFloor("http", true), ways: []way{
			{name: floorHTTPDurable, floor: wayHTTP, on: "no engine", windows: []int{64}, takes: hot, workers: connections, waits: true},
		}},
		{name: floorLog, open: openFloorLog, ways: []way{
			{name: floorLog, floor: wayInProcess, on: "no engine", windows: []int{1024, 8192}, takes: hot},
		}},
		{name: floorTurn, open: openFloorTurn, ways: []way{
			{name: floorTurn, floor: wayInProcess, on: "no actors, keys, history, snapshots", windows: []int{1024, 8192}, takes: hot},
		}},
	}
}

// floorSite is a process that answers with a constant.
type floorSite struct {
	*process
	flags *benchFlags
	dir   string
}

func (f *benchFlags) openFloor(door string, durable bool) func(context.Context, string, bench.Workload) (site, error) {
	return func(_ context.Context, dir string, _ bench.Workload) (site, error) {
		args := []string{"bench", "floor", door, "--data", dir}
		if durable {
			args = append(args, "--durable")
		}
		p, err := launch(args...)
		if err != nil {
			return nil, err
		}
		return &floorSite{p, f, filepath.Dir(dir)}, nil
	}
}

func (s *floorSite) target(way string, window int) (*bench.Target, func(), error) {
	t := &bench.Target{PIDs: []int{s.cmd.Process.Pid}, Dir: s.dir}
	if way == floorHTTP || way == floorHTTPDurable {
		d, err := bench.NewHTTP(s.http, connections(window), 1, false)
		if err != nil {
			return nil, nil, err
		}
		t.Driver = d
		return t, d.Close, nil
	}
	d, err := bench.NewNATS(s.nats, s.flags.Connections, false)
	if err != nil {
		return nil, nil, err
	}
	t.Driver = d
	return t, d.Close, nil
}

func (s *floorSite) shut() error { s.stop(); return nil }

// logSite is a log without an engine.
type logSite struct {
	log *wal.Log
	dir string
	cut chan struct{} // closed to end cutting
	wg  sync.WaitGroup
	err error
}

func openFloorLog(_ context.Context, dir string, _ bench.Workload) (site, error) {
	return openLogSite(dir)
}

func openLogSite(dir string) (*logSite, error) {
	s := &logSite{dir: dir, cut: make(chan struct{})}
	var err error
	if s.log, err = wal.Open(dir, wal.Options{}); err != nil {
		return nil, fmt.Errorf("open a log: %w", err)
	}
	s.wg.Go(s.keepShort)
	return s, nil
}

// keepShort lets go what is durable, so that files are used again, as when snapshots are written.
func (s *logSite) keepShort() {
	for {
		select {
		case <-s.cut:
			return
		case <-time.After(floorCutEvery):
		}
		if s.err = s.log.CutBefore(s.log.Durable()); s.err != nil {
			return
		}
	}
}

func (s *logSite) target(string, int) (*bench.Target, func(), error) {
	return &bench.Target{Driver: logDriver{s.log}, Dir: s.dir}, func() {}, nil
}

func (s *logSite) shut() error {
	close(s.cut)
	s.wg.Wait()
	return errors.Join(s.err, s.log.Close())
}

// logDriver appends a record for each command.
type logDriver struct{ log *wal.Log }

// appended waits for one record.
type appended struct{ done func(error) }

var appendeds = sync.Pool{New: func() any { return new(appended) }}

var floorRecord [floorRecordBytes]byte

// Start implements bench.Driver.
func (d logDriver) Start(_ *engine.Command, done func(error)) {
	w := appendeds.Get().(*appended)
	w.done = done
	if _, err := d.log.Append(floorRecord[:], w); err != nil {
		w.Durable(err)
	}
}

// Durable implements wal.Waiter.
func (w *appended) Durable(err error) {
	done := w.done
	w.done = nil
	appendeds.Put(w)
	if errors.Is(err, wal.ErrOverloaded) {
		err = engine.ErrOverloaded
	}
	done(err)
}
