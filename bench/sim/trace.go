package sim

import (
	"fmt"
	"hash"
	"hash/fnv"
	"strings"
	"sync"
	"time"
)

// The streams of the trace. Each is in the order of what happened; two that are told of one moment
// are not ordered between them.
const (
	streamLog     = iota // every write, sync and rename of the log, with bytes and time
	streamRecords        // every record, as applied
	streamAnswers        // every answer that left the process
	streamDriver         // what clients and faults did
	streamCount
)

var streamNames = [...]string{streamLog: "disk", streamRecords: "log", streamAnswers: "answer", streamDriver: "world"}

// tailLines is how many lines of the trace a failure shows.
const tailLines = 60

// trace is what a life did. Two lives of one seed have the same.
type trace struct {
	mu    sync.Mutex
	sums  [streamCount]hash.Hash64
	lines []string // the last ones, from next on
	next  int
	ended bool
	// dump, if not nil, gets every line.
	dump func(stream int, line string)
}

func newTrace() *trace {
	t := &trace{lines: make([]string, tailLines)}
	for i := range t.sums {
		t.sums[i] = fnv.New64a()
	}
	return t
}

func (t *trace) note(stream int, format string, args ...any) {
	line := fmt.Sprintf("%s %s\n", time.Now().UTC().Format("15:04:05.000000000"), fmt.Sprintf(format, args...))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.sums[stream].Write([]byte(line))
	t.lines[t.next%tailLines] = fmt.Sprintf("%-6s %s", streamNames[stream], line)
	t.next++
	if t.dump != nil {
		t.dump(stream, line)
	}
}

// end notes the last thing.
func (t *trace) end(format string, args ...any) {
	t.note(streamDriver, format, args...)
	t.mu.Lock()
	t.ended = true
	t.mu.Unlock()
}

// sum is the hash of each stream.
func (t *trace) sum() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for i, h := range t.sums {
		all = append(all, fmt.Sprintf("%s %016x", streamNames[i], h.Sum64()))
	}
	return strings.Join(all, ", ")
}

// tail is the last part of the trace.
func (t *trace) tail() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	for i := range tailLines {
		b.WriteString(t.lines[(t.next+i)%tailLines])
	}
	return b.String()
}
