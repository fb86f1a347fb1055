package actors

import (
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is the Proto.Actor mailbox of one SKU. Idle, it runs a message on the sender's
// goroutine, which spares the switch; busy, it queues. How much can queue is bounded before it,
// by admission. It starts closed, for the SKU to be loaded, and can be held, while a command that
// spans several SKUs visits the others.
type mailbox struct {
	mu      sync.Mutex
	invoker actor.MessageInvoker
	workers *workers
	system  []any
	queue   []any
	head    int
	running bool // A goroutine is in run, or will be: it alone invokes.
	opened  bool
	holds   int // Each ends by its own resume: a visit and a fence may hold at once.
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if m.running || !m.opened || m.holds > 0 {
		m.enqueue(message)
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.invoker.InvokeUserMessage(message)
	m.run(turnsInline)
}

// enqueue takes a message to the queue's end. Under a load that never lets the queue run empty,
// what was taken from its front would pile up; so the rest moves down there when it is the smaller
// half.
func (m *mailbox) enqueue(message any) {
	if len(m.queue) == cap(m.queue) && m.head > len(m.queue)/2 {
		n := copy(m.queue, m.queue[m.head:])
		clear(m.queue[n:])
		m.queue, m.head = m.queue[:n], 0
	}
	m.queue = append(m.queue, message)
}

// PostSystemMessage implements actor.Mailbox. System messages are not held up.
func (m *mailbox) PostSystemMessage(message any) {
	m.mu.Lock()
	m.system = append(m.system, message)
	if m.running {
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.run(turnsInline)
}

// RegisterHandlers implements actor.Mailbox. The dispatcher is our own pool, see workers.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.mu.Lock()
	m.invoker = invoker
	m.mu.Unlock()
}

// Start implements actor.Mailbox. The mailbox opens later, when the SKU is loaded.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.queue) - m.head
}

// run invokes messages until there are none, the mailbox is held, or quota is used up; a worker
// goes on then.
func (m *mailbox) run(quota int) {
	for {
		m.mu.Lock()
		if len(m.system) > 0 {
			message := m.system[0]
			m.system = m.system[1:]
			m.mu.Unlock()
			m.invoker.InvokeSystemMessage(message)
			continue
		}
		if m.holds > 0 || !m.opened || m.head == len(m.queue) {
			m.running = false
			m.mu.Unlock()
			return
		}
		if quota == 0 {
			m.mu.Unlock()
			m.workers.schedule(m)
			return
		}
		message := m.queue[m.head]
		m.queue[m.head] = nil
		m.head++
		if m.head == len(m.queue) {
			m.head = 0
			if cap(m.queue) > turnsInline {
				m.queue = nil // A burst should not be paid for ever after.
			} else {
				m.queue = m.queue[:0]
			}
		}
		m.mu.Unlock()
		m.invoker.InvokeUserMessage(message)
		quota--
	}
}

// hold stops the mailbox after the message that is running; only the actor's turn may call it.
func (m *mailbox) hold() {
	m.mu.Lock()
	m.holds++
	m.mu.Unlock()
}

// resume ends a hold.
func (m *mailbox) resume() { m.wake(func() { m.holds-- }) }

// open lets messages through, once the SKU is loaded.
func (m *mailbox) open() { m.wake(func() { m.opened = true }) }

func (m *mailbox) wake(change func()) {
	m.mu.Lock()
	change()
	idle := !m.running && m.opened && m.holds == 0 && m.head < len(m.queue)
	if idle {
		m.running = true
	}
	m.mu.Unlock()
	if idle {
		m.workers.schedule(m)
	}
}

// quiet reports whether nothing waits. A turn may still be on its last steps: one whose answer
// went out before it ended.
func (m *mailbox) quiet() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds == 0 && m.opened && m.head == len(m.queue)
}

// workers is the pool that runs mailboxes when no sender does. Its goroutines live long, so that
// their stacks have grown once and for all.
type workers struct {
	queue   chan *mailbox
	quit    chan struct{}
	stopped atomic.Bool
	wg      sync.WaitGroup
}

func newWorkers(n int) *workers {
	w := &workers{queue: make(chan *mailbox, workerQueue), quit: make(chan struct{})}
	for range n {
		w.wg.Go(func() {
			for {
				select {
				case m := <-w.queue:
					m.run(turnsInline)
				case <-w.quit:
					return
				}
			}
		})
	}
	return w
}

// schedule has a worker run m. It never waits, since workers call it too.
func (w *workers) schedule(m *mailbox) {
	select {
	case w.queue <- m:
		if w.stopped.Load() {
			w.drain()
		}
	default:
		go m.run(turnsInline)
	}
}

// drain runs what no worker takes any more. Answers that the log gives when it closes may still
// lead to turns after the workers have gone.
func (w *workers) drain() {
	for {
		select {
		case m := <-w.queue:
			go m.run(turnsInline)
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
