package soak

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Sample is how things are at one moment. Sizes are in bytes, latencies in milliseconds, and over the
// time since the sample before.
type Sample struct {
	At         float64 `json:"at_seconds"`
	Life       int     `json:"life"`
	Age        float64 `json:"age_seconds"`
	RSS        int64   `json:"rss"`
	Heap       int64   `json:"heap"`
	Goroutines int64   `json:"goroutines"`
	Files      int64   `json:"files"`
	Sockets    int64   `json:"sockets"`
	Log        int64   `json:"log"`
	State      int64   `json:"state"`
	Streams    int64   `json:"streams"`
	P50        float64 `json:"p50_ms"`
	P99        float64 `json:"p99_ms"`
	Max        float64 `json:"max_ms"`
	Rate       float64 `json:"rate"`
	Lag        int64   `json:"outbox_lag"`
	Holds      int64   `json:"holds"`
	Keys       int64   `json:"keys"`
	Resident   int64   `json:"resident"`
	CPU        float64 `json:"cpu_seconds"`
}

// sample measures every few seconds, and writes a line each to samples.jsonl.
func (s *soak) sample() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		every, told := time.NewTicker(sampleEvery), time.Now()
		defer every.Stop()
		s.latency.take()
		last := time.Now()
		answered := s.counts.answered.Load()
		for {
			select {
			case <-s.sampling:
				return
			case <-every.C:
			}
			p := Sample{At: time.Since(s.began).Seconds()}
			p.P50, p.P99, p.Max, _ = s.latency.take()
			now, n := time.Now(), s.counts.answered.Load()
			p.Rate = float64(n-answered) / now.Sub(last).Seconds()
			last, answered = now, n
			if s.door.Load() == nil || !s.measure(&p) {
				continue // It is being killed.
			}
			if err := s.keep(&p); err != nil {
				s.trouble("sample", err)
			}
			if time.Since(told) >= reportEvery {
				told = time.Now()
				s.tell(&p)
				if err := s.write(); err != nil {
					s.trouble("write the result", err)
				}
			}
		}
	}()
	return done
}

func (s *soak) tell(p *Sample) {
	const mega = 1 << 20
	s.progress("life %d (%.0fs)  %.0f/s  p50 %.2f p99 %.1f max %.0f ms  rss %d heap %d MiB  %d goroutines %d files %d sockets  "+
		"log %d state %d streams %d MiB  lag %d  missed %d  defects %d",
		p.Life, p.Age, p.Rate, p.P50, p.P99, p.Max, p.RSS/mega, p.Heap/mega, p.Goroutines, p.Files, p.Sockets,
		p.Log/mega, p.State/mega, p.Streams/mega, p.Lag, s.counts.missed.Load(), s.result.defects(s))
}

// keep adds a sample to the result and to the file.
func (s *soak) keep(p *Sample) error {
	s.mu.Lock()
	p.Life = len(s.result.Kills)
	p.Age = time.Since(s.lifeFrom).Seconds()
	s.result.Samples = append(s.result.Samples, *p)
	s.mu.Unlock()
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(s.c.Dir, "samples.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Close())
}

// measure looks at the process, at what it says of itself, and at its directory. It reports false
// when the process is not there any more.
func (s *soak) measure(p *Sample) bool {
	pid := s.process.PID()
	if err := fromProc(pid, p); err != nil {
		return false
	}
	d := s.door.Load()
	if d == nil {
		return false
	}
	m, err := metrics(d)
	if err != nil {
		return false
	}
	p.Heap, p.Goroutines = int64(m["go_memstats_heap_alloc_bytes"]), int64(m["go_goroutines"])
	p.Lag, p.Holds = int64(m["skua_outbox_lag_events"]), int64(m["skua_deadlines_pending"])
	p.Keys, p.Resident, p.CPU = int64(m["skua_keys_remembered"]), int64(m["skua_items_resident"]), m["process_cpu_seconds_total"]
	p.Log = diskBytes(filepath.Join(s.dataDir(), "log"))
	p.State = diskBytes(filepath.Join(s.dataDir(), "state"))
	p.Streams = diskBytes(filepath.Join(s.dataDir(), "nats"))
	return true
}

// fromProc is what the kernel knows of a process.
func fromProc(pid int, p *Sample) error {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for l := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			if err != nil {
				return err
			}
			p.RSS = kib << 10
		}
	}
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		to, err := os.Readlink(filepath.Join(dir, e.Name()))
		switch {
		case err != nil: // It has been closed.
		case strings.HasPrefix(to, "socket:"):
			p.Sockets++
		default:
			p.Files++
		}
	}
	return nil
}

// metrics reads what the server says of itself, except for what has labels.
func metrics(d *Door) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), requestWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	m := make(map[string]float64)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if f, err := strconv.ParseFloat(value, 64); ok && err == nil {
			m[name] = f
		}
	}
	return m, lines.Err()
}

// diskBytes is what the files of a directory take of the disk. Files that go away meanwhile count
// for nothing.
func diskBytes(dir string) (n int64) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			n += diskBytes(filepath.Join(dir, e.Name()))
		} else if info, err := e.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				n += st.Blocks * 512 // The unit of the kernel, whatever the disk's is.
			}
		}
	}
	return n
}
