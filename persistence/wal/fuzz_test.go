package wal

import (
	"errors"
	"runtime"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FuzzOpen gives any bytes to recovery as a segment, with a valid header or as they are: it answers
// with records or a CorruptionError, and never believes a length that the file cannot hold.
func FuzzOpen(f *testing.F) {
	const salt = 0x0102030405060708
	var g group
	g.add(1, []byte("abc"))
	g.add(2, nil)
	g.finish(salt, 0)
	seal := make([]byte, frameHeaderBytes)
	finishFrame(seal, salt, 3, 2, 0)
	whole := append(append([]byte{}, g.buf...), seal...)
	f.Add(true, whole)
	f.Add(true, g.buf[:len(g.buf)-1])
	damaged := append([]byte{}, whole...)
	damaged[frameHeaderBytes+1] ^= 1
	f.Add(true, damaged)
	huge := append([]byte{}, whole...)
	huge[frameLengthAt+3] = 0xff
	f.Add(true, huge)
	f.Add(false, whole)
	f.Add(false, segmentHeader{salt: salt, number: 1, first: 1}.encode())

	f.Fuzz(func(t *testing.T, headed bool, b []byte) {
		if headed {
			b = append(segmentHeader{salt: salt, number: 1, first: 1}.encode(), b...)
		}
		fs := vfs.NewMem()
		if err := fs.MkdirAll("wal", 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := fs.OpenReadWrite("wal/"+segmentName(1), diskCategory)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		file.Close()
		next := uint64(0)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l, err := Open("wal", Options{FS: fs, ReadOnly: true, Recover: func(i uint64, _ []byte) error {
			if next != 0 && i != next {
				t.Errorf("record %d, want %d", i, next)
			}
			next = i + 1
			return nil
		}})
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > uint64(8*len(b)+1<<20) {
			t.Errorf("%d bytes allocated for a file of %d", spent, len(b))
		}
		var damage *CorruptionError
		if err != nil {
			if !errors.As(err, &damage) && !errors.Is(err, errHeaderVersion) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for i := l.First(); i <= l.Last(); i++ {
			if _, err := l.Read(i); err != nil {
				t.Fatalf("recovered, but read says %v", err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}
