package wal

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
)

// told is a Waiter that remembers what it was told, and how often.
type told struct{ ch chan error }

func newTold() told { return told{make(chan error, 2)} }

func (w told) Durable(err error) { w.ch <- err }

// waitDurable appends a record and waits until it is durable.
func waitDurable(t *testing.T, l *Log, record []byte) uint64 {
	t.Helper()
	w := newTold()
	index, err := l.Append(record, w)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	if err := <-w.ch; err != nil {
		t.Fatalf("durable: %v", err)
	}
	return index
}

// recordOf makes the record that a test expects at an index: its length and bytes follow from it.
func recordOf(index uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, index)
	for i := range int(index*7919%97) + 1 {
		b = append(b, byte(index)+byte(i))
	}
	return b
}

// appendRecords appends recordOf for the next n indexes and waits for the last.
func appendRecords(t *testing.T, l *Log, n int) {
	t.Helper()
	for range n - 1 {
		if _, err := l.Append(recordOf(l.Last()+1), nil); err != nil {
			t.Fatalf("append: %v", err)
		}
	}
	waitDurable(t, l, recordOf(l.Last()+1))
}

// recovered opens the log and checks that every record is the one of its index.
func recovered(fs vfs.FS, o Options) (l *Log, first, last uint64, err error) {
	o.FS = fs
	var wrong error
	o.Recover = func(index uint64, record []byte) error {
		if first == 0 {
			first = index
		}
		if last != 0 && index != last+1 {
			wrong = fmt.Errorf("record %d follows %d", index, last)
		}
		last = index
		if !bytes.Equal(record, recordOf(index)) {
			wrong = fmt.Errorf("record %d is %x, want %x", index, record, recordOf(index))
		}
		return wrong
	}
	l, err = Open("data/wal", o)
	return l, first, last, err
}

func openMem(t *testing.T, fs vfs.FS, o Options) *Log {
	t.Helper()
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 64 << 10
	}
	l, _, _, err := recovered(fs, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestRecordsComeBack(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{First: 100})
	if l.First() != 100 || l.Last() != 99 || l.Durable() != 99 {
		t.Fatalf("empty log: first %d, last %d, durable %d", l.First(), l.Last(), l.Durable())
	}
	appendRecords(t, l, 5000)
	if len(l.Segments()) < 3 {
		t.Fatalf("want several segments, got %+v", l.Segments())
	}
	for index := l.First(); index <= l.Last(); index++ {
		got, err := l.Read(index)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(recordOf(index), got); diff != "" {
			t.Fatalf("record %d (-want +got):\n%s", index, diff)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, first, last, err := recovered(fs, Options{SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if first != 100 || last != 5099 || again.Last() != 5099 || again.First() != 100 {
		t.Fatalf("recovered %d to %d, log says %d to %d", first, last, again.First(), again.Last())
	}
	if index := waitDurable(t, again, recordOf(5100)); index != 5100 {
		t.Fatalf("the next index is %d", index)
	}
	if got, err := again.Read(100); err != nil || !bytes.Equal(got, recordOf(100)) {
		t.Fatalf("read of a recovered record: %x, %v", got, err)
	}
}

func TestRecordsOfEverySize(t *testing.T) {
	fs := vfs.NewMem()
	sizes := []int{
		0, 1, 127, 128, 16383, 16384, FrameBytesMax - 1, FrameBytesMax, FrameBytesMax + 1,
		GroupBytesMax, RecordBytesMax,
	}
	o := Options{FS: fs, SegmentBytes: 1 << 20}
	l, err := Open("wal", o)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range sizes {
		waitDurable(t, l, bytes.Repeat([]byte{byte(n)}, n))
		if _, err := l.Append([]byte{7}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Append(make([]byte, RecordBytesMax+1), nil); !errors.Is(err, ErrRecordTooLong) {
		t.Fatalf("too long a record: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var got []int
	o.Recover = func(_ uint64, record []byte) error {
		if len(record) != 1 || record[0] != 7 || len(got)%2 == 0 {
			if !bytes.Equal(record, bytes.Repeat([]byte{byte(len(record))}, len(record))) {
				return errors.New("wrong bytes")
			}
		}
		got = append(got, len(record))
		return nil
	}
	if l, err = Open("wal", o); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var want []int
	for _, n := range sizes {
		want = append(want, n, 1)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("sizes (-want +got):\n%s", diff)
	}
	for i, n := range want {
		if record, err := l.Read(uint64(i + 1)); err != nil || len(record) != n {
			t.Fatalf("read record %d: %d bytes, %v", i+1, len(record), err)
		}
	}
}

// order is a Waiter that notes who was told in which order.
type order struct {
	mu    *sync.Mutex
	index uint64
	list  *[]uint64
	wg    *sync.WaitGroup
}

func (w order) Durable(error) {
	w.mu.Lock()
	*w.list = append(*w.list, w.index)
	w.mu.Unlock()
	w.wg.Done()
}

func TestWaitersAreToldInOrder(t *testing.T) {
	gate := make(chan struct{})
	fs := &slowSync{FS: vfs.NewMem(), gate: gate}
	l, err := Open("wal", Options{FS: fs, SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	fs.on.Store(true)
	var mu sync.Mutex
	var list []uint64
	var wg sync.WaitGroup
	w := func(index uint64) order {
		wg.Add(1)
		return order{&mu, index, &list, &wg}
	}
	for i := uint64(1); i <= 300; i++ {
		if _, err := l.Append(bytes.Repeat([]byte{1}, 200), w(i)); err != nil {
			t.Fatal(err)
		}
		l.Await(1+i*31%i, w(1+i*31%i))
		l.Await(1+i/2, w(1+i/2))
	}
	fs.on.Store(false)
	close(gate)
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	if len(list) != 900 {
		t.Fatalf("%d were told", len(list))
	}
	for i := 1; i < len(list); i++ {
		if list[i] < list[i-1] {
			t.Fatalf("record %d was told after %d", list[i], list[i-1])
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAwait(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{})
	index := waitDurable(t, l, []byte("a"))
	w := newTold()
	l.Await(index, w)
	select {
	case err := <-w.ch:
		if err != nil {
			t.Fatal(err)
		}
	default:
		t.Fatal("a durable record must be told at once")
	}
	defer func() {
		if recover() == nil {
			t.Fatal("an index never appended must panic")
		}
	}()
	l.Await(index+1, w)
}

func TestOverloadAnswersAtOnce(t *testing.T) {
	gate := make(chan struct{})
	fs := &slowSync{FS: vfs.NewMem(), gate: gate}
	l, err := Open("wal", Options{FS: fs, SegmentBytes: 64 << 10, PendingBytesMax: 1000})
	if err != nil {
		t.Fatal(err)
	}
	fs.on.Store(true)
	// A record above the limit may go alone.
	if _, err := l.Append(make([]byte, 2000), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append([]byte{1}, nil); !errors.Is(err, ErrOverloaded) {
		t.Fatalf("want ErrOverloaded, got %v", err)
	}
	fs.on.Store(false)
	close(gate)
	w := newTold()
	l.Await(1, w)
	if err := <-w.ch; err != nil {
		t.Fatal(err)
	}
	if index := waitDurable(t, l, []byte{1}); index != 2 {
		t.Fatalf("a refused record took an index: the next is %d", index)
	}
	l.Close()
}

func TestBehindWhileTooMuchIsNotOnDisk(t *testing.T) {
	gate := make(chan struct{})
	fs := &slowSync{FS: vfs.NewMem(), gate: gate}
	l, err := Open("wal", Options{FS: fs, SegmentBytes: 64 << 10, PendingBytesSoft: 1000})
	if err != nil {
		t.Fatal(err)
	}
	fs.on.Store(true)
	for _, c := range []struct {
		bytes  int
		behind bool
	}{{500, false}, {600, true}, {1, true}} {
		if _, err := l.Append(make([]byte, c.bytes), nil); err != nil {
			t.Fatal(err)
		}
		if l.Behind() != c.behind {
			t.Errorf("with %d bytes pending of 1000 it is behind: %v", l.Pending(), l.Behind())
		}
	}
	fs.on.Store(false)
	close(gate)
	waitDurable(t, l, []byte{1})
	if l.Behind() || l.Pending() != 0 {
		t.Errorf("with all on disk, %d bytes are pending, and it is behind: %v", l.Pending(), l.Behind())
	}
	l.Close()
}

func TestCloseFlushesAndEndsEverything(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	tail := l.Tail(1)
	w := newTold()
	for i := range uint64(1000) {
		if _, err := l.Append(recordOf(i+1), w0(i == 999, w)); err != nil {
			t.Fatal(err)
		}
	}
	asleep := l.Tail(1001)
	ended := make(chan error)
	go func() {
		_, _, err := asleep.Next(context.Background())
		ended <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-w.ch; err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Fatalf("a waiting tail got %v", err)
	}
	_, appendErr := l.Append(nil, nil)
	_, readErr := l.Read(1)
	_, _, _, tailErr := tail.TryNext()
	for name, err := range map[string]error{
		"append": appendErr, "read": readErr, "tail": tailErr, "roll": l.Roll(), "cut": l.CutBefore(1),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close: %v", name, err)
		}
	}
	if _, _, last, err := recovered(fs, Options{ReadOnly: true}); err != nil || last != 1000 {
		t.Fatalf("recovered %d, %v", last, err)
	}
}

// w0 gives w if yes, and no waiter otherwise.
func w0(yes bool, w Waiter) Waiter {
	if yes {
		return w
	}
	return nil
}

func TestRollSealsWhatWasAppended(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{})
	if err := l.Roll(); err != nil || len(l.Segments()) != 1 {
		t.Fatalf("roll of an empty segment: %v, %+v", err, l.Segments())
	}
	for range 10 {
		if _, err := l.Append([]byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Roll(); err != nil {
		t.Fatal(err)
	}
	got := l.Segments()
	if len(got) != 2 || got[0].First != 1 || got[0].Last != 10 || !got[0].Sealed ||
		got[1].First != 11 || got[1].Last != 10 || got[1].Sealed {
		t.Fatalf("segments: %+v", got)
	}
}

func TestRollIsNotStarved(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := l.Append([]byte("x"), nil); err != nil && !errors.Is(err, ErrOverloaded) {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 20 {
		if err := l.Roll(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

func TestReadOnlyChangesNothing(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	appendRecords(t, l, 3000)
	l.Close()
	before := fs.String()
	ro, first, last, err := recovered(fs, Options{ReadOnly: true})
	if err != nil || first != 1 || last != 3000 {
		t.Fatalf("recovered %d to %d, %v", first, last, err)
	}
	if record, err := ro.Read(1234); err != nil || !bytes.Equal(record, recordOf(1234)) {
		t.Fatalf("read: %v", err)
	}
	if err := ro.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, fs.String()); diff != "" {
		t.Fatalf("files changed:\n%s", diff)
	}
	defer func() {
		if recover() == nil {
			t.Fatal("append to a read-only log must panic")
		}
	}()
	ro.Append(nil, nil)
}

func TestRestartsDoNotPileUpSegments(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	appendRecords(t, l, 10)
	for range 5 {
		l.Close()
		l = openMem(t, fs, Options{})
	}
	if n := len(l.Segments()); n != 2 {
		t.Fatalf("%d segments after restarts without a record: %+v", n, l.Segments())
	}
}

func TestRecoverErrorEndsOpen(t *testing.T) {
	fs := vfs.NewMem()
	l := openMem(t, fs, Options{})
	appendRecords(t, l, 3)
	l.Close()
	boom := errors.New("boom")
	_, err := Open("data/wal", Options{FS: fs, Recover: func(index uint64, _ []byte) error {
		if index == 2 {
			return boom
		}
		return nil
	}})
	if !errors.Is(err, boom) {
		t.Fatalf("got %v", err)
	}
}

func TestOptionsAreValidated(t *testing.T) {
	_, err := Open("wal", Options{FS: vfs.NewMem(), SegmentBytes: 1, PendingBytesMax: -1})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("PendingBytesMax (-1)")) ||
		!bytes.Contains([]byte(err.Error()), []byte("SegmentBytes (1)")) {
		t.Fatalf("got %v", err)
	}
}

func TestGroupsAreReported(t *testing.T) {
	var mu sync.Mutex
	var records, bytes int
	l := openMem(t, vfs.NewMem(), Options{OnGroup: func(g Group) {
		mu.Lock()
		defer mu.Unlock()
		records += g.Records
		bytes += g.Bytes
		if g.Write < 0 || g.Sync < 0 {
			t.Errorf("negative durations: %+v", g)
		}
	}})
	appendRecords(t, l, 1000)
	l.Close()
	mu.Lock()
	defer mu.Unlock()
	if records != 1000 || bytes < 1000*9 {
		t.Fatalf("%d records, %d bytes", records, bytes)
	}
}

func TestOnARealDisk(t *testing.T) {
	dir := t.TempDir() + "/data/wal"
	o := Options{SegmentBytes: 256 << 10}
	l, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	appendRecords(t, l, 20000)
	if err := l.CutBefore(15000); err != nil {
		t.Fatal(err)
	}
	appendRecords(t, l, 20000)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next := l.First()
	o.Recover = func(index uint64, record []byte) error {
		if index != next || !bytes.Equal(record, recordOf(index)) {
			return fmt.Errorf("record %d, want %d", index, next)
		}
		next++
		return nil
	}
	again, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if next != 40001 {
		t.Fatalf("recovered up to %d", next-1)
	}
}

// TestSealFollowsTheLastGroup waits for the idle seal: the segment grows by one frame header.
func TestSealFollowsTheLastGroup(t *testing.T) {
	l := openMem(t, vfs.NewMem(), Options{})
	waitDurable(t, l, []byte("abc"))
	want := int64(headerBytes + frameHeaderBytes + 4 + frameHeaderBytes)
	for l.Segments()[0].Bytes != want {
		time.Sleep(time.Millisecond)
	}
}
