package snapshot

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skua-stock/skua/engine"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the randomized tests; 0 draws one")

func drawSeed(t *testing.T) uint64 {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("replay with: go test ./persistence/snapshot -run '^%s$' -seed %d", t.Name(), seed)
	return seed
}

func openDB(t *testing.T, fs vfs.FS) *DB {
	t.Helper()
	db, err := Open("state", Options{FS: fs, CacheBytes: 1 << 20, OnFailure: func(err error) { panic(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// holder is an item's holds in the plainest way, and what its next image will say of them.
type holder struct {
	rng     *rand.Rand
	holds   map[uint64]engine.HoldImage
	saved   map[uint64]bool
	changed []engine.HoldImage
	gone    []uint64
}

func (h *holder) hold(nonce uint64) engine.HoldImage {
	im := engine.HoldImage{
		Nonce: nonce, State: engine.Active, Deadline: engine.Time(1 + h.rng.IntN(1<<40)),
		Lines: []engine.HoldLineImage{{LineStatus: engine.LineStatus{Quantity: 9, Open: int64(h.rng.IntN(9))}}},
	}
	if h.rng.IntN(4) == 0 {
		im.Owner, im.Home = fmt.Sprint("owner", h.rng.IntN(9)), "elsewhere"
		im.Others = []engine.Line{{SKU: "other", Location: "main", Quantity: 3}}
	}
	return im
}

// change opens, changes and ends some holds. A hold may be in an image several times, as one that
// was copied in pieces while it changed.
func (h *holder) change(n int) {
	for range n {
		switch nonces := slices.Sorted(maps.Keys(h.holds)); {
		case len(nonces) == 0 || h.rng.IntN(5) < 2:
			h.put(h.hold(h.rng.Uint64() | 1))
		case h.rng.IntN(2) == 0:
			h.put(h.hold(nonces[h.rng.IntN(len(nonces))]))
		default:
			nonce := nonces[h.rng.IntN(len(nonces))]
			delete(h.holds, nonce)
			written := func(im engine.HoldImage) bool { return im.Nonce == nonce }
			// One that no image ever had need not be said to be gone.
			if h.saved[nonce] || slices.ContainsFunc(h.changed, written) {
				h.gone = append(h.gone, nonce)
			}
		}
	}
}

func (h *holder) put(im engine.HoldImage) {
	h.holds[im.Nonce] = im
	h.changed = append(h.changed, im)
}

func (h *holder) image(sequence uint64) *engine.Image {
	im := &engine.Image{SKU: "A", Sequence: sequence, Open: len(h.holds), Holds: [][]engine.HoldImage{h.changed}, Gone: h.gone}
	for _, c := range h.changed {
		h.saved[c.Nonce] = true
	}
	h.changed, h.gone = nil, nil
	return im
}

// stored reads all holds of an item from its chunks.
func stored(t *testing.T, d *DB, n *Note) map[uint64]engine.HoldImage {
	t.Helper()
	if err := d.settle(); err != nil {
		t.Fatal(err)
	}
	holds := make(map[uint64]engine.HoldImage)
	for _, c := range n.chunks(nil) {
		row, err := d.get(holdsKey("A", c.number))
		if err != nil {
			t.Fatal(err)
		}
		if len(row) != int(c.bytes) {
			t.Fatalf("chunk %d has %d bytes, noted are %d", c.number, len(row), c.bytes)
		}
		if err := readChunk(row, holds); err != nil {
			t.Fatal(err)
		}
	}
	return holds
}

// TestHoldsAgainstAMap saves many images of an item, each with what changed only, and expects the
// chunks to have the holds as they are: over merges, emptyings and restarts, in few chunks.
func TestHoldsAgainstAMap(t *testing.T) {
	seed := drawSeed(t)
	for round := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, round))
		fs := vfs.NewMem()
		small := round%3 == 2 // Chunks are full so soon that an image takes several.
		open := func() *DB {
			db := openDB(t, fs)
			if small {
				db.chunkBytes = 500
			}
			return db
		}
		db := open()
		h := &holder{rng: rng, holds: make(map[uint64]engine.HoldImage), saved: make(map[uint64]bool)}
		var note *Note
		most := 1
		for i := range uint64(80) {
			h.change(rng.IntN([]int{2, 10, 60}[rng.IntN(3)]))
			if rng.IntN(40) == 0 {
				for nonce := range h.holds {
					if h.saved[nonce] {
						h.gone = append(h.gone, nonce)
					}
				}
				h.changed = nil
				clear(h.holds)
			}
			var err error
			if note, err = db.Save(h.image(i+1), i+1, note); err != nil {
				t.Fatal(err)
			}
			if rng.IntN(3) == 0 { // Else more of the item is gathered.
				if diff := cmp.Diff(h.holds, stored(t, db, note), cmpopts.EquateEmpty()); diff != "" {
					t.Fatalf("image %d (-have +stored):\n%s", i, diff)
				}
			}
			most = max(most, len(note.chunks(nil)))
			if rng.IntN(15) == 0 {
				if err := db.Commit(i); err != nil {
					t.Fatal(err)
				}
				if small {
					writeOnlyChunks(t, db, h, note)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				db = open()
				row, err := db.get(itemKey("A"))
				if err != nil {
					t.Fatal(err)
				}
				_, _, expires, chunks, err := decodeItemRow(row)
				if err != nil {
					t.Fatal(err)
				}
				note = newNote(expires, 0, chunks)
			}
		}
		if !small && most > 12 {
			t.Errorf("there were %d chunks at once", most)
		}
		if diff := cmp.Diff(h.holds, stored(t, db, note), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("in the end (-have +stored):\n%s", diff)
		}
		if n := rows(t, db, keyHolds); !small && n != len(note.chunks(nil)) {
			t.Errorf("%d rows of holds, the item has %d", n, len(note.chunks(nil)))
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// An item that always has a few open holds is packed again before the holds that are over take more room
// than those that are open ever could.
func TestHoldsThatAreOverTakeNoRoom(t *testing.T) {
	rng := rand.New(rand.NewPCG(drawSeed(t), 1))
	db := openDB(t, vfs.NewMem())
	db.chunkBytes = 2000
	h := &holder{rng: rng, holds: make(map[uint64]engine.HoldImage), saved: make(map[uint64]bool)}
	var note *Note
	for i := range uint64(1000) {
		for range 20 {
			h.put(h.hold(rng.Uint64() | 1))
		}
		var err error
		if note, err = db.Save(h.image(i+1), i+1, note); err != nil {
			t.Fatal(err)
		}
		for nonce := range h.holds { // All but one are over before the next image.
			if len(h.holds) == 1 {
				break
			}
			delete(h.holds, nonce)
			h.gone = append(h.gone, nonce)
		}
		bytes := 0
		for _, c := range note.chunks(nil) {
			bytes += int(c.bytes)
		}
		if most := 6 * (db.chunkBytes + 20*holdBytes); bytes > most {
			t.Fatalf("after %d images the chunks have %d bytes", i+1, bytes)
		}
	}
	have := stored(t, db, note)
	for nonce := range h.holds {
		if _, ok := have[nonce]; !ok {
			t.Errorf("hold %x is not there", nonce)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// writeOnlyChunks writes the full chunks of an image and not the rest, as a crash in between may leave it.
func writeOnlyChunks(t *testing.T, d *DB, h *holder, n *Note) {
	t.Helper()
	im := &engine.Image{SKU: "A"}
	for range 100 {
		im.Holds = append(im.Holds, []engine.HoldImage{h.hold(h.rng.Uint64())})
	}
	number := uint32(1)
	if chunks := n.chunks(nil); len(chunks) > 0 {
		number = chunks[len(chunks)-1].number + 1
	}
	if full, err := d.gatherFull(im, nil, &number); err != nil || len(full) < 3 {
		t.Fatalf("%d chunks, %v", len(full), err)
	}
	if err := errors.Join(d.apply(), d.pebble.Flush()); err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, d *DB, prefix byte) (n int) {
	t.Helper()
	err := d.scan([]byte{prefix}, []byte{prefix + 1}, func(_, _ []byte) (bool, error) { n++; return true, nil })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func chunkOf(gone []uint64, holds ...engine.HoldImage) []byte {
	row := beginChunk(nil, gone)
	for i := range holds {
		row = appendHold(row, &holds[i])
	}
	return row
}

// Garbage in a chunk is an error, never a panic, nor a hold too many without one.
func FuzzReadChunk(f *testing.F) {
	h := &holder{rng: rand.New(rand.NewPCG(1, 1))}
	f.Add(chunkOf(nil))
	f.Add(chunkOf([]uint64{1, 2, 3}, h.hold(4), h.hold(5)))
	f.Add([]byte{chunkVersion, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, row []byte) {
		holds := make(map[uint64]engine.HoldImage)
		if err := readChunk(row, holds); err != nil {
			return
		}
		again := make(map[uint64]engine.HoldImage)
		if err := readChunk(chunkOf(nil, slices.Collect(maps.Values(holds))...), again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(holds, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}
