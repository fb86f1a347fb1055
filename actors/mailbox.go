package actors

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/skua-stock/skua/engine"
)

// mailbox is the Proto.Actor mailbox of one SKU. Idle, it runs a message on the sender's
// goroutine, which spares the switch; busy, it queues. How much can queue is bounded before it,
// by admission. It starts closed, for the SKU to be loaded, and can be held, while a command that
// spans several SKUs visits the others.
type mailbox struct {
	mu      sync.Mutex
	running bool // A goroutine is in run, or will be: it alone invokes.
	opened  bool
	held    bool // The turn before holds it; only turns know.
	holds   int8 // Each ends by its own resume: a visit and a fence may hold at once.
	item    bool // The stock is one of an item; of the turn. It is here for its size, as is gone.
	gone    bool // The cell is not in the directory any more; under the shard's lock.
	faulty  bool // The stock is not there, see fault; of the turn.
	context invoker
	backlog *backlog // nil while nothing waits
}

// invoker is what Proto.Actor knows of the actor: its context.
type invoker interface {
	actor.MessageInvoker
	Actor() actor.Actor
	Message() any
}

// backlog is what waits in a mailbox: messages of Proto.Actor's own, and ours.
type backlog struct {
	system []any
	queue  []any
	head   int
	warmth uint64 // of no meaning; see warm
}

// PostUserMessage implements actor.Mailbox.
func (c *cell) PostUserMessage(message any) {
	m := &c.mailbox
	m.mu.Lock()
	if m.running || !m.opened || m.holds > 0 {
		setNow(message, 0)
		m.more().enqueue(message)
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.context.InvokeUserMessage(message)
	c.run(turnsInline)
}

// holdOrEnqueue holds an idle mailbox, or lets a visit wait for its turn. Once it waits, it may be
// elsewhere already.
func (m *mailbox) holdOrEnqueue(v *visit) (held bool) {
	m.mu.Lock()
	if held = !m.running && m.opened && m.holds == 0; held {
		m.holds++
	} else {
		m.more().enqueue(v)
	}
	m.mu.Unlock()
	return held
}

// claim takes an idle mailbox, as a turn does. Whoever claimed it must call run in the end.
func (m *mailbox) claim() bool {
	m.mu.Lock()
	ok := !m.running && m.opened && m.holds == 0
	if ok {
		m.running = true
	}
	m.mu.Unlock()
	return ok
}

func (m *mailbox) more() *backlog {
	if m.backlog == nil {
		m.backlog = new(backlog)
	}
	return m.backlog
}

// enqueue takes a message to the queue's end. Under a load that never lets the queue run empty,
// what was taken from its front would pile up; so the rest moves down there when it is the smaller
// half.
func (b *backlog) enqueue(message any) {
	if len(b.queue) == cap(b.queue) && b.head > len(b.queue)/2 {
		n := copy(b.queue, b.queue[b.head:])
		clear(b.queue[n:])
		b.queue, b.head = b.queue[:n], 0
	}
	b.queue = append(b.queue, message)
}

// dequeue appends the first messages, and says how many turns they are: commands on this SKU alone, at
// most so many unless the first message has more, or one message of another kind, since that may hold
// the mailbox. What is read ahead for more of them would have left the processor's cache before its turn.
func (b *backlog) dequeue(into []any, most int) (messages []any, turns int) {
	waiting := b.queue[b.head:]
	for i, message := range waiting {
		alone := ofOneSKU(message)
		more := turnsOf(message)
		if i > 0 && (!alone || turns+more > most) {
			break
		}
		into, turns = append(into, message), turns+more
		if !alone {
			break
		}
	}
	clear(waiting[:len(into)])
	b.head += len(into)
	return into, turns
}

// waiting reports whether there are messages of ours.
func (b *backlog) waiting() bool { return b != nil && b.head < len(b.queue) }

// PostSystemMessage implements actor.Mailbox. System messages are not held up.
func (c *cell) PostSystemMessage(message any) {
	m := &c.mailbox
	m.mu.Lock()
	b := m.more()
	b.system = append(b.system, message)
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	c.run(turnsInline)
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is our own pool, see workers.
func (m *mailbox) RegisterHandlers(context actor.MessageInvoker, _ actor.Dispatcher) {
	m.mu.Lock()
	m.context = context.(invoker)
	m.mu.Unlock()
}

// Start implements actor.Mailbox. The mailbox opens later, when the SKU is loaded.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.backlog.waiting() {
		return 0
	}
	return len(m.backlog.queue) - m.backlog.head
}

// run invokes messages until there are none, the mailbox is held, or quota is used up; a worker
// goes on then.
func (c *cell) run(quota int) {
	m := &c.mailbox
	var batch [turnsTogether]any
	for {
		m.mu.Lock()
		b := m.backlog
		if b != nil && len(b.system) > 0 {
			message := b.system[0]
			b.system = b.system[1:]
			m.mu.Unlock()
			m.context.InvokeSystemMessage(message)
			continue
		}
		if m.holds > 0 || !m.opened || !b.waiting() {
			if !b.waiting() {
				m.backlog = nil // A burst should not be paid for ever after.
			}
			m.running = false
			m.mu.Unlock()
			return
		}
		if quota <= 0 {
			m.mu.Unlock()
			c.sys().workers.schedule(c)
			return
		}
		m.held = false // Nobody holds it now; a turn may.
		together, turns := b.dequeue(batch[:0], min(quota, turnsTogether))
		m.mu.Unlock()
		if quota -= turns; turns > 1 {
			b.warmth += c.warm(together)
			together = together[:link(together)]
		}
		for i, message := range together {
			m.context.InvokeUserMessage(message)
			if m.held {
				c.putBack(together[i+1:])
				break
			}
		}
		clear(together)
	}
}

// warm reads what messages that waited together will need, side by side. What it returns means
// nothing.
func (c *cell) warm(messages []any) (sum uint64) {
	var many [turnsTogether]*call
	calls, now := many[:0], c.sys().clock.time()
	for _, message := range messages {
		setNow(message, now)
		switch m := message.(type) {
		case *call:
			calls = append(calls, m)
		case *bunch:
			calls = append(calls, m.calls()...)
		}
	}
	var traces, nonces [turnsTogether]uint64
	n := 0
	for i, k := range calls {
		nonces[i] = k.cmd.Reservation.Nonce
		if sum += k.fresh; k.trace != 0 {
			traces[n] = k.trace
			n++
		}
	}
	sum += c.sys().memory.Warm(traces[:n])
	if c.stock != nil {
		sum += c.stock.WarmHolds(nonces[:len(calls)])
	}
	return sum
}

// setNow sets the time of a message's turn; zero lets the turn ask for it.
func setNow(message any, now engine.Time) {
	switch m := message.(type) {
	case *call:
		m.now = now
	case *bunch:
		m.now = now
	}
}

// ofOneSKU reports whether a message is commands on this SKU alone.
func ofOneSKU(message any) bool {
	switch message.(type) {
	case *call, *bunch:
		return true
	}
	return false
}

// putBack lets messages wait on, before the others, because the turn before them holds the mailbox.
func (c *cell) putBack(messages []any) {
	if len(messages) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.more()
	for _, message := range messages {
		setNow(message, 0)
	}
	b.queue, b.head = append(slices.Clone(messages), b.queue[b.head:]...), 0
}

// hold stops the mailbox after the message that is running; only the actor's turn may call it.
func (m *mailbox) hold() {
	m.mu.Lock()
	m.holds++
	m.mu.Unlock()
	m.held = true
}

// resume ends a hold.
func (c *cell) resume() { c.wake(func() { c.holds-- }) }

// open lets messages through, once the SKU is loaded.
func (c *cell) open() { c.wake(func() { c.opened = true }) }

func (c *cell) wake(change func()) {
	m := &c.mailbox
	m.mu.Lock()
	change()
	idle := !m.running && m.opened && m.holds == 0 && m.backlog.waiting()
	if idle {
		m.running = true
	}
	m.mu.Unlock()
	if idle {
		c.sys().workers.schedule(c)
	}
}

// quiet reports whether nothing waits. A turn may still be on its last steps: one whose answer
// went out before it ended.
func (m *mailbox) quiet() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds == 0 && m.opened && !m.backlog.waiting()
}

// workers is the pool that runs mailboxes when no sender does. Its goroutines live long, so that
// their stacks have grown once and for all.
type workers struct {
	queue   chan job
	quit    chan struct{}
	stopped atomic.Bool
	pace    func(who string) (wait func())
	wg      sync.WaitGroup
}

// job is a mailbox that has messages.
type job struct {
	cell *cell
	wait func()
}

func (j job) run() {
	j.wait()
	j.cell.run(turnsInline)
}

func newWorkers(n int, pace func(who string) (wait func())) *workers {
	w := &workers{queue: make(chan job, workerQueue), quit: make(chan struct{}), pace: pace}
	for range n {
		w.wg.Go(func() {
			for {
				select {
				case j := <-w.queue:
					j.run()
				case <-w.quit:
					return
				}
			}
		})
	}
	return w
}

// schedule has a worker run m. It never waits, since workers call it too.
func (w *workers) schedule(c *cell) {
	j := job{c, w.pace("work")}
	select {
	case w.queue <- j:
		if w.stopped.Load() {
			w.drain()
		}
	default:
		go j.run()
	}
}

// drain runs what no worker takes any more. Answers that the log gives when it closes may still
// lead to turns after the workers have gone.
func (w *workers) drain() {
	for {
		select {
		case j := <-w.queue:
			go j.run()
		default:
			return
		}
	}
}

func (w *workers) stop() {
	w.stopped.Store(true)
	close(w.quit)
	w.wg.Wait()
	w.drain()
}
