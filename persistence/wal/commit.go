package wal

import (
	"fmt"
	"runtime"
	"time"
)

// step is what the committer does next.
type step int

const (
	stepWait step = iota
	stepCommit
	stepRoll
	stepStop
	stepDie
)

// commitLoop is the committer: the one goroutine that writes to segments and syncs them.
func (l *Log) commitLoop() {
	defer l.running.Done()
	defer close(l.releases)
	idle := time.NewTimer(l.o.sealAfter)
	defer idle.Stop()
	for {
		var err error
		l.o.Pace("commit")()
		switch next, g, rolls := l.next(); next {
		case stepCommit:
			err = l.commit(g)
		case stepRoll:
			err = l.roll()
			for _, done := range rolls {
				done <- err
			}
		case stepWait:
			idle.Reset(l.o.sealAfter)
			select {
			case <-l.kick:
			case <-idle.C:
				if err = l.seal(); err == nil {
					<-l.kick
				}
			}
		case stepStop:
			if err = l.seal(); err == nil {
				return
			}
		case stepDie:
			l.die()
			return
		}
		if err != nil {
			l.fail(err)
		}
	}
}

// next decides what the committer does. It marks the committer idle if that is nothing.
func (l *Log) next() (step, *group, []chan error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return stepDie, nil, nil
	}
	if len(l.rolls) > 0 && l.durable.Load() >= l.rollAt {
		rolls := l.rolls
		l.rolls = nil
		return stepRoll, nil, rolls
	}
	switch {
	case len(l.full) > 0:
		l.inflight = l.full[0]
		n := copy(l.full, l.full[1:])
		l.full[n] = nil
		l.full = l.full[:n]
	case !l.open.empty():
		l.inflight = l.open
		l.open = l.newGroup()
	case l.closing:
		return stepStop, nil, nil
	default:
		l.idle = true
		return stepWait, nil, nil
	}
	return stepCommit, l.inflight, nil
}

// commit writes a group with one write, syncs once, moves the watermark and hands the waiters on.
func (l *Log) commit(g *group) error {
	s := l.active
	if s.end+int64(len(g.buf)) > l.o.SegmentBytes && s.end > headerBytes {
		if err := l.roll(); err != nil {
			return err
		}
		s = l.active
	}
	g.finish(s.salt, l.durable.Load())
	start := time.Now()
	if err := l.write(s, g.buf); err != nil {
		return err
	}
	written := time.Now()
	if err := l.sync(s, len(g.buf)); err != nil {
		return err
	}
	report := Group{
		Records: int(g.last - g.first + 1),
		Bytes:   len(g.buf),
		Write:   written.Sub(start),
		Sync:    time.Since(written),
	}
	l.sealDue = true
	l.publish(s, g)
	l.o.OnGroup(report)
	if crowded := l.crowded.Load(); crowded != nil && (*crowded)() {
		time.Sleep(gatherFor)
	}
	return nil
}

// publish moves the watermark over a group that is on disk.
func (l *Log) publish(s *segment, g *group) {
	l.segMu.Lock()
	for _, m := range g.frames {
		s.note(m.first, s.end+int64(m.at))
	}
	s.end += int64(len(g.buf))
	s.last = g.last
	l.segMu.Unlock()

	l.mu.Lock()
	l.durable.Store(g.last)
	l.count(-int64(len(g.buf)))
	l.inflight = nil
	l.wakeTails()
	l.mu.Unlock()
	l.releases <- g
	// Let those who are told come back with their next records, if they are quick: the next group
	// then is whole instead of two halves that take turns. It costs at most a few microseconds.
	runtime.Gosched()
}

// seal writes a frame without records that vouches for the group before it. Without it, damage to
// the last group acknowledged could not be told from a torn tail.
func (l *Log) seal() error {
	if !l.sealDue {
		return nil
	}
	s := l.active
	frame := make([]byte, frameHeaderBytes)
	finishFrame(frame, s.salt, l.durable.Load()+1, l.durable.Load(), 0)
	if err := l.write(s, frame); err != nil {
		return err
	}
	if err := l.sync(s, len(frame)); err != nil {
		return err
	}
	l.sealDue = false
	l.segMu.Lock()
	s.end += int64(len(frame))
	l.segMu.Unlock()
	return nil
}

func (l *Log) write(s *segment, b []byte) error {
	if _, err := s.file.WriteAt(b, s.end); err != nil {
		return fmt.Errorf("write %d bytes to segment %d: %w", len(b), s.number, err)
	}
	return nil
}

// sync makes the n bytes at the end of s durable. Inside a preallocated file there is no metadata
// to write, which halves the cost; a file that grew needs its new length on disk too.
func (l *Log) sync(s *segment, n int) error {
	sync := s.file.SyncData
	if s.end+int64(n) > s.size {
		sync = s.file.Sync
	}
	if err := sync(); err != nil {
		return fmt.Errorf("sync segment %d: %w", s.number, err)
	}
	return nil
}

// roll ends the active segment and begins the next. Everything written is durable by now, so the
// header of the next segment vouches for all of this one, as a seal frame would.
func (l *Log) roll() error {
	s := l.active
	if s.last < s.first {
		return nil
	}
	next, err := l.beginSegment(s.number+1, l.durable.Load()+1)
	if err != nil {
		return err
	}
	l.segMu.Lock()
	s.sealed = true
	l.segments = append(l.segments, next)
	l.segMu.Unlock()
	l.active = next
	l.sealDue = false
	notify(l.refill)
	return nil
}

// fail makes err the end of this log, unless it ended already, and lets the committer know.
func (l *Log) fail(err error) {
	l.mu.Lock()
	if l.err == nil {
		l.err = fmt.Errorf("%w: %w", ErrFailed, err)
	}
	l.mu.Unlock()
	notify(l.kick)
}

// die tells everyone, once. Nothing is appended after err is set, so nobody is forgotten.
func (l *Log) die() {
	l.mu.Lock()
	err := l.err
	groups := append([]*group{}, l.full...)
	if l.inflight != nil {
		groups = append([]*group{l.inflight}, groups...)
	}
	groups = append(groups, l.open)
	l.inflight, l.full, l.open = nil, nil, l.newGroup()
	rolls := l.rolls
	l.rolls = nil
	l.wakeTails()
	l.mu.Unlock()

	l.o.OnFailure(err)
	for _, g := range groups {
		g.err = err
		l.releases <- g
	}
	for _, done := range rolls {
		done <- err
	}
}

// releaseLoop tells waiters, so that the committer is at the next group meanwhile.
func (l *Log) releaseLoop() {
	defer l.running.Done()
	for g := range l.releases {
		g.release()
		g.reset()
		l.mu.Lock()
		if len(l.free) < FreeGroupsMax {
			l.free = append(l.free, g)
		}
		l.mu.Unlock()
	}
}
