package gateway

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skua-stock/skua/engine"
)

// echoing is a port that answers at once with the command's key, and counts how commands came.
type echoing struct {
	Port
	alone, together atomic.Int64
}

func (p *echoing) Submit(c *engine.Command, answer func(*engine.Answer)) {
	p.alone.Add(1)
	answer(&engine.Answer{SKU: c.Key})
}

func (p *echoing) SubmitEach(cs []*engine.Command, answer func(int, *engine.Answer)) {
	p.together.Add(int64(len(cs)))
	if len(cs) > intakeMax {
		panic("too many were handed over together")
	}
	for i, c := range cs {
		go answer(i, &engine.Answer{SKU: c.Key})
	}
}

// Each command gets its own answer, once, however they were handed over.
func TestIntake(t *testing.T) {
	port := new(echoing)
	in := &Intake{Port: port}
	const callers, commands = 300, 200
	var callersDone, answers sync.WaitGroup
	answers.Add(callers * commands)
	for i := range callers {
		callersDone.Go(func() {
			for j := range commands {
				key := strconv.Itoa(i*commands + j)
				var told atomic.Bool
				in.Submit(&engine.Command{Key: key}, func(a *engine.Answer) {
					if a.SKU != key || told.Swap(true) {
						t.Errorf("command %s was told %q", key, a.SKU)
					}
					answers.Done()
				})
			}
		})
	}
	callersDone.Wait()
	answers.Wait()
	if n := port.alone.Load() + port.together.Load(); n != callers*commands {
		t.Errorf("%d commands came, want %d", n, callers*commands)
	}
	if port.together.Load() == 0 {
		t.Error("nothing was handed over together, so nothing was shown")
	}
}

func TestIntakeOfOne(t *testing.T) {
	port := new(echoing)
	in := &Intake{Port: port}
	for range 3 {
		told := false
		in.Submit(&engine.Command{}, func(*engine.Answer) { told = true })
		if !told {
			t.Fatal("it was not handed over when Submit returned")
		}
	}
	if port.alone.Load() != 3 {
		t.Errorf("%d came alone", port.alone.Load())
	}
}
