package peer

import (
	"context"
	"fmt"
	"os"

	"github.com/skua-stock/skua/bench"
)

// opener starts a system with its data under dir and the items of the workload, each with so much
// stock.
type opener func(ctx context.Context, dir string, w bench.Workload, stock int64) (*system, error)

// system is a peer that is up.
type system struct {
	store
	pool     *pool
	ledger   *ledger
	expirer  *expirer // where something is left to expire and can be
	pids     []int
	settings string
}

// store is where a system has its data.
type store interface {
	// count counts the books.
	count(ctx context.Context) (books, error)
	// stop ends the server, or what is there of it. Nothing may be in flight.
	stop() error
}

// expiring is a store that can look for what is due.
type expiring interface {
	// expire gives back some of what is due, and returns its units: none when that was all.
	expire(ctx context.Context) (units int64, err error)
}

// All are the peers, the fastest way of each system first.
func All() []bench.Peer {
	all := []bench.Peer{
		describe("PostgreSQL, batches of 500", openPostgres(batches(500)), 1024),
		describe("Redis, Lua script", openRedis, 1, 256, 1024),
		describe("JetStream KV", openJetStream(true), 1, 256),
		describe("PostgreSQL, one statement", openPostgres(oneStatement), 1, 256),
		describe("PostgreSQL, SELECT FOR UPDATE", openPostgres(forUpdate), 1, 256),
		describe("PostgreSQL, batches of 100", openPostgres(batches(100)), 256),
		describe("JetStream KV, not durable", openJetStream(false), 1, 256),
	}
	for i := range fastest {
		all[i].Best = true
	}
	all[len(all)-1].Lossy = true
	return all
}

// fastest is how many peers are the fastest way of their system.
const fastest = 3

func describe(name string, open opener, windows ...int) bench.Peer {
	return bench.Peer{
		Name: name, Windows: windows,
		Open: func(ctx context.Context, dir string, w bench.Workload) (*bench.Target, error) {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return nil, fmt.Errorf("make room for a peer: %w", err)
			}
			s, err := open(ctx, dir, w, bench.Stock)
			if err != nil {
				return nil, err
			}
			if store, ok := s.store.(expiring); ok && w.Lapsed > 0 {
				s.expirer = newExpirer(store, s.ledger)
			}
			return &bench.Target{
				Driver: s.pool, PIDs: s.pids, Dir: dir, Settings: s.settings,
				Seed:   func(context.Context, bench.Workload) error { return nil }, // It came up with them.
				Verify: s.verifyAll, Close: s.close,
			}, nil
		},
	}
}

// close ends everything.
func (s *system) close() error {
	s.pool.close()
	if s.expirer != nil {
		s.expirer.close()
	}
	return s.stop()
}

// verifyAll is verify with time enough.
func (s *system) verifyAll() error {
	ctx, cancel := context.WithTimeout(context.Background(), countWait)
	defer cancel()
	return s.verify(ctx)
}

func (s *system) verify(ctx context.Context) error {
	if s.expirer != nil {
		s.expirer.mu.Lock()
		defer s.expirer.mu.Unlock()
		if s.expirer.err != nil {
			return s.expirer.err
		}
	}
	b, err := s.count(ctx)
	if err != nil {
		return fmt.Errorf("count the books: %w", err)
	}
	return s.ledger.check(b)
}

// absent says that a program is missing.
func absent(program string) error {
	return fmt.Errorf("%s is %w; make bench-peers installs it", program, bench.ErrAbsent)
}
