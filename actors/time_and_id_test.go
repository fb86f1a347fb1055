package actors_test

import (
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skua-stock/skua/actors"
	"github.com/skua-stock/skua/engine"
)

// Time never goes back, whatever the wall clock does, nor behind what the log has seen.
func TestTimeNeverGoesBack(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	wall := time.UnixMilli(1_800_000_000_000)
	const logged = 1_800_000_005_000
	g := newGround(t, true)
	b := start(t, g, func(c *actors.Config) {
		c.LastTime = logged
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return wall }
	})
	last := b.Now()
	if last != logged {
		t.Errorf("time starts at %d, the log was at %d", last, logged)
	}
	for range 10_000 {
		mu.Lock()
		wall = wall.Add(time.Duration(rng.IntN(2001)-1000) * time.Millisecond)
		at := engine.Time(wall.UnixMilli())
		mu.Unlock()
		now := b.Now()
		if now < last || now < at {
			t.Fatalf("%d after %d, while the wall clock says %d", now, last, at)
		}
		if now > last && now != at {
			t.Fatalf("time went on to %d, the wall clock says %d", now, at)
		}
		last = now
	}
	b.close()
}

// Monotonic readings carry time on while the wall clock is set back.
func TestTimeGoesOnWhileTheWallClockIsBehind(t *testing.T) {
	g := newGround(t, true)
	b := start(t, g) // The real clock.
	before := b.Now()
	time.Sleep(5 * time.Millisecond)
	if after := b.Now(); after < before+5 {
		t.Errorf("%d, 5 ms after %d", after, before)
	}
	b.close()
}

func TestReservationIDs(t *testing.T) {
	seed := drawSeed(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	b := start(t, newGround(t, true))
	other := start(t, newGround(t, true), func(c *actors.Config) { c.IDKey = [16]byte{9} })
	for _, home := range []string{"A", "S-1", "with a space", "ünïcödé", strings.Repeat("x", engine.NameBytesMax)} {
		ref := engine.ReservationRef{Home: home, Nonce: rng.Uint64() | 1}
		id := string(b.AppendReservationID(nil, ref))
		if got, ok := b.Reservation(id); !ok || got != ref {
			t.Errorf("%+v came back as %+v, %v", ref, got, ok)
		}
		if _, ok := other.Reservation(id); ok {
			t.Error("an id of another data directory is taken")
		}
		for i := range id {
			for _, c := range []byte{'A', '-', '=', '\n', '!', id[i] ^ 1, id[i] ^ 32} {
				if c == id[i] {
					continue
				}
				for _, bad := range []string{id[:i] + string(c) + id[i+1:], id[:i] + string(c) + id[i:]} {
					if _, ok := b.Reservation(bad); ok {
						t.Errorf("%q is taken for %q", bad, id)
					}
				}
			}
			if _, ok := b.Reservation(id[:i]); ok {
				t.Errorf("%q is taken for %q", id[:i], id)
			}
		}
		for _, bad := range []string{id + "A", id + "\n", "\r\n" + id, id + strings.Repeat("A", 500)} {
			if _, ok := b.Reservation(bad); ok {
				t.Errorf("%q is taken for %q", bad, id)
			}
		}
	}
	if b.Resident() != 0 {
		t.Error("an id brought an item into memory")
	}
	b.close()
	other.close()
}

// Whatever is taken for an id is one: written again it is the same.
func FuzzReservationID(f *testing.F) {
	g := newGround(nil, true)
	s, err := actors.New(actors.Config{Log: g, Memory: g, Snapshots: g, Partitions: 1, IDKey: [16]byte{7}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	written := func(ref engine.ReservationRef) string { return string(s.AppendReservationID(nil, ref)) }
	f.Add(written(engine.ReservationRef{Home: "A", Nonce: 1}))
	f.Add(written(engine.ReservationRef{Home: strings.Repeat("é", 64), Nonce: 1 << 63}))
	f.Add("AQ")
	f.Add("")
	f.Fuzz(func(t *testing.T, id string) {
		if ref, ok := s.Reservation(id); ok && (written(ref) != id || ref.Nonce == 0 || ref.Home == "") {
			t.Errorf("%q is taken for %+v, whose id is %q", id, ref, written(ref))
		}
	})
}
