package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
	"github.com/skua-stock/skua/persistence/wal"
)

// The floors: ways that do a part of what a way in does and nothing else, driven by the same load. What a
// way takes beyond its floor is Skua's own. A floor with turns takes one for each command, behind one lock
// over all items, so that a way with many locks, or with turns for many commands, may take less.
const (
	floorHTTP = "floor: echo answering a constant"
	floorNATS = "floor: NATS micro answering a constant"
	floorLog  = "floor: group commit of 96 bytes alone"
	floorTurn = "floor: the engine's turn and its group commit"
	// This is no engine, and nothing that one could sell with.
	floorPlain = "floor: counts, keys and holds in plain tables, and a group commit"
	// These turns have their memory read ahead, as those of what is handed over together have.
	floorTurns = "floor: the engine's turns of a batch and its group commit"
	// These wait, as Skua has to: what is asleep has to be woken.
	floorHTTPDurable = "floor: echo answering a constant after a group commit"
	floorNATSDurable = "floor: NATS micro answering a constant after a group commit"
	// These publish an event for each, as Skua does.
	floorHTTPEvents = "floor: echo answering a constant after a group commit, and JetStream"
	floorNATSEvents = "floor: NATS micro answering a constant after a group commit, and JetStream"
	// These have a record for each operation of a batch; the last two decide on it too, and read the
	// batch and write its answer with what the doors do that with.
	floorHTTPBatch     = "floor: echo answering a batch with a constant after a group commit"
	floorNATSBatch     = "floor: NATS micro answering a batch with a constant after a group commit"
	floorHTTPBatchTurn = "floor: echo answering a batch after the engine's turns and a group commit"
	floorNATSBatchTurn = "floor: NATS micro answering a batch after the engine's turns and a group commit"
)

// What the floors do with a request.
const (
	floorConstant = iota
	floorDurable
	floorPublished
	floorDecided
)

// floors are the contenders that explain others. One item is enough for most, which know of none; one
// client alone and the open loop are measured with the uniform workload, and their floor with them.
// Orders have one where what they ask for is looked at, or makes the request longer.
func (f *benchFlags) floors() []contender {
	of := func(names ...string) func(bench.Workload) bool {
		return func(w bench.Workload) bool { return slices.Contains(names, w.Name) }
	}
	hot, uniform, hotOrUniform, hotUniformOrder := of("hot"), of("uniform"), of("hot", "uniform"), of("hot", "uniform", "order")
	lanes := func(window int) int { return min(window, f.Connections) }
	batches := func(window int) int { return connections(window / f.Batch) }
	const onTurn = "no actors, keys, history, snapshots"
	alone := func(open opener, w way) contender { return contender{name: w.name, open: open, ways: []way{w}} }
	return []contender{
		alone(f.openFloor("nats", floorConstant), way{
			name: floorNATS, floor: wayNATS, on: "no engine, no disk", windows: []int{256, 4096}, takes: hot, workers: lanes,
		}),
		alone(f.openFloor("nats", floorDurable), way{
			name: floorNATSDurable, floor: wayNATS, on: "no engine", windows: []int{1, 256, 4096}, takes: hotUniformOrder, paced: true, workers: lanes,
		}),
		alone(f.openFloor("nats", floorPublished), way{
			name: floorNATSEvents, floor: wayNATS, on: "no engine", windows: []int{1}, takes: uniform, paced: true, workers: lanes,
		}),
		alone(f.openFloor("http", floorConstant), way{
			name: floorHTTP, floor: wayHTTP, on: "no engine, no disk", windows: []int{64}, takes: hot, workers: connections, waits: true,
		}),
		alone(f.openFloor("http", floorDurable), way{
			name: floorHTTPDurable, floor: wayHTTP, on: "no engine", windows: []int{64}, takes: hot, workers: connections, waits: true,
		}),
		alone(f.openFloor("http", floorPublished), way{
			name: floorHTTPEvents, floor: wayHTTP, on: "no engine", windows: []int{64}, takes: hotOrUniform, workers: connections, waits: true,
		}),
		alone(f.openFloor("nats", floorDurable), way{
			name: floorNATSBatch, floor: wayNATSBatch, on: "no engine", windows: []int{80 * f.Batch}, takes: hotOrUniform, workers: lanes,
		}),
		alone(f.openFloor("nats", floorDecided), way{
			name: floorNATSBatchTurn, floor: wayNATSBatch, on: onTurn, windows: []int{80 * f.Batch}, takes: hotOrUniform, workers: lanes,
		}),
		alone(f.openFloor("http", floorDurable), way{
			name: floorHTTPBatch, floor: wayHTTPBatch, on: "no engine", windows: []int{32 * f.Batch}, takes: hotOrUniform, workers: batches, waits: true,
		}),
		alone(f.openFloor("http", floorDecided), way{
			name: floorHTTPBatchTurn, floor: wayHTTPBatch, on: onTurn, windows: []int{32 * f.Batch}, takes: hotOrUniform, workers: batches, waits: true,
		}),
		alone(openFloorLog, way{name: floorLog, floor: wayInProcess, on: "no engine", windows: []int{1024, 8192}, takes: hot}),
		alone(f.openFloorPlain, way{name: floorPlain, floor: wayInProcessBatch, on: "no engine", windows: []int{8192}, takes: hotUniformOrder}),
		alone(f.openFloorTurn, way{name: floorTurns, floor: wayInProcessBatch, on: onTurn, windows: []int{8192}, takes: hotUniformOrder}),
		alone(f.openFloorTurn, way{name: floorTurn, floor: wayInProcess, on: onTurn, windows: []int{1024, 8192}, takes: hotUniformOrder}),
	}
}

// floorSite is a process that answers and does little else.
type floorSite struct {
	*process
	flags *benchFlags
	dir   string
}

func (f *benchFlags) openFloor(door string, does int) opener {
	return func(_ context.Context, dir string, w bench.Workload) (site, error) {
		args := []string{"bench", "floor", door, "--lines", strconv.Itoa(w.Lines)}
		if door == "nats" || does != floorConstant {
			args = append(args, "--data", dir)
		}
		switch does {
		case floorDurable:
			args = append(args, "--durable")
		case floorPublished:
			args = append(args, "--events", strconv.Itoa(w.SKUs))
		case floorDecided:
			args = append(args, "--turns", strconv.Itoa(w.SKUs))
		}
		p, err := launch(args...)
		if err != nil {
			return nil, err
		}
		return &floorSite{p, f, filepath.Dir(dir)}, nil
	}
}

func (s *floorSite) target(way string, window int) (*bench.Target, func(), error) {
	var d interface {
		bench.Driver
		Close()
	}
	var err error
	switch way {
	case floorHTTP, floorHTTPDurable, floorHTTPEvents:
		d, err = bench.NewHTTP(s.http, connections(window), 1, false)
	case floorHTTPBatch, floorHTTPBatchTurn:
		d, err = bench.NewHTTP(s.http, connections(window/s.flags.Batch), s.flags.Batch, false)
	case floorNATSBatch, floorNATSBatchTurn:
		d, err = bench.NewNATSBatch(s.nats, s.flags.Connections, s.flags.Batch, false)
	default:
		d, err = bench.NewNATS(s.nats, s.flags.Connections, false)
	}
	if err != nil {
		return nil, nil, err
	}
	return &bench.Target{Driver: d, PIDs: []int{s.cmd.Process.Pid}, Dir: s.dir}, d.Close, nil
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
	s, err := openLogSite(dir)
	if err != nil {
		return nil, err // Not a site that is nil.
	}
	return s, nil
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
