package actors

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/skua-stock/skua/engine"
)

// Config says what the actors run on.
type Config struct {
	Log       Log
	Memory    Memory
	Snapshots Snapshots
	// LastTime is the time of the last record in the log: time goes on from there.
	LastTime engine.Time
	// Partitions is how many there are; it is fixed when the data directory is made.
	Partitions int
	// IDKey signs reservation ids; it is made with the data directory.
	IDKey [16]byte
	// Now is the wall clock, with its monotonic reading; time.Now by default.
	Now func() time.Time
	// Nonce draws the number of a reservation, never zero. By default it cannot be guessed.
	Nonce func() uint64
	// Pace takes a place in time for the next round of a goroutine's work, and returns what waits for
	// it; by default nothing waits. A simulation gives each goroutine moments of its own, so that
	// what happens does not depend on how they are scheduled.
	Pace    func(who string) (wait func())
	Limits  Limits
	Logger  *slog.Logger
	Metrics prometheus.Registerer
}

// System is all SKUs of a node.
type System struct {
	wal       Log
	memory    Memory
	snapshots Snapshots
	clock     *clock
	nonce     func() uint64
	pace      func(who string) (wait func())
	ids       *ids
	limits    Limits
	logger    *slog.Logger
	metrics   *metrics

	actors   *actor.ActorSystem
	props    *actor.Props
	workers  *workers
	spawning sync.Mutex
	next     *cell
	alive    atomic.Int64 // actors

	admission  admission
	directory  directory
	partitions []partition
	coarse     atomic.Uint32
	wheel      *wheel
	readers    chan struct{}
	reading    sync.WaitGroup

	closing atomic.Bool
	saving  chan struct{} // has one place, for whoever saves
	savers  atomic.Int32  // who save or want to
	stop    chan struct{}
	stopMu  sync.RWMutex // Close does not come between a look at stop and what is counted in for it.
	loops   sync.WaitGroup
}

// New starts the actors. What fell due while nobody ran expires at once.
func New(cfg Config) (*System, error) {
	if cfg.Partitions < 1 {
		return nil, fmt.Errorf("start actors: %d partitions", cfg.Partitions)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Nonce == nil {
		cfg.Nonce = nonce
	}
	if cfg.Pace == nil {
		cfg.Pace = func(string) func() { return func() {} }
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	ids, err := newIDs(cfg.IDKey)
	if err != nil {
		return nil, fmt.Errorf("start actors: %w", err)
	}
	s := &System{
		wal: cfg.Log, memory: cfg.Memory, snapshots: cfg.Snapshots,
		clock: newClock(cfg.Now, cfg.LastTime), nonce: cfg.Nonce, pace: cfg.Pace, ids: ids, limits: cfg.Limits.withDefaults(),
		logger: cfg.Logger, partitions: make([]partition, cfg.Partitions),
		readers: make(chan struct{}, readersMax), stop: make(chan struct{}),
		saving: make(chan struct{}, 1),
	}
	for i := range s.partitions {
		s.partitions[i].sys = s
	}
	s.actors = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return cfg.Logger }))
	s.props = s.newProps()
	s.workers = newWorkers(s.limits.Workers, cfg.Pace)
	s.admission.sys, s.admission.limit = s, int64(s.limits.InFlight)
	s.metrics = newMetrics(cfg.Metrics, s)
	s.wheel = newWheel(s)
	s.loops.Go(s.wheel.run)
	s.loops.Go(s.loadDeadlines)
	s.loops.Go(s.sweep)
	return s, nil
}

// Submit hands a valid command to its SKUs. answer is called exactly once, on any goroutine,
// perhaps before Submit returns, and must not block. The command is the system's until then; the
// answer is lent for the call, its lines too: who wants it longer copies it.
func (s *System) Submit(cmd *engine.Command, answer func(*engine.Answer)) {
	if s.closing.Load() && cmd.Op.Mutates() {
		answer(&engine.Answer{Op: cmd.Op, Err: engine.ErrUnavailable})
		return
	}
	e := s.errand(cmd)
	e.answer = answer
	if err := s.send(e); err != nil {
		answer(&engine.Answer{Op: cmd.Op, Err: err})
	}
}

// errand says where a command goes first, and computes what its turn would keep others waiting for.
func (s *System) errand(cmd *engine.Command) errand {
	sku := cmd.SKU
	switch {
	case cmd.Op == engine.OpReserve || cmd.Op == engine.OpCommit:
		cmd.Reservation = engine.ReservationRef{Nonce: s.nonce()}
		sku = s.firstOf(cmd.Lines)
	case cmd.Op.Step() || cmd.Op == engine.OpGetReservation:
		sku = cmd.Reservation.Home
	}
	e := s.to(sku, cmd)
	if cmd.Op.Mutates() {
		cmd.Fingerprint()
		e.trace = s.memory.Trace(sku, cmd.KeyHash())
	}
	return e
}

// send hands over one errand.
func (s *System) send(e errand) error {
	var one [1]*call
	errands := [...]errand{e}
	calls, err := s.admission.admit(one[:0], errands[:])
	if err == nil {
		calls[0].begin(&e)
		s.dispatch(calls[0])
	}
	return err
}

// dispatch sends a call to its SKUs.
func (s *System) dispatch(k *call) {
	if spread(k.cmd) && k.head == nil && k.peek == nil && !k.cmd.Op.Step() {
		if k.now == 0 {
			s.warm([]*call{k}) // It came alone, but its SKUs can be read side by side.
		}
		v := s.newVisit(k)
		for i := range k.cmd.Lines {
			v.add(k.cmd.Lines[i].SKU)
		}
		v.start()
		return
	}
	c, err := s.acquire(k.sku, k.hash, false)
	if err != nil {
		k.refuse(err)
		return
	}
	k.cell = c
	c.post(k)
}

// nonce draws the number of a reservation. 64 bits from a generator seeded by the system cannot be
// guessed, and do not meet by chance.
func nonce() uint64 {
	for {
		if n := rand.Uint64(); n != 0 {
			return n
		}
	}
}

// spread reports whether a reservation's lines are on several SKUs.
func spread(cmd *engine.Command) bool {
	for i := range cmd.Lines {
		if cmd.Lines[i].SKU != cmd.Lines[0].SKU {
			return true
		}
	}
	return false
}

func skusOf(skus []string, cmd *engine.Command) []string {
	switch {
	case cmd.Op.Step():
		return append(skus, cmd.Reservation.Home)
	case len(cmd.Lines) == 0:
		return append(skus, cmd.SKU)
	}
	for i := range cmd.Lines {
		skus = append(skus, cmd.Lines[i].SKU)
	}
	return skus
}

// SubmitAll does all commands in one turn, or none; see Submit for the rest. When one is refused,
// its answer has the refusal and those of the others have engine.LinkedLineFailed.
func (s *System) SubmitAll(cmds []*engine.Command, answer func([]engine.Answer)) {
	if r, ok := s.refuseBatch(cmds); ok {
		answer(r)
		return
	}
	var skus []string
	steps := 0
	for _, cmd := range cmds {
		if cmd.Op == engine.OpReserve || cmd.Op == engine.OpCommit {
			cmd.Reservation = engine.ReservationRef{Nonce: s.nonce()}
		}
		if cmd.Op.Step() {
			steps++
		}
		skus = skusOf(skus, cmd)
	}
	if answer = s.admitAll(skus, cmds, answer); answer == nil {
		return
	}
	start := func() {
		v := s.newVisit(nil, cmds...)
		for _, sku := range skus {
			v.add(sku)
		}
		v.answer = func(answers []engine.Answer) { s.explainEnds(cmds, answers, answer) }
		v.start()
	}
	if steps == 0 {
		start()
		return
	}
	var mu sync.Mutex
	gather := func(others []string) {
		mu.Lock()
		skus = append(skus, others...)
		steps--
		last := steps == 0
		mu.Unlock()
		if last {
			start()
		}
	}
	for _, cmd := range cmds {
		if cmd.Op.Step() {
			s.peek(cmd, gather)
		}
	}
}

// admitAll counts a batch in, by its SKUs, until it is answered; it answers one that is too many,
// and returns nil then.
func (s *System) admitAll(skus []string, cmds []*engine.Command, answer func([]engine.Answer)) func([]engine.Answer) {
	weight := int64(len(skus))
	err := s.admission.admitWeight(weight)
	if err == nil {
		return func(a []engine.Answer) {
			s.admission.leave(weight)
			answer(a)
		}
	}
	answers := make([]engine.Answer, len(cmds))
	for i := range answers {
		answers[i] = engine.Answer{Op: cmds[i].Op, Err: err}
	}
	answer(answers)
	return nil
}

// refuseBatch turns down what cannot be a batch: while closing, or with one key twice.
func (s *System) refuseBatch(cmds []*engine.Command) ([]engine.Answer, bool) {
	answers := make([]engine.Answer, len(cmds))
	if s.closing.Load() {
		for i := range answers {
			answers[i] = engine.Answer{Op: cmds[i].Op, Err: engine.ErrUnavailable}
		}
		return answers, true
	}
	seen := make(map[[16]byte]bool, len(cmds))
	for i, cmd := range cmds {
		if !seen[cmd.KeyHash()] {
			seen[cmd.KeyHash()] = true
			continue
		}
		for j := range answers {
			answers[j] = linkedLineFailed(cmds[j].Op)
		}
		answers[i] = engine.Answer{Op: cmd.Op, Refusal: engine.Refusal{
			Code: engine.InvalidRequest, Field: "Idempotency-Key", Detail: "the key is used twice in the batch",
		}}
		return answers, true
	}
	return nil, false
}

// peek asks a reservation's home for its other SKUs. A home that cannot be asked has none: the
// visit will find out why.
func (s *System) peek(cmd *engine.Command, others func([]string)) {
	home := cmd.Reservation.Home
	e := s.to(home, cmd)
	e.peek, e.answer = others, func(*engine.Answer) { others(nil) }
	if err := s.send(e); err != nil {
		others(nil)
	}
}

// explainEnds replaces "no such reservation" by how it ended, which its home knows.
func (s *System) explainEnds(cmds []*engine.Command, answers []engine.Answer, answer func([]engine.Answer)) {
	for i := range answers {
		if answers[i].Refusal.Code == engine.ReservationNotFound {
			s.Submit(cmds[i], func(a *engine.Answer) {
				answers[i] = a.Clone()
				answer(answers)
			})
			return
		}
	}
	answer(answers)
}

// Reservation reads an id; ok is false for one that was never given out.
func (s *System) Reservation(id string) (ref engine.ReservationRef, ok bool) { return s.ids.Ref(id) }

// AppendReservationID writes an id.
func (s *System) AppendReservationID(b []byte, ref engine.ReservationRef) []byte {
	return s.ids.Append(b, ref)
}

// Now is the time of turns.
func (s *System) Now() engine.Time { return s.clock.time() }

// Drain refuses new changes and waits for those in flight.
func (s *System) Drain(ctx context.Context) error {
	s.closing.Store(true)
	wait := time.NewTicker(5 * time.Millisecond)
	defer wait.Stop()
	for s.inFlight() > 0 {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d commands in flight: %w", s.inFlight(), ctx.Err())
		case <-wait.C:
		}
	}
	return nil
}

// Close stops the actors. Call Drain and Save before, for a quick start afterwards; the log has
// everything in any case.
func (s *System) Close() {
	s.closing.Store(true)
	s.stopMu.Lock()
	close(s.stop)
	s.stopMu.Unlock()
	s.loops.Wait()
	s.reading.Wait()
	s.workers.stop()
}

// stopped reports whether the system was closed.
func (s *System) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// inFlight is how many commands are on their way, and how much else is done for SKUs besides.
func (s *System) inFlight() (n int64) {
	for i := range s.partitions {
		p := &s.partitions[i]
		left := p.left.Load() // First, so that it cannot be more.
		n += p.entered.Load() - left
	}
	return max(n, s.admission.inFlight())
}

func (s *System) log(doing string, args ...any) { s.logger.Error(doing, args...) }

// Head tells an item's last record, once it is durable; last is 0 for a SKU that is no item.
func (s *System) Head(sku string, tell func(last uint64, err error)) {
	cmd := &engine.Command{Op: engine.OpGetItem, SKU: sku}
	e := s.to(sku, cmd)
	e.head, e.answer = tell, func(a *engine.Answer) { tell(0, a.Err) }
	if err := s.send(e); err != nil {
		tell(0, err)
	}
}

// Crowded reports whether so many commands wait that a little longer makes no difference.
func (s *System) Crowded() bool { return s.admission.inFlight() > crowdedFrom }

// Resident is how many SKUs are in memory.
func (s *System) Resident() int { return int(s.directory.size.Load()) }
