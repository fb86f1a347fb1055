package actors

import (
	"sync"

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
	held    bool
}

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.mu.Lock()
	if m.running || !m.opened || m.held {
		m.queue = append(m.queue, message)
		m.mu.Unlock()
		return
	}
	m.running = true
	m.mu.Unlock()
	m.invoker.InvokeUserMessage(message)
	m.run(turnsInline)
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
		if m.held || !m.opened || m.head == len(m.queue) {
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
	m.held = true
	m.mu.Unlock()
}

// resume ends a hold.
func (m *mailbox) resume() { m.wake(&m.held, false) }

// open lets messages through, once the SKU is loaded.
func (m *mailbox) open() { m.wake(&m.opened, true) }

func (m *mailbox) wake(flag *bool, value bool) {
	m.mu.Lock()
	*flag = value
	idle := !m.running && m.head < len(m.queue)
	if idle {
		m.running = true
	}
	m.mu.Unlock()
	if idle {
		m.workers.schedule(m)
	}
}

// quiet reports whether nothing runs or waits.
func (m *mailbox) quiet() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.running && !m.held && m.opened && m.head == len(m.queue)
}

// workers is the pool that runs mailboxes when no sender does. Its goroutines live long, so that
// their stacks have grown once and for all.
type workers struct {
	queue chan *mailbox
	wg    sync.WaitGroup
}

func newWorkers(n int) *workers {
	w := &workers{queue: make(chan *mailbox, workerQueue)}
	for range n {
		w.wg.Go(func() {
			for m := range w.queue {
				m.run(turnsInline)
			}
		})
	}
	return w
}

// schedule has a worker run m. It never waits, since workers call it too.
func (w *workers) schedule(m *mailbox) {
	select {
	case w.queue <- m:
	default:
		go m.run(turnsInline)
	}
}

func (w *workers) stop() {
	close(w.queue)
	w.wg.Wait()
}
