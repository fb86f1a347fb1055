package peer

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

//go:embed postgres.sql
var postgresSchema string

// postgresConf is what is set beside the defaults. The last two keep the rows of an update in the
// order in which they were asked for, which is the order of locks.
const postgresConf = `
listen_addresses = ''
max_connections = 100
shared_buffers = 2GB
wal_buffers = 64MB
min_wal_size = 1GB
max_wal_size = 16GB
checkpoint_timeout = 30min
fsync = on
synchronous_commit = on
full_page_writes = on
wal_sync_method = fdatasync
jit = off
enable_hashjoin = off
enable_mergejoin = off
`

// postgresWay is a way to reserve with PostgreSQL.
type postgresWay struct {
	// says are the statements, for the report.
	says string
	// batch is how many commands go together, one where they do not.
	batch int
	// worker makes one for a connection.
	worker func(c *pgx.Conn, lines int) worker
}

// postgres is a cluster of our own.
type postgres struct {
	server  *process
	sockets string
	conns   []*pgx.Conn
	// clerk fills it, gives back what is due, and counts the books.
	clerk *pgx.Conn
	// stock is the units that each item began with.
	stock int64
}

func openPostgres(way postgresWay) opener {
	return func(ctx context.Context, dir string, w bench.Workload, stock int64) (_ *system, err error) {
		p := &postgres{stock: stock}
		defer func() {
			if err != nil {
				err = errors.Join(err, p.stop())
			}
		}()
		binary, err := p.start(ctx, dir)
		if err != nil {
			return nil, err
		}
		count := connections(way, w)
		for range count + 1 {
			c, err := p.connect(ctx)
			if err != nil {
				return nil, fmt.Errorf("connect to PostgreSQL: %w", err)
			}
			p.conns = append(p.conns, c)
		}
		p.clerk = p.conns[count]
		if err := p.fill(ctx, w); err != nil {
			return nil, err
		}
		workers := make([]worker, count)
		for i := range workers {
			workers[i] = way.worker(p.conns[i], w.Lines)
			if err := warm(workers[i], w); err != nil {
				return nil, fmt.Errorf("warm PostgreSQL up: %w", err)
			}
		}
		l := &ledger{}
		return &system{
			store: p,
			pool:  newPool(workers, way.batch, l), ledger: l, pids: []int{p.server.pid()},
			settings: fmt.Sprintf("%s, a cluster of its own, over a Unix socket with pgx and prepared statements; "+
				"%s connections.\n"+
				"Durable: fsync before each commit is acknowledged.\n%s\n%s\n-- %s\n",
				version(ctx, binary), connectionsSay(way), postgresConf, postgresSchema, way.says),
		}, nil
	}
}

func connections(way postgresWay, w bench.Workload) int {
	switch {
	case way.batch > 1:
		return postgresBatchers
	case w.SKUs == 1:
		return postgresHot
	case w.Zipf > 0:
		return postgresSkewed
	}
	return postgresPool
}

func connectionsSay(way postgresWay) string {
	if way.batch > 1 {
		return fmt.Sprint(postgresBatchers)
	}
	return fmt.Sprintf("%d (%d when some rows are popular, %d when all go to one)",
		postgresPool, postgresSkewed, postgresHot)
}

// start makes a cluster and starts it.
func (p *postgres) start(ctx context.Context, dir string) (binary string, err error) {
	const versions = "/usr/lib/postgresql/*/bin/"
	initdb, err := find("initdb", versions+"initdb")
	if err != nil {
		return "", err
	}
	if binary, err = find("postgres", versions+"postgres"); err != nil {
		return "", err
	}
	as, err := unprivileged()
	if err != nil {
		return "", err
	}
	if p.sockets, err = os.MkdirTemp("", "skua-peer-"); err != nil { // The path of a socket has to be short.
		return "", err
	}
	data := filepath.Join(dir, "data")
	err = errors.Join(letThrough(filepath.Dir(dir)), letThrough(dir), own(data, as), own(p.sockets, as))
	if err != nil {
		return "", fmt.Errorf("make room for PostgreSQL: %w", err)
	}
	cmd := exec.CommandContext(ctx, initdb, "-D", data,
		"-U", "skua", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8")
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("make a cluster of PostgreSQL: %w: %s", err, out)
	}
	conf := postgresConf + "unix_socket_directories = '" + strings.ReplaceAll(p.sockets, "'", "''") + "'\n"
	if err := appendTo(filepath.Join(data, "postgresql.conf"), conf); err != nil {
		return "", fmt.Errorf("set up PostgreSQL: %w", err)
	}
	run := program{path: binary, args: []string{"-D", data}, dir: data, as: as, quit: syscall.SIGQUIT}
	p.server, err = run.start(ctx, func(ctx context.Context) error {
		c, err := p.connect(ctx)
		if err != nil {
			return err
		}
		return c.Close(ctx)
	})
	return binary, err
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func (p *postgres) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("host='%s' port=5432 user=skua dbname=postgres", p.sockets))
}

// stop ends what is there of it.
func (p *postgres) stop() error {
	var errs []error
	for _, c := range p.conns {
		errs = append(errs, c.Close(context.Background()))
	}
	if p.server != nil {
		errs = append(errs, p.server.stop())
	}
	if p.sockets != "" {
		errs = append(errs, os.RemoveAll(p.sockets))
	}
	return errors.Join(errs...)
}

// fill makes the tables and the items.
func (p *postgres) fill(ctx context.Context, w bench.Workload) error {
	if _, err := p.clerk.Exec(ctx, postgresSchema); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	rows := pgx.CopyFromSlice(w.SKUs, func(i int) ([]any, error) { return []any{bench.SKU(i), p.stock}, nil })
	if _, err := p.clerk.CopyFrom(ctx, pgx.Identifier{"stock"}, []string{"sku", "on_hand"}, rows); err != nil {
		return fmt.Errorf("make the items: %w", err)
	}
	if _, err := p.clerk.Exec(ctx, "VACUUM (FREEZE, ANALYZE) stock"); err != nil {
		return fmt.Errorf("make the items: %w", err)
	}
	for range postgresSegments {
		if _, err := p.clerk.Exec(ctx, "SELECT pg_logical_emit_message(false, '', ''); SELECT pg_switch_wal()"); err != nil {
			return fmt.Errorf("use segments of the log: %w", err)
		}
	}
	if _, err := p.clerk.Exec(ctx, "CHECKPOINT"); err != nil { // Now they may be used again.
		return fmt.Errorf("make the items durable: %w", err)
	}
	return nil
}

func (p *postgres) count(ctx context.Context) (b books, err error) {
	err = p.clerk.QueryRow(ctx, `SELECT coalesce(sum(reserved + $1 - on_hand), 0)::bigint,
		count(*) FILTER (WHERE reserved NOT BETWEEN 0 AND on_hand) FROM stock`, p.stock).
		Scan(&b.taken, &b.oversold)
	if err != nil {
		return b, err
	}
	err = p.clerk.QueryRow(ctx, `SELECT (
		(SELECT coalesce(sum(quantity), 0) FROM reservation WHERE state IN ('a', 'c', 'f')) +
		(SELECT coalesce(sum(l.quantity), 0) FROM customer_order, unnest(quantities) AS l (quantity) WHERE open))::bigint`).
		Scan(&b.held)
	return b, err
}

// expire implements expiring.
func (p *postgres) expire(ctx context.Context) (units int64, err error) {
	err = p.clerk.QueryRow(ctx, "SELECT expire($1)", expireAtOnce).Scan(&units)
	return units, err
}

// warm has a worker ask for what is never there.
func warm(do worker, w bench.Workload) error {
	reserve := &engine.Command{Op: engine.OpReserve, Key: "warm"}
	for i := range max(1, w.Lines) {
		reserve.Lines = append(reserve.Lines, engine.Line{SKU: fmt.Sprint("none", i), Quantity: 1})
	}
	asked := []*engine.Command{reserve}
	if w.Steps() {
		for _, op := range []engine.Op{engine.OpConfirm, engine.OpRelease, engine.OpFulfill} {
			asked = append(asked, &engine.Command{Op: op})
		}
	}
	for range postgresWarm {
		for _, cmd := range asked {
			calls := []call{{cmd: cmd}}
			do(calls)
			switch err := calls[0].err; {
			case err == nil:
				return fmt.Errorf("%s: it did what cannot be done", cmd.Op)
			case !refused(err):
				return err
			}
		}
	}
	if w.Reads == 0 {
		return nil
	}
	for range postgresWarm {
		calls := []call{{cmd: &engine.Command{Op: engine.OpGetItem, SKU: bench.SKU(0)}}}
		if do(calls); calls[0].err != nil {
			return calls[0].err
		}
	}
	return nil
}
