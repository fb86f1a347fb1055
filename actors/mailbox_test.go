package actors

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/skua-stock/skua/engine"
)

// busyInvoker posts two messages more in every turn that it is asked to, so that the queue is never
// empty.
type busyInvoker struct {
	t       *testing.T
	mailbox *cell
	last    int
	posted  int
	until   int
	longest int
}

func (v *busyInvoker) InvokeUserMessage(message any) {
	if n := message.(int); n != v.last+1 {
		v.t.Fatalf("message %d after %d", n, v.last)
	}
	v.last++
	v.longest = max(v.longest, cap(v.mailbox.backlog.queue))
	for v.posted < min(v.until, v.last+3) {
		v.posted++
		v.mailbox.PostUserMessage(v.posted)
	}
}

func (v *busyInvoker) InvokeSystemMessage(any)       {}
func (v *busyInvoker) Actor() actor.Actor            { return nil }
func (v *busyInvoker) Message() any                  { return nil }
func (v *busyInvoker) EscalateFailure(reason, _ any) { v.t.Fatal(reason) }

// A mailbox that is never empty keeps its order, and takes no more memory than what waits in it.
func TestMailboxThatIsNeverEmpty(t *testing.T) {
	m := &cell{part: &partition{sys: &System{clock: newClock(time.Now, 0)}}}
	m.opened = true
	v := &busyInvoker{t: t, mailbox: m, posted: 1, until: 1_000_000}
	m.RegisterHandlers(v, nil)
	m.running = true
	m.PostUserMessage(1)
	m.run(v.until + 1)
	if v.last != v.until {
		t.Errorf("%d of %d messages came", v.last, v.until)
	}
	if v.longest > 64 {
		t.Errorf("the queue grew to %d, never more than 3 messages waited", v.longest)
	}
}

// noKeys is a memory without keys.
type noKeys struct{ Memory }

func (noKeys) Warm([]uint64) uint64 { return 0 }

// A SKU that could not be read may be glanced at before it is forgotten. There is nothing to read ahead.
func TestWarmWithoutAStock(t *testing.T) {
	s := &System{
		clock: newClock(time.Now, 0), partitions: make([]partition, 1), memory: noKeys{}, logger: slog.New(slog.DiscardHandler),
	}
	s.partitions[0].sys = s
	c := &cell{part: &s.partitions[0], sku: "A"}
	c.fail(errors.New("broken"))
	c.opened, c.context = true, &busyInvoker{t: t}
	s.directory.shardOf(hash("A")).insert(hash("A"), c)
	cmd := &engine.Command{Op: engine.OpGetItem, SKU: "A"}
	s.warm([]*call{{errand: s.to("A", cmd)}, {errand: s.to("A", cmd)}})
	if !c.claim() {
		t.Error("the mailbox is still claimed")
	}
}
