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
	// Peak is the most memory that the server had in the run, in bytes, with what runs before left it. Of a
	// server of several processes, which share memory, it is what they had together at the end. Zero is not
	// known.
	Peak int64 `json:"peak_bytes,omitempty"`
	// Lag is how many events were not published when the run ended.
	Lag int64 `json:"lag,omitempty"`
	// Published is which share of the events that the time that counts brought was published in it; the rest
	// is published later, and the CPU time that takes is not in the figures. It is one where there are none.
	Published float64 `json:"published"`
	// Snapshots is how many were completed in the time that counts.
	Snapshots int `json:"snapshots,omitempty"`
}

// CPU is all the CPU time that an operation took, in microseconds.
func (c *Cost) CPU() float64 { return c.ServerCPU + c.ClientCPU }

// reading is what the counters say at one moment.
type reading struct {
	server, client   time.Duration
	mallocs, written int64
	lag, published   int64
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
	peak := t.forgetPeak()
	var at [2]reading
	var failed error
	r, err := Run(ctx, t.Driver, p, func(begins bool) {
		if begins {
			saves.look()
			failed = errors.Join(failed, t.tell(&at[0]), t.spent(&at[0], disk))
			return
		}
		failed = errors.Join(failed, t.spent(&at[1], disk), t.tell(&at[1]))
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
	r.Published = 1
	if brought := at[1].published - at[0].published + at[1].lag - at[0].lag; brought > 0 {
		r.Published = min(1, float64(at[1].published-at[0].published)/float64(brought))
	}
	if peak {
		r.Peak, err = t.memory() // Now, for to look at it takes time in which a load goes on.
	}
	return r, err
}

// spent reads what is counted to the time that counts: it is all from one moment, or nearly.
func (t *Target) spent(r *reading, disk Disk) (err error) {
	if len(t.PIDs) > 0 {
		var all []process
		all, err = processes(t.PIDs)
		for _, p := range all {
			r.server += p.cpu
		}
	}
	r.written = disk.Written()
	var more error
	r.client, more = OwnCPU()
	return errors.Join(err, more)
}

// tell reads what the server tells of itself, which takes some of its time.
func (t *Target) tell(r *reading) (err error) {
	if len(t.PIDs) == 0 {
		r.mallocs = mallocs()
	}
	for _, one := range []struct {
		tell func() (int64, error)
		into *int64
	}{{t.Mallocs, &r.mallocs}, {t.Lag, &r.lag}, {t.Published, &r.published}} {
		if one.tell != nil {
			var more error
			*one.into, more = one.tell()
			err = errors.Join(err, more)
		}
	}
	return err
}
