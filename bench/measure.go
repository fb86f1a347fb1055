package bench

import (
	"context"
	"errors"
	"time"
)

// Cost is what a run took besides time.
type Cost struct {
	// ServerCPU and ClientCPU are CPU microseconds an operation, user and system, of the processes
	// that serve and of the load generator. Shared says that they are one process, which cannot be
	// told apart: ServerCPU has both.
	ServerCPU float64 `json:"server_cpu_us"`
	ClientCPU float64 `json:"client_cpu_us"`
	Shared    bool    `json:"shared,omitempty"`
	// Allocs is allocations an operation of the server, zero where it is not known.
	Allocs float64 `json:"allocs,omitempty"`
	// Written is bytes an operation that reached the data's disk, from whatever process.
	Written float64 `json:"bytes_written,omitempty"`
	// Peak is the most memory that the server had since it started, in bytes. Of a server of several
	// processes, which share memory, it is what they had together at the end.
	Peak int64 `json:"peak_bytes,omitempty"`
	// Lag is how many changes were not published when the run ended.
	Lag int64 `json:"lag,omitempty"`
	// Snapshots is how many were completed in the time that counts.
	Snapshots int `json:"snapshots,omitempty"`
}

// CPU is all the CPU time that an operation took, in microseconds.
func (c *Cost) CPU() float64 { return c.ServerCPU + c.ClientCPU }

// reading is what the counters say at one moment.
type reading struct {
	server, client   time.Duration
	mallocs, written int64
	lag              int64
}

// Measure does a plan and says what it took.
func Measure(ctx context.Context, t *Target, p Plan) (*Result, error) {
	if t.Settle != nil {
		if err := t.Settle(ctx); err != nil {
			return nil, err
		}
	}
	apart := CoreToCore()
	disk := DiskOf(t.Dir)
	saves := saves{saved: t.Saved}
	p.Progress = saves.watch(p.Progress)
	var at [2]reading
	var failed error
	r, err := Run(ctx, t.Driver, p, func(begins bool) {
		i := 1
		if begins {
			i = 0
		}
		var err error
		at[i], err = t.read(disk)
		failed = errors.Join(failed, err)
		saves.look()
	})
	if t.Told != nil {
		t.Told.Add(r.Told)
	}
	failed = errors.Join(failed, saves.failed)
	if err := errors.Join(err, failed); err != nil {
		return r, err
	}
	per := func(before, after int64) float64 { return float64(after-before) / float64(max(1, r.Operations)) }
	r.ServerCPU = per(int64(at[0].server), int64(at[1].server)) / 1e3
	r.ClientCPU = per(int64(at[0].client), int64(at[1].client)) / 1e3
	if r.Shared = len(t.PIDs) == 0; r.Shared {
		r.ServerCPU, r.ClientCPU = r.ClientCPU, 0
	}
	r.Allocs, r.Written = per(at[0].mallocs, at[1].mallocs), per(at[0].written, at[1].written)
	r.Lag, r.Snapshots, r.CoreToCore = at[1].lag, saves.seen, apart
	r.Peak, err = t.memory() // Now, for to look at it takes time in which a load goes on.
	return r, err
}

func (t *Target) read(disk Disk) (r reading, err error) {
	r.client, err = OwnCPU()
	r.written = disk.Written()
	var more error
	switch {
	case len(t.PIDs) == 0:
		r.mallocs = mallocs()
	default:
		var all []process
		all, more = processes(t.PIDs)
		for _, p := range all {
			r.server += p.cpu
		}
	}
	err = errors.Join(err, more)
	if t.Mallocs != nil {
		r.mallocs, more = t.Mallocs()
		err = errors.Join(err, more)
	}
	if t.Lag != nil {
		r.lag, more = t.Lag()
		err = errors.Join(err, more)
	}
	return r, err
}
