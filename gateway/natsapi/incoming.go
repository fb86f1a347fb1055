package natsapi

import (
	"runtime"
	"sync"

	"github.com/skua-stock/skua/engine"
)

// incoming is where commands wait to be handed over together, which costs less than one by one. The
// handlers put them here one at a time and wake the submitter for the first; what else comes before
// it runs goes with it. So bunches form under load by themselves, and a command that is alone does
// not wait for others.
type incoming struct {
	mu    sync.Mutex
	calls []*call
	wake  chan struct{}
}

func (in *incoming) put(c *call) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.calls = append(in.calls, c); len(in.calls) > 1 {
		return
	}
	select {
	case in.wake <- struct{}{}: // While locked: once the call is taken the channel may be closed.
	default: // It was not seen yet, and will be.
	}
}

// swap takes what there is. The slice is not used again, for answers find their calls there.
func (in *incoming) swap() []*call {
	in.mu.Lock()
	defer in.mu.Unlock()
	calls := in.calls
	in.calls = make([]*call, 0, len(calls))
	return calls
}

// submit hands over what comes.
func (s *Server) submit() {
	var commands []*engine.Command
	for range s.in.wake {
		runtime.Gosched() // Whoever can run goes first: under load he has more, which goes along.
		calls := s.in.swap()
		if len(calls) == 1 {
			s.cfg.Port.Submit(&calls[0].message.Command, calls[0].put)
			continue
		}
		commands = commands[:0]
		for _, c := range calls {
			commands = append(commands, &c.message.Command)
		}
		s.cfg.Port.SubmitEach(commands, func(i int, a *engine.Answer) { calls[i].answered(a) })
	}
}
