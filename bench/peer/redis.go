package peer

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/rueidis"

	"github.com/skua-stock/skua/bench"
	"github.com/skua-stock/skua/engine"
)

var (
	//go:embed redis_reserve.lua
	redisReserve string
	//go:embed redis_expire.lua
	redisExpire string
	//go:embed redis_step.lua
	redisStep string
)

// redisSettings are the arguments of the server.
var redisSettings = []string{
	"--port", "0",
	"--appendonly", "yes",
	"--appendfsync", "always",
	"--save", "",
	"--auto-aof-rewrite-percentage", "0",
	"--daemonize", "no",
}

// redisServer is a server of our own.
type redisServer struct {
	server  *process
	sockets string
	client  rueidis.Client
	// reserve, step and free are the scripts, by the name that the server gives each.
	reserve, step, free string
	// skus is how many items there are, stock the units that each began with.
	skus  int
	stock int64
}

// The keys.
const (
	redisHolds       = "holds"
	redisStock       = "s:"
	redisReservation = "r:"
)

func openRedis(ctx context.Context, dir string, w bench.Workload, stock int64) (_ *system, err error) {
	r := &redisServer{skus: w.SKUs, stock: stock}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.stop())
		}
	}()
	path, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx, path, dir); err != nil {
		return nil, err
	}
	if err := r.fill(ctx); err != nil {
		return nil, fmt.Errorf("make the items: %w", err)
	}
	for script, name := range map[string]*string{redisReserve: &r.reserve, redisStep: &r.step, redisExpire: &r.free} {
		if *name, err = r.client.Do(ctx, r.client.B().ScriptLoad().Script(script).Build()).ToString(); err != nil {
			return nil, fmt.Errorf("load a script: %w", err)
		}
	}
	workers := make([]worker, redisSenders)
	for i := range workers {
		workers[i] = (&redisSender{redisServer: r}).do
	}
	l := &ledger{}
	return &system{
		store: r,
		pool:  newPool(workers, redisAtOnce, l), ledger: l, pids: []int{r.server.pid()},
		settings: fmt.Sprintf("%s, over a Unix socket with rueidis; %d connections, pipelined.\n"+
			"Durable: the log is fsynced before an answer. The id of a reservation is its key.\n%s\n\n%s\n%s\n%s\n"+
			"-- An item is read by a GET of its free units.",
			version(ctx, path), 1<<redisPipes, strings.Join(redisSettings, " "), redisReserve, redisStep, redisExpire),
	}, nil
}

func (r *redisServer) start(ctx context.Context, path, dir string) (err error) {
	if r.sockets, err = os.MkdirTemp("", "skua-peer-"); err != nil { // The path of a socket has to be short.
		return err
	}
	socket := filepath.Join(r.sockets, "redis")
	args := append([]string{"--dir", dir, "--unixsocket", socket}, redisSettings...)
	run := program{path: path, args: args, dir: dir, quit: syscall.SIGTERM}
	r.server, err = run.start(ctx, func(ctx context.Context) (err error) {
		r.client, err = rueidis.NewClient(rueidis.ClientOption{
			InitAddress: []string{socket},
			DialCtxFn: func(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
				return d.DialContext(ctx, "unix", path)
			},
			ForceSingleClient: true, AlwaysPipelining: true, DisableCache: true, DisableRetry: true,
			PipelineMultiplex: redisPipes,
		})
		return err
	})
	return err
}

func (r *redisServer) stop() error {
	var errs []error
	if r.client != nil {
		r.client.Close()
	}
	if r.server != nil {
		errs = append(errs, r.server.stop())
	}
	if r.sockets != "" {
		errs = append(errs, os.RemoveAll(r.sockets))
	}
	return errors.Join(errs...)
}

func (r *redisServer) fill(ctx context.Context) error {
	for from := 0; from < r.skus; from += seedAtOnce {
		set := r.client.B().Mset().KeyValue()
		for i := from; i < min(from+seedAtOnce, r.skus); i++ {
			set = set.KeyValue(redisStock+bench.SKU(i), strconv.FormatInt(r.stock, 10))
		}
		if err := r.client.Do(ctx, set.Build()).Error(); err != nil {
			return err
		}
	}
	return nil
}

// count counts what is missing of the stock and what the holds say.
func (r *redisServer) count(ctx context.Context) (b books, err error) {
	for from := 0; from < r.skus; from += seedAtOnce {
		get := r.client.B().Mget().Key()
		for i := from; i < min(from+seedAtOnce, r.skus); i++ {
			get = get.Key(redisStock + bench.SKU(i))
		}
		all, err := r.client.Do(ctx, get.Build()).AsStrSlice()
		if err != nil {
			return b, err
		}
		for _, text := range all {
			free, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return b, err
			}
			if free < 0 {
				b.oversold++
			}
			b.taken += r.stock - free
		}
	}
	live, err := r.countReservations(ctx, &b)
	if err != nil {
		return b, err
	}
	holds, err := r.client.Do(ctx, r.client.B().Zcard().Key(redisHolds).Build()).AsInt64()
	if err == nil && holds != live {
		err = fmt.Errorf("%d reservations are live, %d are in the order of their ends", live, holds)
	}
	return b, err
}

// countReservations counts what the reservations hold, and how many are neither confirmed nor over.
func (r *redisServer) countReservations(ctx context.Context, b *books) (live int64, err error) {
	seen := map[string]bool{} // A scan may come by a key twice.
	for cursor := uint64(0); ; {
		scan := r.client.B().Scan().Cursor(cursor).Match(redisReservation + "*").Count(seedAtOnce).Build()
		some, err := r.client.Do(ctx, scan).AsScanEntry()
		if err != nil {
			return live, err
		}
		keys := slices.DeleteFunc(some.Elements, func(key string) bool { return seen[key] })
		for _, key := range keys {
			seen[key] = true
		}
		if len(keys) > 0 {
			all, err := r.client.Do(ctx, r.client.B().Mget().Key(keys...).Build()).AsStrSlice()
			if err != nil {
				return live, err
			}
			for _, record := range all {
				n, err := redisUnits(record)
				if err != nil {
					return live, err
				}
				b.held += n
				if strings.HasSuffix(record, "\n") {
					live++
				}
			}
		}
		if cursor = some.Cursor; cursor == 0 {
			return live, nil
		}
	}
}

// redisUnits are the units of all lines of what a reservation says.
func redisUnits(record string) (sum int64, err error) {
	for record != "" {
		_, rest, _ := strings.Cut(record, "\n")
		quantity, rest, ok := strings.Cut(rest, "\n")
		if !ok { // What is left says that it was confirmed.
			return sum, nil
		}
		n, err := strconv.ParseInt(quantity, 10, 64)
		if err != nil {
			return 0, err
		}
		sum, record = sum+n, rest
	}
	return sum, nil
}

// expire implements expiring.
func (r *redisServer) expire(ctx context.Context) (units int64, err error) {
	now := strconv.FormatInt(time.Now().UnixMilli(), 10)
	expire := r.client.B().Evalsha().Sha1(r.free).Numkeys(1).Key(redisHolds).Arg(now, strconv.Itoa(expireAtOnce)).Build()
	return r.client.Do(ctx, expire).AsInt64()
}

// redisSender sends scripts, many at a time.
type redisSender struct {
	*redisServer
	order  []engine.Line
	keys   []string
	args   []string
	record []byte
	cmds   rueidis.Commands
}

func (s *redisSender) do(calls []call) {
	s.cmds = s.cmds[:0]
	now := time.Now().UnixMilli()
	for i := range calls {
		s.cmds = append(s.cmds, s.command(calls[i].cmd, now))
	}
	for i, answer := range s.client.DoMulti(always, s.cmds...) {
		c := &calls[i]
		n, err := answer.AsInt64()
		switch {
		case err != nil:
			c.err = fmt.Errorf("%s: %w", c.cmd.Op, err)
		case c.cmd.Op == engine.OpGetItem:
		case c.cmd.Op != engine.OpReserve:
			c.stepped(n)
		case n < 0:
			c.err = errSoldOut
		case n > 0:
			c.taken = units(c.cmd.Lines)
		}
		if c.cmd.Op == engine.OpReserve {
			c.cmd.Reservation.Home = c.cmd.Key
		}
	}
}

// stepped enters what a script said of a step.
func (c *call) stepped(given int64) {
	if given < 0 {
		c.err = errState
		return
	}
	c.taken = -given
}

func (s *redisSender) command(cmd *engine.Command, now int64) rueidis.Completed {
	switch cmd.Op {
	case engine.OpReserve:
		return s.script(cmd, now)
	case engine.OpGetItem:
		return s.client.B().Get().Key(redisStock + cmd.SKU).Build()
	}
	return s.client.B().Evalsha().Sha1(s.step).Numkeys(2).Key(redisReservation+cmd.Reservation.Home, redisHolds).
		Arg(cmd.Op.String(), strconv.FormatInt(now, 10)).Build()
}

func (s *redisSender) script(cmd *engine.Command, now int64) rueidis.Completed {
	s.order = merged(s.order[:0], cmd.Lines)
	s.keys = append(s.keys[:0], redisReservation+cmd.Key, redisHolds)
	s.args = append(s.args[:0], strconv.FormatInt(now+cmd.TTL, 10))
	s.record = s.record[:0]
	for i := range s.order {
		l := &s.order[i]
		key := redisStock + l.SKU
		s.keys, s.args = append(s.keys, key), append(s.args, strconv.FormatInt(l.Quantity, 10))
		s.record = append(strconv.AppendInt(append(append(s.record, key...), '\n'), l.Quantity, 10), '\n')
	}
	s.args = append(s.args, string(s.record))
	return s.client.B().Evalsha().Sha1(s.reserve).Numkeys(int64(len(s.keys))).Key(s.keys...).Arg(s.args...).Build()
}
