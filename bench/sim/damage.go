package sim

import (
	"errors"
	"path"
	"strings"

	"github.com/skua-stock/skua/persistence/wal"
)

// flip is a bit of the log that is not what was written.
type flip struct {
	file string
	at   int
	bit  byte
}

// damage flips a bit of the log of a node that was shut down in order, where all that counts is
// vouched for. Either the next start refuses, and names file and place, or nothing was there that
// counts; everything is compared after a start.
func (w *world) damage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	dir := w.disk.find(dataDir + "/log")
	names, _ := w.disk.List(dataDir + "/log")
	var segments []string
	for _, name := range names {
		if strings.HasSuffix(name, ".wal") && !strings.HasPrefix(name, "spare-") && len(dir.kids[name].data) > 0 {
			segments = append(segments, name)
		}
	}
	if len(segments) == 0 {
		return
	}
	name := segments[w.dice.IntN(len(segments))]
	n := dir.kids[name]
	end := len(n.data)
	for end > 1 && n.data[end-1] == 0 {
		end-- // What follows is zeros.
	}
	w.flip = &flip{path.Join(dataDir, "log", name), w.dice.IntN(end), 1 << w.dice.IntN(8)}
	w.turnLocked()
}

// turnLocked flips the bit, or flips it back.
func (w *world) turnLocked() {
	n := w.disk.find(w.flip.file)
	n.data[w.flip.at] ^= w.flip.bit
	if w.flip.at < len(n.safe) {
		n.safe[w.flip.at] ^= w.flip.bit
	}
	w.trace.note(streamDriver, "flipped bit %08b of %s at %d", w.flip.bit, w.flip.file, w.flip.at)
}

// noticed reports whether a start was refused because of the bit that was flipped, and flips it back.
func (w *world) noticed(err error) bool {
	var corrupt *wal.CorruptionError
	if w.flip == nil || !errors.As(err, &corrupt) {
		return false
	}
	if corrupt.File != w.flip.file || corrupt.Offset > int64(w.flip.at) {
		w.fail("byte %d of %s is damaged, and the start says: %v", w.flip.at, w.flip.file, err)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.count.damageFound++
	w.turnLocked()
	w.flip = nil
	return true
}
