package gateway

import (
	"context"

	"github.com/skua-stock/skua/engine"
)

// bunch hands over the commands of one request, many together: it keeps them until there are as many
// as may be in flight, or until something has to be waited for.
type bunch struct {
	gathering
	port Port
	// file gets the answers, on any goroutine, with the indexes that add was given.
	file func(i int, a *engine.Answer)
	// commands are not handed over yet. indexes has one for each command of the request, in the
	// order of add, and handedOver is how many of them were handed over.
	commands   []*engine.Command
	indexes    []int
	handedOver int
}

// start empties the bunch for up to n commands.
func (b *bunch) start(n int, port Port, file func(i int, a *engine.Answer)) {
	b.begin(n)
	b.port, b.file = port, file
	b.commands, b.handedOver = b.commands[:0], 0
	// Answers look indexes up while others are added: the array must stay where it is.
	if cap(b.indexes) < n {
		b.indexes = make([]int, 0, n)
	}
	b.indexes = b.indexes[:0]
}

// add adds the command with an index once one more may be in flight; false means that time is up.
func (b *bunch) add(ctx context.Context, i int, c *engine.Command) bool {
	if b.full() {
		b.handOver()
	}
	if !b.acquire(ctx) {
		return false
	}
	b.commands = append(b.commands, c)
	b.indexes = append(b.indexes, i)
	return true
}

// handOver hands over what was added.
func (b *bunch) handOver() {
	if len(b.commands) == 0 {
		return
	}
	indexes, file := b.indexes[b.handedOver:], b.file
	b.handedOver = len(b.indexes)
	b.port.SubmitEach(b.commands, func(i int, a *engine.Answer) { file(indexes[i], a) })
	clear(b.commands)
	b.commands = b.commands[:0]
}

// awaitOne hands over what was added, and waits for the answer with an index.
func (b *bunch) awaitOne(ctx context.Context, i int) bool {
	b.handOver()
	return b.waitFor(ctx, i)
}

// awaitAll hands over what was added, and waits for all answers.
func (b *bunch) awaitAll(ctx context.Context) bool {
	b.handOver()
	return b.wait(ctx)
}
