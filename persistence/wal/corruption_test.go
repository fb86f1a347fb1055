package wal

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The randomized tests of this package print the seed that failed, and run it alone with
//
//	go test ./persistence/wal -run NameOfTheTest -wal.seed N
var (
	seedFlag  = flag.Uint64("wal.seed", 0, "run only this seed of the randomized tests")
	seedsFlag = flag.Int("wal.seeds", 40, "how many seeds the randomized tests run")
)

// forSeeds runs f for every seed.
func forSeeds(t *testing.T, f func(t *testing.T, seed uint64, rng *rand.Rand)) {
	t.Helper()
	run := func(seed uint64) bool {
		return t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					name, _, _ := strings.Cut(t.Name(), "/")
					t.Logf("replay: go test ./persistence/wal -run '^%s$' -wal.seed %d", name, seed)
				}
			}()
			f(t, seed, rand.New(rand.NewPCG(seed, 0x736b7561)))
		})
	}
	if *seedFlag != 0 {
		run(*seedFlag)
		return
	}
	for seed := uint64(1); seed <= uint64(*seedsFlag) && run(seed); seed++ {
	}
}

// sample is one segment file with many groups, taken while the log was open, that is, as a crash
// leaves it.
type sample struct {
	fs     *vfs.MemFS
	path   string
	groups []span // one frame each, in order
	seal   span   // after the last group, if any
}

type span struct {
	from, to int64
	last     uint64
}

// sampleBytes holds a sample in one segment.
const sampleBytes = 192 << 10

// takeSample writes groups of a random size, each acknowledged, with or without a seal at the end.
func takeSample(t *testing.T, rng *rand.Rand, sealed bool) sample {
	t.Helper()
	fs := vfs.NewCrashableMem()
	o := Options{SegmentBytes: sampleBytes, sealAfter: time.Hour}
	if sealed {
		o.sealAfter = time.Millisecond
	}
	l, _, _, err := recovered(fs, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 100 {
		appendRecords(t, l, 1+rng.IntN(20))
	}
	if sealed {
		for end := int64(0); end == 0; {
			_, seal := framesOf(t, fs, "data/wal/"+segmentName(1))
			end = seal.to
			time.Sleep(time.Millisecond)
		}
	}
	clone := fs.CrashClone(vfs.CrashCloneCfg{})
	s := sample{fs: clone, path: "data/wal/" + segmentName(1)}
	s.groups, s.seal = framesOf(t, clone, s.path)
	return s
}

// framesOf lists the frames of a segment, and the seal frame that ends it. Seals in the middle,
// which a slow scheduler causes, do not matter here.
func framesOf(t *testing.T, fs vfs.FS, path string) (groups []span, seal span) {
	t.Helper()
	f, err := fs.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, headerUsed)
	if err := readFull(f, b, 0); err != nil {
		t.Fatal(err)
	}
	h, err := parseSegmentHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	info, _ := f.Stat()
	r := frameReader{f: f, salt: h.salt, at: headerBytes, limit: info.Size(), ahead: 4096}
	for {
		at := r.at
		h, _, err := r.next()
		if err != nil {
			return groups, seal
		}
		if seal = (span{}); h.count == 0 {
			seal = span{at, r.at, h.last()}
			continue
		}
		groups = append(groups, span{at, r.at, h.last()})
	}
}

// edit changes bytes of the sample's file, for good.
func (s sample) edit(t *testing.T, from, to int64, change func([]byte)) {
	t.Helper()
	f, err := s.fs.OpenReadWrite(s.path, diskCategory)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, to-from)
	if err := readFull(f, b, from); err != nil {
		t.Fatal(err)
	}
	change(b)
	if _, err := f.WriteAt(b, from); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func flip(rng *rand.Rand) func([]byte) {
	return func(b []byte) { b[rng.IntN(len(b))] ^= 1 << rng.IntN(8) }
}

func zero(b []byte) { clear(b) }

// wantLast opens the sample and expects the records up to last, then that the log works on.
func (s sample) wantLast(t *testing.T, want uint64) {
	t.Helper()
	for range 2 { // Once more, to see that what was cut off stays off.
		l, _, last, err := recovered(s.fs, Options{SegmentBytes: sampleBytes})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		if last != want {
			t.Fatalf("recovered up to %d, want %d", last, want)
		}
		appendRecords(t, l, 3)
		want += 3
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// wantDamage opens the sample and expects a refusal that names the place: the start of the frame.
func (s sample) wantDamage(t *testing.T, offset int64) {
	t.Helper()
	before := s.fs.String()
	_, _, _, err := recovered(s.fs, Options{SegmentBytes: sampleBytes})
	var damage *CorruptionError
	if !errors.As(err, &damage) {
		t.Fatalf("want a CorruptionError, got %v", err)
	}
	if damage.File != s.path || damage.Offset != offset {
		t.Fatalf("want %s at %d, got %v", s.path, offset, damage)
	}
	if s.fs.String() != before {
		t.Fatal("a refusal changed the files")
	}
}

// TestCorruptionMatrix is the matrix of docs/reference/log-format.md.
func TestCorruptionMatrix(t *testing.T) {
	cases := []struct {
		name   string
		sealed bool
		damage func(t *testing.T, rng *rand.Rand, s sample)
	}{
		{"untouched", false, func(t *testing.T, rng *rand.Rand, s sample) {
			s.wantLast(t, s.groups[len(s.groups)-1].last)
		}},
		{"torn tail", false, func(t *testing.T, rng *rand.Rand, s sample) {
			n := len(s.groups)
			tail := s.groups[n-1]
			cut := tail.from + rng.Int64N(tail.to-tail.from)
			s.edit(t, cut, tail.to, zero)
			s.wantLast(t, s.groups[n-2].last)
		}},
		{"zeroed tail", false, func(t *testing.T, rng *rand.Rand, s sample) {
			n := rng.IntN(len(s.groups)-1) + 1
			s.edit(t, s.groups[n].from, s.groups[len(s.groups)-1].to, zero)
			s.wantLast(t, s.groups[n-1].last)
		}},
		{"flip in the middle", false, func(t *testing.T, rng *rand.Rand, s sample) {
			g := s.groups[rng.IntN(len(s.groups)-1)]
			s.edit(t, g.from, g.to, flip(rng))
			s.wantDamage(t, g.from)
		}},
		{"zeroed page in the middle", false, func(t *testing.T, rng *rand.Rand, s sample) {
			const page = 4096
			tail := s.groups[len(s.groups)-1]
			from := headerBytes + page*rng.Int64N((tail.from-headerBytes)/page)
			s.edit(t, from, from+page, zero)
			for _, g := range s.groups {
				if g.to > from {
					s.wantDamage(t, g.from)
					return
				}
			}
		}},
		{"flip in the last group", false, func(t *testing.T, rng *rand.Rand, s sample) {
			n := len(s.groups)
			s.edit(t, s.groups[n-1].from, s.groups[n-1].to, flip(rng))
			s.wantLast(t, s.groups[n-2].last) // Nothing vouches for it yet: a torn tail.
		}},
		{"flip in the last group, sealed", true, func(t *testing.T, rng *rand.Rand, s sample) {
			g := s.groups[len(s.groups)-1]
			s.edit(t, g.from, g.to, flip(rng))
			s.wantDamage(t, g.from)
		}},
		{"flip in the seal", true, func(t *testing.T, rng *rand.Rand, s sample) {
			s.edit(t, s.seal.from, s.seal.to, flip(rng))
			s.wantLast(t, s.seal.last)
		}},
		{"flip in the segment header", false, func(t *testing.T, rng *rand.Rand, s sample) {
			s.edit(t, 0, headerUsed, flip(rng))
			s.wantDamage(t, 0)
		}},
	}
	for _, c := range cases {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			forSeeds(t, func(t *testing.T, _ uint64, rng *rand.Rand) {
				c.damage(t, rng, takeSample(t, rng, c.sealed))
			})
		})
	}
}

// TestDamageInASealedSegment covers what the header of the next segment vouches for: everything.
func TestDamageInASealedSegment(t *testing.T) {
	forSeeds(t, func(t *testing.T, _ uint64, rng *rand.Rand) {
		fs := vfs.NewMem()
		l := openMem(t, fs, Options{})
		for l.Last() < 50 {
			appendRecords(t, l, 1+rng.IntN(20))
		}
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
		l.Close()
		s := sample{fs: fs, path: "data/wal/" + segmentName(1)}
		s.groups, _ = framesOf(t, fs, s.path)
		g := s.groups[rng.IntN(len(s.groups))]
		s.edit(t, g.from, g.to, flip(rng))
		s.wantDamage(t, g.from)
	})
}

func TestMissingSegment(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	for range 3 {
		appendRecords(t, l, 10)
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
	}
	l.Close()
	if err := fs.Remove("data/wal/" + segmentName(2)); err != nil {
		t.Fatal(err)
	}
	_, _, _, err := recovered(fs, Options{})
	var damage *CorruptionError
	if !errors.As(err, &damage) || damage.File != "data/wal/"+segmentName(2) {
		t.Fatalf("got %v", err)
	}
}

func TestUnknownVersionIsNotDamage(t *testing.T) {
	h := segmentHeader{salt: 1, number: 1, first: 1}
	b := h.encode()
	b[8] = 9
	reseal(b)
	if _, err := parseSegmentHeader(b); !errors.Is(err, errHeaderVersion) {
		t.Fatalf("got %v", err)
	}
}

// TestReadersMeetDamage: a Read or a Tail of a damaged frame gets the place, not the bytes.
func TestReadersMeetDamage(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	appendRecords(t, l, 100)
	s := sample{fs: fs, path: "data/wal/" + segmentName(1)}
	s.groups, _ = framesOf(t, fs, s.path)
	s.edit(t, s.groups[0].from+frameHeaderBytes+20, s.groups[0].from+frameHeaderBytes+21, func(b []byte) {
		b[0] ^= 4
	})
	var damage *CorruptionError
	if _, err := l.Read(1); !errors.As(err, &damage) || damage.Offset != headerBytes {
		t.Fatalf("read: %v", err)
	}
	tail := l.Tail(1)
	defer tail.Close()
	if _, _, _, err := tail.TryNext(); !errors.As(err, &damage) || damage.Offset != headerBytes {
		t.Fatalf("tail: %v", err)
	}
}
