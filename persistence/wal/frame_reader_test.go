package wal

import (
	"bytes"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestScanFindsAFrameAnywhere: whatever the alignment of the frame, and wherever the windows of the
// reader begin and end.
func TestScanFindsAFrameAnywhere(t *testing.T) {
	const salt = 0x1212121212121212 // The salt's own bytes are a trap for a careless search.
	var g group
	g.add(7, []byte("seven"))
	g.finish(salt, 6)
	for _, ahead := range []int64{0, 1, 41, 64, 100} {
		for i := range 300 {
			at, filler := i/2, []byte{0x12 * byte(i%2)}
			b := bytes.Repeat(filler, at)
			b = append(b, g.buf...)
			b = append(b, bytes.Repeat(filler, 60)...)
			r := frameReader{f: vfs.NewMemFile(b), salt: salt, limit: int64(len(b)), ahead: ahead}
			got, found, salted, err := r.scanFrames(func(h frameHeader) bool { return h.first == 7 })
			if err != nil || !found || !salted || got != int64(at) {
				t.Fatalf("ahead %d: frame at %d found at %d, %v, %v", ahead, at, got, found, err)
			}
		}
		b := make([]byte, 200)
		r := frameReader{f: vfs.NewMemFile(b), salt: salt, limit: int64(len(b)), ahead: ahead}
		if _, found, salted, err := r.scanFrames(func(frameHeader) bool { return true }); found || salted || err != nil {
			t.Fatalf("found a frame in zeros: %v %v", salted, err)
		}
	}
}

// TestLengthOfAGrowingFileIsSynced: a segment that was zero-filled needs its bytes on disk, one that
// grows needs its length too.
func TestLengthOfAGrowingFileIsSynced(t *testing.T) {
	for _, grows := range []bool{false, true} {
		full, data := 0, 0
		spareFailed := !grows
		var counting atomic.Bool
		inj := errorfs.InjectorFunc(func(op errorfs.Op) error {
			switch op.Kind {
			case errorfs.OpFileSync:
				if !spareFailed && strings.Contains(op.Path, sparePrefix) {
					spareFailed = true
					return errorfs.ErrInjected
				}
				if counting.Load() && strings.Contains(op.Path, sparePrefix) {
					full++
				}
			case errorfs.OpFileSyncData:
				if counting.Load() {
					data++
				}
			}
			return nil
		})
		l, err := Open("wal", Options{FS: errorfs.Wrap(vfs.NewMem(), &locked{Injector: inj}), SegmentBytes: 1 << 16})
		if err != nil {
			t.Fatal(err)
		}
		for l.spareCount() == 0 { // Then nobody else syncs.
			if grows {
				waitDurable(t, l, []byte("x"))
			} else { // Records might fill the first file before there is a spare for the next.
				time.Sleep(time.Millisecond)
			}
		}
		counting.Store(true)
		waitDurable(t, l, []byte("abc"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if grows && (full == 0 || data > 0) || !grows && (full > 0 || data == 0) {
			t.Errorf("grows %v: %d full syncs, %d data syncs", grows, full, data)
		}
	}
}

func TestBadFramesAreNotDiskErrors(t *testing.T) {
	if !isBadFrame(badCRC) || isBadFrame(errors.New("input/output error")) {
		t.Fatal("a torn frame and a failing disk must not be mixed up")
	}
}
