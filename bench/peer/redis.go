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
	//go:embed redis_count.lua
	redisCount string
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
	sha     string
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
	if r.sha, err = r.client.Do(ctx, r.client.B().ScriptLoad().Script(redisReserve).Build()).ToString(); err != nil {
		return nil, fmt.Errorf("load the script: %w", err)
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
			"Durable: the log is fsynced before an answer. The id of a reservation is its key.\n%s\n\n%s\n%s",
			version(ctx, path), 1<<redisPipes, strings.Join(redisSettings, " "), redisReserve, redisExpire),
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
	holds, err := r.client.Do(ctx, r.client.B().Zcard().Key(redisHolds).Build()).AsInt64()
	for from := int64(0); err == nil && from < holds; from += seedAtOnce {
		var held int64
		first, last := strconv.FormatInt(from, 10), strconv.FormatInt(from+seedAtOnce-1, 10)
		count := r.client.B().Eval().Script(redisCount).Numkeys(1).Key(redisHolds).Arg(first, last).Build()
		held, err = r.client.Do(ctx, count).AsInt64()
		b.held += held
	}
	return b, err
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
		s.cmds = append(s.cmds, s.script(calls[i].cmd, now))
	}
	for i, answer := range s.client.DoMulti(always, s.cmds...) {
		c := &calls[i]
		switch n, err := answer.AsInt64(); {
		case err != nil:
			c.err = fmt.Errorf("run the script: %w", err)
		case n < 0:
			c.err = errSoldOut
		case n > 0:
			c.taken = units(c.cmd.Lines)
		}
	}
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
	return s.client.B().Evalsha().Sha1(s.sha).Numkeys(int64(len(s.keys))).Key(s.keys...).Arg(s.args...).Build()
}
