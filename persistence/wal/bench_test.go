package wal

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestAppendDoesNotAllocate: one copy into a buffer that is there already, in the steady state.
func TestAppendDoesNotAllocate(t *testing.T) {
	l, err := Open("wal", Options{FS: vfs.NewMem(), SegmentBytes: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	w := countDown{new(sync.WaitGroup)}
	record := make([]byte, 88)
	burst := func() {
		for range 500 {
			w.wg.Add(2)
			index, err := l.Append(record, w)
			if err != nil {
				t.Fatal(err)
			}
			l.Await(index, w)
		}
		w.wg.Wait()
	}
	for range 50 {
		burst()
	}
	// A group may once need a larger buffer than before, and an idle pause a seal: far less than
	// one allocation for the 1,000 calls of a burst.
	if n := testing.AllocsPerRun(100, burst); n > 5 {
		t.Fatalf("%v allocations in 500 appends", n)
	}
}

type countDown struct{ wg *sync.WaitGroup }

func (w countDown) Durable(error) { w.wg.Done() }

// signal is a waiter that one goroutine uses again and again.
type signal chan error

func (s signal) Durable(err error) { s <- err }

// BenchmarkCommit has n goroutines that each wait for their record before they append the next.
func BenchmarkCommit(b *testing.B) {
	for _, n := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("waiters=%d", n), func(b *testing.B) {
			l := benchLog(b)
			record := make([]byte, 88)
			var wg sync.WaitGroup
			b.ResetTimer()
			for i := range n {
				wg.Go(func() {
					done := make(signal, 1)
					for range share(b.N, n, i) {
						if _, err := l.Append(record, done); err != nil {
							b.Error(err)
							return
						}
						if err := <-done; err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			report(b, l)
		})
	}
}

// BenchmarkPipelined appends without waiting, held back by PendingBytesMax alone. Segments are cut
// as soon as they are sealed, as in a log that has run for a while: their files are recycled.
func BenchmarkPipelined(b *testing.B) {
	l := benchLog(b)
	record := make([]byte, 88)
	var cutter sync.WaitGroup
	stop := make(chan struct{})
	cutter.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				if err := l.CutBefore(l.Durable()); err != nil {
					b.Error(err)
				}
			}
		}
	})
	defer cutter.Wait()
	defer close(stop)
	b.ResetTimer()
	for range b.N {
		for {
			_, err := l.Append(record, nil)
			if err == nil {
				break
			}
			runtime.Gosched()
		}
	}
	done := make(signal, 1)
	l.Await(l.Last(), done)
	<-done
	report(b, l)
}

// BenchmarkRecover replays a log of a million records.
func BenchmarkRecover(b *testing.B) {
	dir := b.TempDir()
	l, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	record := make([]byte, 88)
	const n = 1 << 20
	for range n {
		if _, err := l.Append(record, nil); err != nil {
			b.Fatal(err)
		}
	}
	l.Close()
	b.ResetTimer()
	for range b.N {
		if _, err := Open(dir, Options{ReadOnly: true}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "records/s")
}

// BenchmarkRead reads single records at random places.
func BenchmarkRead(b *testing.B) {
	l := benchLog(b)
	record := make([]byte, 88)
	const n = 200_000
	done := make(signal, 1)
	for i := range n {
		if _, err := l.Append(record, w0(i == n-1, done)); err != nil {
			b.Fatal(err)
		}
	}
	<-done
	b.ResetTimer()
	for i := range b.N {
		if _, err := l.Read(uint64(i*7919%n) + 1); err != nil {
			b.Fatal(err)
		}
	}
}

func benchLog(b *testing.B) *Log {
	b.Helper()
	groups.Store(0)
	l, err := Open(b.TempDir(), Options{
		PendingBytesMax: 32 << 20, OnGroup: func(Group) { groups.Add(1) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	time.Sleep(100 * time.Millisecond) // Let the first spare be made.
	return l
}

var groups atomic.Int64 // of the log that is measured

func share(total, n, i int) int { return (total + n - 1 - i) / n }

func report(b *testing.B, l *Log) {
	b.Helper()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(l.Last())/float64(groups.Load()), "records/group")
}
