package gateway

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/skua-stock/skua/engine"
)

// Intake hands commands that come at about the same time, each on a goroutine of its own, to the port
// together, which costs less than one by one. Whoever comes first lets go of the processor once: those
// who can run meanwhile and have a command add it, and it hands over all of them. So under load they
// gather by themselves, and a command that is alone waits for nobody.
type Intake struct {
	Port Port

	mu   sync.Mutex
	open *intakeBatch // takes the next command; nil if nobody gathers
}

// intakeBatch is commands that are handed over together. It is used again when all are answered.
type intakeBatch struct {
	commands []*engine.Command
	answers  []func(*engine.Answer)
	left     atomic.Int64
	answer   func(int, *engine.Answer) // bound once
}

var intakeBatches = sync.Pool{New: func() any { return new(intakeBatch) }}

// Submit is that of the port.
func (in *Intake) Submit(c *engine.Command, answer func(*engine.Answer)) {
	in.mu.Lock()
	b := in.open
	first := b == nil
	if first {
		if b = intakeBatches.Get().(*intakeBatch); b.answer == nil {
			b.answer = b.answered
		}
		in.open = b
	}
	b.commands, b.answers = append(b.commands, c), append(b.answers, answer)
	if len(b.commands) == intakeMax {
		in.open = nil
	}
	in.mu.Unlock()
	if !first {
		return
	}
	runtime.Gosched()
	in.mu.Lock()
	if in.open == b {
		in.open = nil
	}
	in.mu.Unlock()
	b.left.Store(int64(len(b.commands)) + 1) // The one more is this call, which reads the slices.
	if len(b.commands) == 1 {
		in.Port.Submit(c, answer)
		b.leave(2)
		return
	}
	in.Port.SubmitEach(b.commands, b.answer)
	b.leave(1)
}

func (b *intakeBatch) answered(i int, a *engine.Answer) {
	b.answers[i](a)
	b.leave(1)
}

// leave gives the batch's memory to the next when nobody reads it any more.
func (b *intakeBatch) leave(n int64) {
	if b.left.Add(-n) > 0 {
		return
	}
	clear(b.commands)
	clear(b.answers)
	b.commands, b.answers = b.commands[:0], b.answers[:0]
	intakeBatches.Put(b)
}
