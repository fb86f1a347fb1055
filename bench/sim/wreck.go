package sim

import (
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
)

// wreck says what a power failure leaves of what was not synced.
type wreck struct {
	seed uint64
	// keep is the chance, in percent, of a sector or a name that was not synced to be there.
	keep int
	// torn cuts a sector in two: its beginning is new, its end is old.
	torn bool
	// process says that only the process died: the cache of the kernel is as it was.
	process bool
	// rot flips a bit in what was not synced and is there.
	rot bool
}

// sectorBytes is what a disk writes at once, if it writes it at all.
const sectorBytes = 512

// crash is the disk as the next process finds it. Dice are thrown for each file by its name, so that
// what happens to the log does not depend on what Pebble has beside it.
func (d *disk) crash(w wreck) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := newDisk()
	next.room = d.room
	seen := map[*inode]*inode{}
	if w.process {
		next.root = d.root.copy(seen)
	} else {
		next.root = d.root.survive(w, "", seen)
	}
	return next
}

func (w *wreck) dice(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// copy is the file and everything in it, synced or not.
func (n *inode) copy(seen map[*inode]*inode) *inode {
	if c := seen[n]; c != nil {
		return c
	}
	c := &inode{data: slices.Clone(n.data), safe: slices.Clone(n.safe), dirty: slices.Clone(n.dirty), order: slices.Clone(n.order)}
	seen[n] = c
	for _, kids := range [...]struct {
		from map[string]*inode
		to   *map[string]*inode
	}{{n.kids, &c.kids}, {n.safeKids, &c.safeKids}} {
		if kids.from == nil {
			continue
		}
		*kids.to = make(map[string]*inode, len(kids.from))
		for name, kid := range kids.from {
			(*kids.to)[name] = kid.copy(seen)
		}
	}
	return c
}

// survive is what is left of a file: all that was synced, and some of the rest.
func (n *inode) survive(w wreck, name string, seen map[*inode]*inode) *inode {
	if c := seen[n]; c != nil {
		return c
	}
	dice := w.dice(name)
	if n.kids == nil {
		c := &inode{data: n.surviving(w, dice)}
		c.safe = slices.Clone(c.data)
		seen[n] = c
		return c
	}
	left := n.names(w, name, dice)
	c := newDir()
	seen[n] = c
	for _, kid := range slices.Sorted(maps.Keys(left)) {
		c.kids[kid] = left[kid].survive(w, path.Join(name, kid), seen)
	}
	c.safeKids = maps.Clone(c.kids)
	return c
}

// names are what is left of the entries of a directory. Those of the log survive one by one, in any
// combination. Pebble counts on a file system that keeps the order of changes to a directory, as those
// with a journal do: it makes a file, then the marker that names it, and syncs the directory once. So
// elsewhere what was changed last is lost first.
func (n *inode) names(w wreck, name string, dice *rand.Rand) map[string]*inode {
	left := maps.Clone(n.safeKids)
	if path.Base(name) == "log" {
		for _, kid := range slices.Sorted(maps.Keys(n.kids)) {
			if dice.IntN(100) < w.keep {
				left[kid] = n.kids[kid]
			}
		}
		return left
	}
	for _, change := range n.order {
		if dice.IntN(100) >= w.keep {
			break
		}
		for _, kid := range change {
			if n.kids[kid] != nil {
				left[kid] = n.kids[kid]
			} else {
				delete(left, kid)
			}
		}
	}
	return left
}

func (n *inode) surviving(w wreck, dice *rand.Rand) []byte {
	left := slices.Clone(n.safe)
	sectors := map[int]bool{}
	for _, e := range n.dirty {
		for s := e.from / sectorBytes; s*sectorBytes < e.to; s++ {
			sectors[s] = true
		}
	}
	var kept []int
	for _, s := range slices.Sorted(maps.Keys(sectors)) {
		if dice.IntN(100) >= w.keep {
			continue
		}
		from, to := s*sectorBytes, min((s+1)*sectorBytes, len(n.data))
		if w.torn && dice.IntN(4) == 0 {
			to = from + dice.IntN(to-from)
		}
		if grow := to - len(left); grow > 0 {
			left = append(left, make([]byte, grow)...)
		}
		copy(left[from:to], n.data[from:to])
		kept = append(kept, s)
	}
	if w.rot && len(kept) > 0 {
		n.rot(left, kept[dice.IntN(len(kept))], dice)
	}
	return left
}

// rot flips a bit of a sector that was not synced, where it is not what was synced before.
func (n *inode) rot(left []byte, sector int, dice *rand.Rand) {
	at := sector*sectorBytes + dice.IntN(sectorBytes)
	if at < len(left) && (at >= len(n.safe) || left[at] != n.safe[at]) {
		left[at] ^= 1 << dice.IntN(8)
	}
}
