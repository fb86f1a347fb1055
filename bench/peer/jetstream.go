package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/skua-stock/skua/bench"
)

// The buckets.
const (
	stockBucket       = "stock"
	reservationBucket = "reservations"
)

// jetStream is a server of our own.
type jetStream struct {
	server *process
	path   string
	dir    string
	conns  []*nats.Conn
	// stock is the units that each item began with.
	stock int64
}

// How it syncs: see openJetStream.
const (
	syncAlways = "sync_interval: always"
	notDurable = "NOT durable: what was acknowledged in the last two minutes, the default sync_interval,\n" +
		"is lost with the machine."
)

// openJetStream is JetStream's key-value store, synced before every acknowledgement, or every two
// minutes, which is the default and loses what was acknowledged meanwhile.
func openJetStream(durable bool) opener {
	return func(ctx context.Context, dir string, w bench.Workload, stock int64) (_ *system, err error) {
		j := &jetStream{dir: dir, stock: stock}
		defer func() {
			if err != nil {
				err = errors.Join(err, j.stop())
			}
		}()
		if j.path, err = findBeside("nats-server"); err != nil {
			return nil, err
		}
		// It is filled without a sync for each item, which would take minutes.
		if err := j.start(ctx, ""); err != nil {
			return nil, err
		}
		if err := j.fill(ctx, w); err != nil {
			return nil, fmt.Errorf("make the items: %w", err)
		}
		says := notDurable
		if durable {
			says = syncAlways + ". Durable: each message is fsynced before it is acknowledged."
			if err := errors.Join(j.stop(), j.start(ctx, syncAlways)); err != nil {
				return nil, err
			}
		}
		pool := jetStreamPool
		if w.SKUs == 1 {
			pool = jetStreamHot
		}
		workers := make([]worker, pool)
		for i := range workers {
			if workers[i], err = newRacer(ctx, j.conns[i%len(j.conns)]); err != nil {
				return nil, err
			}
		}
		l := &ledger{}
		return &system{
			store: j,
			pool:  newPool(workers, 1, l), ledger: l, pids: []int{j.server.pid()},
			settings: fmt.Sprintf("%s, over loopback TCP with nats.go; "+
				"%d connections, %d requests at a time (%d when all are for one key).\n%s\n%s",
				version(ctx, j.path), jetStreamConnections, jetStreamPool, jetStreamHot, says, racerSays),
		}, nil
	}
}

// findBeside finds a program beside this one, where `make bench-peers` puts it, or where programs
// are.
func findBeside(name string) (string, error) {
	if exe, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(exe), name)
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	return find(name)
}

// start starts the server on a free port and connects to it.
func (j *jetStream) start(ctx context.Context, sync string) error {
	ports := filepath.Join(j.dir, "ports")
	err := errors.Join(os.RemoveAll(ports), os.Mkdir(ports, 0o755))
	if err != nil {
		return fmt.Errorf("make room for NATS: %w", err)
	}
	conf := fmt.Sprintf("listen: \"127.0.0.1:-1\"\nports_file_dir: %q\njetstream { store_dir: %q, %s }\n",
		ports, j.dir, sync)
	path := filepath.Join(j.dir, "nats.conf")
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		return fmt.Errorf("set up NATS: %w", err)
	}
	run := program{path: j.path, args: []string{"-c", path}, dir: j.dir, quit: syscall.SIGTERM}
	var url string
	j.server, err = run.start(ctx, func(ctx context.Context) (err error) {
		if url, err = natsURL(ports); err != nil {
			return err
		}
		c, err := nats.Connect(url)
		if err != nil {
			return err
		}
		defer c.Close()
		js, err := jetstream.New(c)
		if err != nil {
			return err
		}
		_, err = js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for range jetStreamConnections {
		c, err := nats.Connect(url)
		if err != nil {
			return fmt.Errorf("connect to NATS: %w", err)
		}
		j.conns = append(j.conns, c)
	}
	return nil
}

var errNoPorts = errors.New("it has not said where it listens")

// natsURL reads where the server listens.
func natsURL(dir string) (string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.ports"))
	if err != nil || len(paths) == 0 {
		return "", errors.Join(err, errNoPorts)
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		return "", err
	}
	var said struct{ Nats []string }
	if err := json.Unmarshal(b, &said); err != nil {
		return "", err // It may be half written.
	}
	if len(said.Nats) == 0 {
		return "", errNoPorts
	}
	return said.Nats[0], nil
}

func (j *jetStream) stop() error {
	for _, c := range j.conns {
		c.Close()
	}
	j.conns = nil
	if j.server == nil {
		return nil
	}
	return j.server.stop()
}

// fill makes the buckets and the items.
func (j *jetStream) fill(ctx context.Context, w bench.Workload) error {
	js, err := jetstream.New(j.conns[0], jetstream.WithPublishAsyncMaxPending(seedPending))
	if err != nil {
		return err
	}
	for _, bucket := range []string{stockBucket, reservationBucket} {
		cfg := jetstream.KeyValueConfig{Bucket: bucket, History: 1, Storage: jetstream.FileStorage}
		if _, err := js.CreateKeyValue(ctx, cfg); err != nil {
			return err
		}
	}
	futures := make([]jetstream.PubAckFuture, w.SKUs)
	for i := range futures {
		futures[i], err = js.PublishAsync("$KV."+stockBucket+"."+bench.SKU(i), strconv.AppendInt(nil, j.stock, 10))
		if err != nil {
			return err
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// count reads all keys.
func (j *jetStream) count(ctx context.Context) (b books, err error) {
	err = j.each(ctx, stockBucket, func(value string) error {
		free, err := strconv.ParseInt(value, 10, 64)
		if free < 0 {
			b.oversold++
		}
		b.taken += j.stock - free
		return err
	})
	if err != nil {
		return b, err
	}
	err = j.each(ctx, reservationBucket, func(value string) error {
		said, err := readRacer(value)
		b.held += units(said.lines)
		return err
	})
	return b, err
}

// each calls a function with each value of a bucket.
func (j *jetStream) each(ctx context.Context, bucket string, do func(value string) error) error {
	js, err := jetstream.New(j.conns[0])
	if err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, bucket)
	if err != nil {
		return err
	}
	w, err := kv.WatchAll(ctx, jetstream.IgnoreDeletes())
	if err != nil {
		return err
	}
	for e := range w.Updates() {
		if e == nil { // That was all.
			return w.Stop()
		}
		if err := do(string(e.Value())); err != nil {
			return errors.Join(err, w.Stop())
		}
	}
	return fmt.Errorf("read bucket %s: it ended early", bucket)
}
