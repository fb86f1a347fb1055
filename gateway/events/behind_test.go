package events

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
)

// TestWriteBehind: what is written arrives, whole and in order, though who writes does not wait for
// the reader; what was written before the end arrives too.
func TestWriteBehind(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	near, far := net.Pipe()
	b := writeBehind(near)
	var want []byte
	for len(want) < behindMax/2 { // Nobody reads.
		p := make([]byte, random.IntN(3000))
		for i := range p {
			p[i] = byte(random.IntN(256))
		}
		if n, err := b.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
		want = append(want, p...)
		clear(p) // It is the caller's again.
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Write([]byte("late")); err == nil {
		t.Error("written after the end")
	}
	got, err := io.ReadAll(far)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived of %d, or others (seed %d): %v", len(got), len(want), seed, err)
	}
}

// TestWriteBehindIsBounded: who writes very much waits for the reader, and an end is heard by all.
func TestWriteBehindIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		b := writeBehind(near)
		taken := 0
		ended := make(chan error)
		go func() {
			for {
				n, err := b.Write(make([]byte, 64<<10))
				if taken += n; err != nil {
					ended <- err
					return
				}
			}
		}()
		synctest.Wait() // Until nothing goes on.
		if taken < behindMax || taken > 3*behindMax {
			t.Errorf("%d bytes wait to be written", taken)
		}
		if _, err := io.ReadFull(far, make([]byte, 4*behindMax)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if taken < 5*behindMax {
			t.Errorf("%d bytes were taken: it did not go on", taken)
		}
		if err := far.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err == nil {
			t.Error("a write to nobody succeeds")
		}
	})
}

// TestWriteBehindGivesUp: an end does not wait for a reader who does not come.
func TestWriteBehindGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		b := writeBehind(near)
		if _, err := b.Write([]byte("to nobody")); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := b.Read(make([]byte, 1)); err == nil { // It ends in a while.
			t.Error("read", n)
		}
		if n, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Error("read", n, err)
		}
	})
}
