package sim

import (
	"errors"
	"fmt"
	"hash/crc32"
	"syscall"
	"time"

	"github.com/skua-stock/skua/engine"
)

// errFault is wrapped by every error that the disk was made to answer.
var errFault = errors.New("sim: the disk was told to fail")

// faultKind is something that goes wrong.
type faultKind int

const (
	faultPower      faultKind = iota // at a moment
	faultPowerAtOp                   // at the next, or so, operation of the log
	faultKill                        // the process dies, the machine does not
	faultRestart                     // in order
	faultFail                        // an operation of the log fails with EIO
	faultFull                        // an operation of the log fails with ENOSPC
	faultClock                       // the wall clock jumps
	faultStall                       // the disk stands still for a while
	faultNearlyFull                  // the disk has less left than its reserve, for a while
	faultDamage                      // a bit of the log at rest flips
	faultSave                        // a snapshot at once
)

var faultNames = [...]string{
	faultPower: "power", faultPowerAtOp: "power at an operation", faultKill: "kill", faultRestart: "restart", faultFail: "EIO",
	faultFull: "ENOSPC", faultClock: "clock", faultStall: "stall", faultNearlyFull: "nearly full", faultDamage: "damage",
	faultSave: "snapshot",
}

var faultKinds = func() (all []faultKind) {
	for k := range faultNames {
		all = append(all, faultKind(k))
	}
	return all
}()

// injected is what will happen at an operation of the log.
type injected struct {
	armed bool
	in    int // operations from now
	kind  opKind
	any   bool // whatever its kind, if it changes something
	err   error
	power *wreck
	hit   bool
}

// touch is before every operation of the disk of a run. One that changes the log takes its time first;
// opening and reading take none, since segments are locked meanwhile, and synctest's clock stands
// still while somebody waits for a lock.
func (w *world) touch(run int, d *disk) func(op diskOp) error {
	return func(op diskOp) error {
		if op.kind >= opWrite {
			w.mu.Lock()
			if w.crashAt != 0 && run == w.run && d == w.disk {
				if w.calls++; w.calls == w.crashAt {
					w.trace.note(streamDriver, "the power goes at call %d, %s of %s", w.calls, opNames[op.kind], op.path)
					w.crashLocked(w.weather.wreck(w.dice))
				}
			}
			w.mu.Unlock()
		}
		if !op.ofLog() {
			return nil
		}
		if op.kind >= opWrite {
			lane := laneOf(op.path)
			w.tl.sleep(lane, w.tl.within(lane, w.weather.diskTime)+w.stalled())
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		in := &w.injected
		if run != w.run || d != w.disk || !in.armed || in.kind != op.kind && (!in.any || op.kind < opWrite) {
			return nil
		}
		if in.in--; in.in > 0 {
			return nil
		}
		in.armed, in.hit = false, true
		w.count.injected++
		if in.power != nil {
			w.trace.note(streamDriver, "the power goes at %s of %s", opNames[op.kind], op.path)
			w.crashLocked(*in.power)
			return nil
		}
		w.trace.note(streamDriver, "%s of %s fails", opNames[op.kind], op.path)
		return fmt.Errorf("%w: %s %s: %w", errFault, opNames[op.kind], op.path, in.err)
	}
}

// stalled is how much longer the disk stands still.
func (w *world) stalled() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(0, time.Until(w.stallUntil))
}

// done traces what the log's files got.
func (w *world) done(op diskOp, b []byte) {
	if op.ofLog() && op.kind >= opWrite {
		w.trace.note(streamLog, "%s %s at %d: %d bytes, %08x", opNames[op.kind], op.path, op.at, len(b), crc32.ChecksumIEEE(b))
	}
}

// strike makes one thing go wrong.
func (w *world) strike() {
	if len(w.weather.kinds) == 0 {
		return
	}
	kind := w.weather.kinds[w.dice.IntN(len(w.weather.kinds))]
	w.count.faults[kind]++
	w.trace.note(streamDriver, "fault: %s", faultNames[kind])
	switch kind {
	case faultPower:
		w.crash(w.weather.wreck(w.dice))
	case faultKill:
		w.crash(wreck{process: true})
	case faultPowerAtOp:
		k := w.weather.wreck(w.dice)
		w.arm(injected{any: true, power: &k, in: 1 + w.dice.IntN(8)})
	case faultFail:
		w.arm(injected{kind: opKind(w.dice.IntN(5)), err: syscall.EIO, in: 1 + w.dice.IntN(5)})
	case faultFull:
		w.arm(injected{kind: [...]opKind{opWrite, opWrite, opOpen, opName}[w.dice.IntN(4)], err: syscall.ENOSPC, in: 1 + w.dice.IntN(5)})
	case faultRestart:
		w.stop(false)
	case faultDamage:
		w.stop(true)
	case faultClock:
		w.jump()
	case faultStall:
		w.mu.Lock()
		w.stallUntil = time.Now().Add(spread(w.dice, 2*time.Second))
		w.mu.Unlock()
	case faultNearlyFull:
		w.mu.Lock()
		room := &w.disk.room
		if *room < 1<<30 {
			*room = 1 << 40
		} else {
			*room = 1 << 20
		}
		w.mu.Unlock()
	case faultSave:
		saved := make(chan struct{})
		go func() { defer close(saved); w.save() }()
		select {
		case <-saved:
		case <-w.down: // A snapshot of a node that is dead does not end before the node is buried.
			w.restart()
		}
	}
}

func (w *world) arm(in injected) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.injected.hit {
		return // What was hit has to end first.
	}
	in.armed = true
	w.injected = in
}

// jump moves the wall clock by up to an hour, forward or back.
func (w *world) jump() {
	by := spread(w.dice, time.Hour)
	if w.dice.IntN(2) == 0 {
		by = -by
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wall.Add(int64(by))
	w.calmSince = engine.Time(1) << 60 // Its timers do not know.
}
