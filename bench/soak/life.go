package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Run lives. When ctx ends earlier, what was found until then is compared and returned. An error
// is of the soak itself; what is wrong with the server is in the result.
func Run(ctx context.Context, c Config) (r *Result, err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(c.Dir, "serve.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	s := &soak{
		c: c, began: time.Now(), log: log, books: newBooks(), jobs: make(chan time.Time, queued), stopped: make(chan struct{}),
		rng: rand.New(rand.NewPCG(c.Seed, 0)), latency: newLatencies(), sampling: make(chan struct{}),
		result: &Result{Seed: c.Seed, Started: time.Now().UTC(), Rate: c.Rate},
	}
	down := make(chan struct{})
	s.up.Store(&down)
	s.told = newTold()
	s.readers = newReaders(s)
	args, err := s.arguments()
	if err != nil {
		return nil, err
	}
	err = s.live(ctx, args)
	s.result.conclude(s)
	return s.result, errors.Join(err, s.write())
}

// arguments are those of the server. Its ports stay the same, and what it keeps has bounds that are
// reached soon, so that what grows beyond shows.
func (s *soak) arguments() ([]string, error) {
	args := []string{"serve", "--data", s.dataDir(), "--log", "json", "--key-window", keyWindow.String()}
	for _, flag := range []string{"--http", "--nats-listen"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		args = append(args, flag, l.Addr().String())
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	s.result.Settings = []string{
		"--history-age", "10m", "--history-bytes", strconv.Itoa(128 << 20), "--log-keep", strconv.Itoa(64 << 20),
		"--events-bytes", strconv.Itoa(512 << 20), "--events-age", "10m", "--idle-after", "2m",
	}
	return append(args, s.result.Settings...), nil
}

func (s *soak) dataDir() string { return filepath.Join(s.c.Dir, "data") }

// live is the whole life: fill, calibrate, load and kill, compare.
func (s *soak) live(ctx context.Context, args []string) error {
	calibration := append(append([]string(nil), args...), "--key-bytes", strconv.Itoa(1<<30))
	if err := s.start(calibration); err != nil {
		return err
	}
	defer func() { s.halt() }()
	following, unfollow := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	for _, r := range s.readers {
		readers.Go(func() { r.run(following) })
	}
	defer func() { unfollow(); readers.Wait() }()
	if err := s.fill(ctx); err != nil {
		return err
	}
	workersDone := s.work()
	if err := s.calibrate(ctx); err != nil {
		return err
	}
	args = append(args, "--key-bytes", strconv.Itoa(s.keyBytes()))
	if err := s.die(syscall.SIGTERM, args, true); err != nil {
		return err
	}
	s.progress("%d operations a second, seed %d, in %s", s.c.Rate, s.c.Seed, s.c.Dir)
	sampled := s.sample()
	paced, audited := s.pace(ctx), s.audit()
	err := s.kills(ctx, args)
	close(s.stopped)
	<-paced
	<-audited
	close(s.jobs)
	if err == nil { // Else the server is gone, and the workers wait for it in vain.
		<-workersDone
		s.result.Partial = ctx.Err() != nil
		err = s.compare()
	}
	close(s.sampling)
	<-sampled
	if err != nil {
		return err
	}
	began := time.Now()
	if err := s.end(syscall.SIGTERM); err != nil {
		s.defect("%v", err)
	}
	s.progress("stopped in %v", time.Since(began).Round(time.Millisecond))
	s.check()
	return nil
}

// keyBytes is memory for all keys of the window and as many again, at 86 bytes each: then the table
// is as large as it gets within a few windows.
func (s *soak) keyBytes() int { return max(16<<20, int(1.5*86*float64(s.c.Rate)*keyWindow.Seconds())) }

func (s *soak) start(args []string) error {
	p, err := Start(s.c.Exe, args, s.log)
	if err != nil {
		return err
	}
	s.process = p
	d, err := Open(p)
	if err != nil {
		return errors.Join(err, p.End(syscall.SIGKILL))
	}
	s.lifeFrom = time.Now()
	s.dying.Store(false)
	s.door.Store(d)
	close(*s.up.Load())
	return nil
}

// end ends one life of the server.
func (s *soak) end(sig os.Signal) error {
	down := make(chan struct{})
	s.dying.Store(true)
	s.up.Store(&down)
	d := s.door.Swap(nil)
	err := s.process.End(sig)
	d.Close()
	return err
}

// halt ends what is left when something failed.
func (s *soak) halt() {
	if s.door.Load() != nil {
		_ = s.end(syscall.SIGKILL)
	}
}

// die ends one life, looks at what it left, and begins the next.
func (s *soak) die(sig syscall.Signal, args []string, check bool) error {
	k := Kill{At: time.Since(s.began).Seconds(), Signal: "SIGKILL", Age: time.Since(s.lifeFrom).Seconds(), Checked: check}
	if sig == syscall.SIGTERM {
		k.Signal = "SIGTERM"
	}
	again := s.told.pick()
	began := time.Now()
	if err := s.end(sig); err != nil {
		s.defect("%v", err)
	}
	k.Stop = time.Since(began).Seconds()
	if check {
		s.check()
	}
	if err := s.start(args); err != nil {
		s.defect("after %s the server does not start: %v", k.Signal, err)
		return err
	}
	k.Ready = s.process.Ready.Seconds()
	k.Asked = s.askAgain(again)
	s.mu.Lock()
	s.result.Kills = append(s.result.Kills, k)
	s.mu.Unlock()
	s.progress("%s after %.0fs, ready in %.2fs, %d asked again", k.Signal, k.Age, k.Ready, k.Asked)
	return nil
}

// kills lets the server live and die until the time is over.
func (s *soak) kills(ctx context.Context, args []string) error {
	until := s.began.Add(s.c.For)
	longFrom := s.began.Add(s.c.For * 2 / 5)
	long := false
	for n := 1; ; n++ {
		life := s.c.KillMin + time.Duration(s.rng.Int64N(int64(s.c.KillMax-s.c.KillMin)+1))
		if !long && time.Now().After(longFrom) {
			life, long = max(life, s.c.For/3), true
		}
		sig := syscall.SIGKILL
		if s.rng.IntN(termShare) == 0 {
			sig = syscall.SIGTERM
		}
		death := time.Now().Add(life)
		for time.Now().Before(death) {
			if time.Now().After(until) {
				return nil
			}
			if ended, err := s.process.Ended(); ended {
				s.defect("the server ended by itself: %v; see its log", err)
				return fmt.Errorf("the server ended by itself: %w", errors.Join(errEnded, err))
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return nil // What was until then is judged.
			}
		}
		if err := s.die(sig, args, n%checkEvery == 0); err != nil {
			return err
		}
	}
}

// check has the program look at the data directory, which nobody uses at the moment.
func (s *soak) check() {
	s.result.Checks++
	out, err := exec.Command(s.c.Exe, "check", s.dataDir()).CombinedOutput()
	if err != nil {
		s.defect("check: %v: %s", err, out)
	}
}

func (s *soak) progress(format string, args ...any) {
	fmt.Fprintf(s.c.Out, "%8s  %s\n", time.Since(s.began).Round(time.Second), fmt.Sprintf(format, args...))
}
